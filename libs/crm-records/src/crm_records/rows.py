"""Rows to messages and back to what the JSON interface shows, compiled once per choice of columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from google.protobuf.message import Message

from crm_records import fields as kinds
from crm_records.fields import Field
from crm_records.record import Record, Row


@cache
def filler(record: Record, columns: tuple[str, ...]) -> Callable[[Sequence[Any]], Message]:
    """Makes a message of a row that holds these columns in this order. `version` becomes the etag."""
    message = record.message
    plan: list[tuple[int, str, Callable[[Any], Any] | None]] = []
    for index, name in enumerate(columns):
        if name == "version":
            plan.append((index, "etag", str))
        elif name in record.fields:
            plan.append((index, name, _converter(record.fields[name])))

    def fill(row: Sequence[Any]) -> Message:
        values: dict[str, Any] = {}
        for index, name, convert in plan:
            value = row[index]
            if value is not None:
                values[name] = value if convert is None else convert(value)
        return message(**values)

    return fill


def to_message(record: Record, row: Row) -> Any:
    """The message of a whole row."""
    return filler(record, tuple(row))(tuple(row.values()))


def _converter(field: Field) -> Callable[[Any], Any] | None:
    match field.kind:
        case kinds.DECIMAL:
            return decimal_text
        case kinds.DATE:
            return date.isoformat
        case kinds.DATA:
            return _data_converter(field)
    return None


def _data_converter(field: Field) -> Callable[[Any], Any]:
    """JSON as stored has JSON names; the constructor of a message takes the names of its fields."""
    from google.protobuf.message_factory import GetMessageClass

    from crm_kit import codec

    assert field.nested is not None
    kind = GetMessageClass(field.nested)

    def one(data: Any) -> Message:
        message = kind()
        codec.from_dict(data, message)
        return message

    return (lambda many: [one(x) for x in many]) if field.repeated else one


def decimal_text(value: Decimal) -> str:
    """An exact decimal, never in scientific notation."""
    return f"{value:f}"


def plain(value: Any) -> Any:
    """A stored value as JSON shows it."""
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value


def stored(value: Any, field: Field) -> Any:
    """A value as the driver takes it: JSON columns need a wrapper."""
    from psycopg.types.json import Jsonb

    return Jsonb(value) if field.kind in (kinds.DATA, kinds.CUSTOM) and value is not None else value
