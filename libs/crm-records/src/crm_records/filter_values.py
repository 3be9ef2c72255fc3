"""The values of a filter: how each is read for the kind of field that it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Boolean, Date, DateTime, Integer, Numeric, Text, Uuid

from crm_records import fields as kinds
from crm_records import validation
from crm_records.filter_language import Comparison

NULL = ("null 只能与 = 或 != 一起使用", "null goes with = and != only")
"""What is wrong where null is compared in another way."""

Readers = list[tuple[str, Callable[[Comparison], Any]]]
"""Parameters and how each gets its value from the comparison it belongs to."""


def _time(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text] if text in ("true", "false") else _no(text)


def _no(text: str) -> bool:
    raise ValueError(text)


def _identifier(text: str) -> str:
    return text if kinds.is_id(text) else str(_no(text))


def _whole(text: str) -> int:
    value = int(text)
    return value if -(2**31) <= value < 2**31 else int(_no(text))


def _day(text: str) -> date:
    value = validation.day(text)
    if value is None:
        raise ValueError(text)
    return value


def _finite(text: str) -> Decimal:
    value = validation.number(text)
    if value is None:
        raise ValueError(text)
    return value


TYPES: dict[str, tuple[Any, Callable[[str], Any]]] = {
    kinds.TEXT: (Text, str),
    kinds.DECIMAL: (Numeric, _finite),
    kinds.DATE: (Date, _day),
    kinds.ID: (Uuid(as_uuid=False), _identifier),
    kinds.TIME: (DateTime(timezone=True), _time),
    kinds.INTEGER: (Integer, _whole),
    kinds.BOOLEAN: (Boolean, _boolean),
    kinds.TEXTS: (Text, str),
    kinds.IDS: (Uuid(as_uuid=False), _identifier),
}
"""By kind of field: the type that it compares as, and how a value is read; ValueError where it does not fit."""
