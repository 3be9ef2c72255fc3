"""Fields of a customer that figures are taken from: built-in ones by name, custom ones as `custom.<key>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Numeric, Text, cast

from crm_kit.rpc import Call
from crm_records import custom_fields, custom_filters, dictionaries
from crm_records import fields as kinds
from customer.customers import CUSTOMERS

CUSTOM = "custom."


@dataclass(frozen=True, slots=True)
class Source:
    """A field as it is asked for: a number, or a text that is one of few."""

    name: str
    column: ColumnElement[Any]
    numeric: bool
    codes: frozenset[str]
    """What a text may be."""


def find(call: Call, name: str) -> Source | None:
    """The field of a name, as the contract or as JSON calls it; None where it is neither a number nor a list."""
    if name.startswith(CUSTOM):
        return _custom(call, name)
    field = CUSTOMERS.stored.get(name) or next((f for f in CUSTOMERS.stored.values() if f.json_name == name), None)
    if field is None or field.encrypted:
        return None
    column = CUSTOMERS.table.c[field.name]
    if field.kind in (kinds.DECIMAL, kinds.INTEGER):
        return Source(field.name, cast(column, Numeric), True, frozenset())
    if field.kind == kinds.BOOLEAN:
        return Source(field.name, cast(column, Text), False, frozenset(("true", "false")))
    if field.values:
        return Source(field.name, column, False, frozenset(field.values))
    if field.dictionary:
        known = dictionaries.KEPT.read(call.connection).get(field.dictionary, {})
        return Source(field.name, column, False, frozenset(known))
    return None


def _custom(call: Call, name: str) -> Source | None:
    key = name.removeprefix(CUSTOM)
    row = custom_fields.KEPT.read(call.connection).get(CUSTOMERS.type, {}).get(key)
    if row is None or row.kind not in ("number", "choice"):
        return None
    column, _ = custom_filters.column_of(CUSTOMERS, key, row.kind)
    return Source(name, column, row.kind == "number", frozenset(row.choices))
