"""Dictionaries (数据字典): codes that stay, labels that administrators change; retired entries stay readable."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Integer, MetaData, Table, Text, select

from crm_kit.kept import Kept
from crm_kit.rpc import Call
from crm_records.fields import Field
from crm_records.record import Record, Row

metadata = MetaData()

entry = Table(
    "dictionary_entry",
    metadata,
    Column("dictionary", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("label_zh", Text, nullable=False),
    Column("label_en", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("retired", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
)


def _load(connection: Connection) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in connection.execute(select(entry).order_by(entry.c.dictionary, entry.c.position, entry.c.code)):
        found.setdefault(row.dictionary, {})[row.code] = row
    return found


KEPT = Kept(_load)
"""Every dictionary of the service: name → code → entry, in order."""


@cache
def _with_entries(record: Record) -> list[Field]:
    return [f for f in record.stored.values() if f.dictionary]


def check(call: Call, record: Record, row: Row, before: Row | None, problems: list[Any]) -> None:
    """Codes must be entries; a retired one may stay on a record but not be newly given."""
    from crm_kit.errors import Problem

    used = [f for f in _with_entries(record) if row.get(f.name)]
    if not used:
        return
    known = KEPT.read(call.connection)
    for field in used:
        old = (before or {}).get(field.name)
        for code in row[field.name] if isinstance(row[field.name], list) else [row[field.name]]:
            if code == old or (isinstance(old, list) and code in old):
                continue
            found = known.get(field.dictionary, {}).get(code)
            if found is None:
                problems.append(Problem(field.json_name, "not_an_entry", {"label": field.label, "value": code[:60]}))
            elif found.retired:
                problems.append(Problem(field.json_name, "retired_entry", {"label": field.label, "value": code[:60]}))


def label(call: Call, dictionary: str, code: str) -> str:
    """What people call an entry, in the caller's language."""
    found = KEPT.read(call.connection).get(dictionary, {}).get(code)
    if found is None:
        return code
    return str(found.label_en if call.language == "en" else found.label_zh)


def of_record(record: Record) -> set[str]:
    """Names of the dictionaries that a record type's fields use."""
    return {f.dictionary for f in record.stored.values() if f.dictionary}
