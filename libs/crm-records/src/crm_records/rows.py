"""Rows to messages and back to what the JSON interface shows, compiled once per choice of columns.

What the database holds encrypted is opened where it is read and sealed where it is written: everything between, a
`Row` too, holds the values themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

import orjson
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from psycopg.types.json import Jsonb
from sqlalchemy import Connection

from crm_kit import sealing
from crm_records import fields as kinds
from crm_records.fields import Field
from crm_records.record import Record, Row


@cache
def filler(
    record: Record, columns: tuple[str, ...], shown: frozenset[str] | None = None
) -> Callable[[Sequence[Any]], Message]:
    """Makes a message of a row that holds these columns in this order, or of what is `shown` of it. `version` becomes
    the etag."""
    message = record.message
    plan: list[tuple[int, str, Callable[[Any], Any] | None]] = []
    for index, name in enumerate(columns):
        if shown is not None and name not in shown:
            continue
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


def to_message(record: Record, row: Row, shown: frozenset[str] | None = None) -> Any:
    """The message of a row, whole or with only some of its columns."""
    return filler(record, tuple(row), shown)(tuple(row.values()))


def reader(connection: Connection, record: Record, columns: tuple[str, ...]) -> Callable[[Sequence[Any]], Message]:
    """Makes a message of a row as the database holds it."""
    fill = filler(record, columns)
    read = _opener(connection, record, columns)
    return fill if read is None else lambda values: fill(read(values))


def opened(connection: Connection, record: Record, columns: tuple[str, ...], values: Sequence[Any]) -> Sequence[Any]:
    """The values of a row with what is encrypted in them opened; `id` is one of the columns."""
    read = _opener(connection, record, columns)
    return values if read is None else read(values)


def _opener(
    connection: Connection, record: Record, columns: tuple[str, ...]
) -> Callable[[Sequence[Any]], Sequence[Any]] | None:
    """Opens what is encrypted in rows of these columns; None where nothing is."""
    plan = _sealed(record, columns)
    if not plan:
        return None
    open_one, row_id = sealing.of(connection).open, columns.index("id")

    def read(values: Sequence[Any]) -> Sequence[Any]:
        plain = list(values)
        for index, place, convert, none in plan:
            sealed = plain[index]
            plain[index] = none() if sealed is None else convert(open_one(connection, place + plain[row_id], sealed))
        return plain

    return read


def driver(connection: Connection, record: Record, row: Row, columns: tuple[str, ...]) -> dict[str, Any]:
    """The values of these columns as the driver takes them."""
    values = {name: row[name] for name in columns}
    for name, field in _driven(record, columns):
        value = values[name]
        if field is None:
            values[name] = array(value)
        elif not field.encrypted:
            values[name] = stored(value, field)
        elif value in (None, []):
            values[name] = None
        else:
            plain = value.encode() if field.kind == kinds.TEXT else orjson.dumps(value)
            values[name] = sealing.of(connection).seal(
                connection, sealing.place(record.table.name, name, row["id"]), plain
            )
    return values


@lru_cache(maxsize=4096)
def _driven(record: Record, columns: tuple[str, ...]) -> list[tuple[str, Field | None]]:
    """Those of the columns whose values the driver does not take as they are; no field for arrays of texts."""
    fields = [(name, record.fields.get(name)) for name in columns]
    wrapped = (kinds.DATA, kinds.CUSTOM)
    return [(n, f) for n, f in fields if (n in _TEXTS if f is None else f.encrypted or f.kind in wrapped)]


_TEXTS = ("search_grams", "blind_index")
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"'})


def array(texts: Sequence[str] | None) -> str | None:
    """An array of texts as PostgreSQL writes it: the driver takes ten times as long to do it entry by entry."""
    if texts is None:
        return None
    if not texts:
        return "{}"
    together = "".join(texts)
    if '"' in together or "\\" in together:
        texts = [t.translate(_ESCAPED) for t in texts]
    return '{"' + '","'.join(texts) + '"}'


@cache
def _sealed(record: Record, columns: tuple[str, ...]) -> list[tuple[int, str, Callable[[bytes], Any], type]]:
    """Where the encrypted ones among the columns stand: (index, place without the row, how to read it, none)."""
    return [
        (
            index,
            sealing.place(record.table.name, name, ""),
            bytes.decode if record.fields[name].kind == kinds.TEXT else orjson.loads,
            list if record.fields[name].repeated else _NONE,
        )
        for index, name in enumerate(columns)
        if name in record.fields and record.fields[name].encrypted
    ]


_NONE = type(None)


def _converter(field: Field) -> Callable[[Any], Any] | None:
    match field.kind:
        case kinds.DECIMAL:
            return decimal_text
        case kinds.DATE:
            return date.isoformat
        case kinds.TIME:
            return timestamp
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


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(value: datetime) -> Timestamp:
    """A point in time as messages hold it, in half the time that protobuf takes for it."""
    since = value - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)


def decimal_text(value: Decimal) -> str:
    """An exact decimal, never in scientific notation."""
    return f"{value:f}"


def plain(value: Any) -> Any:
    """A stored value as JSON shows it."""
    if value is None or isinstance(value, str):  # most are
        return value
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value


def stored(value: Any, field: Field) -> Any:
    """A value as the driver takes it: JSON columns need a wrapper."""
    return Jsonb(value) if field.kind in (kinds.DATA, kinds.CUSTOM) and value is not None else value
