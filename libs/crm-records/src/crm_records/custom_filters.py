"""Custom fields in a filter: all of them lie in one column, so each kind is compared in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import ColumnElement, Date, Numeric, any_, bindparam, case, cast, not_, or_
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_kit import errors
from crm_records import fields as kinds
from crm_records.filter_language import Comparison
from crm_records.filter_values import NULL, Readers
from crm_records.record import Record


def equals_text(record: Record, test: Comparison, custom_kinds: Mapping[str, str]) -> bool:
    """Whether a comparison says that a custom field, one that is a text, equals a value."""
    kind = kind_of(test, custom_kinds)
    written = kind in ("text", "choice", "reference") and "custom" in record.table.c
    return written and test.operator == "=" and test.values[0] is not None


def kind_of(test: Comparison, custom_kinds: Mapping[str, str]) -> str | None:
    """The kind of the custom field that a comparison is about; None where it is about no custom field that there is."""
    return custom_kinds.get(test.field.removeprefix("custom.")) if test.field.startswith("custom.") else None


def compile_choices(record: Record, test: Comparison, name: str, readers: Readers) -> ColumnElement[bool]:
    """A custom field of several choices is compared as a list: it holds one, or one of several, or is empty."""
    key = test.field.removeprefix("custom.")
    custom = record.table.c.custom
    if None in test.values:
        if test.operator not in ("=", "!="):
            raise errors.Invalid(key="bad_filter", what=NULL)
        empty = or_(custom[key].is_(None), custom[key].astext == "[]")
        return empty if test.operator == "=" else not_(empty)
    if test.operator == "in":
        readers.append((f"{name}_v", lambda t: [Jsonb({key: [value]}) for value in t.values]))
        return custom.op("@>", is_comparison=True)(any_(bindparam(f"{name}_v", type_=ARRAY(JSONB))))
    if test.operator not in ("=", ":", "!="):
        raise errors.Invalid(key="bad_filter", what=(f"{key}是列表", f"{key} is a list"))
    readers.append((f"{name}_v", lambda t: Jsonb({key: [t.values[0]]})))
    found = custom.contains(bindparam(f"{name}_v", type_=JSONB))
    return not_(found) if test.operator == "!=" else found


def compile_text(record: Record, test: Comparison, name: str, readers: Readers) -> ColumnElement[bool]:
    """A custom field that is a text equals a value: in the form that the index on `custom` serves."""
    readers.append((f"{name}_v", lambda t: Jsonb({t.field.removeprefix("custom."): t.values[0]})))
    return record.table.c.custom.contains(bindparam(f"{name}_v", type_=JSONB))


def column_of(record: Record, key: str, kind: str) -> tuple[ColumnElement[Any], str]:
    """A custom field as a typed column, and the kind it compares as."""
    text = record.table.c.custom[key].astext
    match kind:
        case "number":
            return cast(text, Numeric), kinds.DECIMAL
        case "date":
            # Guarded: one value that is no date must not break the question for everybody.
            is_day = text.regexp_match(r"^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}$")
            return case((is_day, cast(text, Date)), else_=None), kinds.DATE
    return text, kinds.TEXT
