"""Dictionaries (数据字典): codes that stay, labels that administrators change; retired entries stay readable."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Integer, MetaData, Table, Text, select

from crm_kit.errors import Problem
from crm_kit.kept import Kept
from crm_kit.rpc import Call
from crm_records.fields import Field
from crm_records.record import Record, Row

metadata = MetaData()
TOLD = 10
"""Entries that a refusal names."""

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
    used = [f for f in _with_entries(record) if row.get(f.name)]
    if not used:
        return
    known = KEPT.read(call.connection)
    for field in used:
        old = (before or {}).get(field.name)
        for code in row[field.name] if isinstance(row[field.name], list) else [row[field.name]]:
            if code == old or (isinstance(old, list) and code in old):
                continue
            entries = known.get(field.dictionary, {})
            found = entries.get(code)
            if found is None or found.retired:
                problems.append(refusal(field.json_name, field.label, code, entries))


def refusal(path: str, label: tuple[str, str], code: str, entries: Mapping[str, Any]) -> Problem:
    """Why a code cannot be given, a retired one or none of the entries, and which can. Entries by code."""
    allowed = [e for e in entries.values() if not e.retired]
    more = ["…"] if len(allowed) > TOLD else []
    choices = (
        "、".join([*(f"{e.code}（{e.label_zh}）" for e in allowed[:TOLD]), *more]) or "无",
        ", ".join([*(f"{e.code} ({e.label_en})" for e in allowed[:TOLD]), *more]) or "none",
    )
    key = "retired_entry" if code in entries else "not_an_entry"
    return Problem(path, key, {"label": label, "value": code[:60], "choices": choices})


def label(call: Call, dictionary: str, code: str) -> str:
    """What people call an entry, in the caller's language."""
    return labels(call, dictionary, code)[call.language == "en"]


def labels(call: Call, dictionary: str, code: str) -> tuple[str, str]:
    """What people call an entry (zh, en); the code where it is none."""
    found = KEPT.read(call.connection).get(dictionary, {}).get(code)
    return (code, code) if found is None else (str(found.label_zh), str(found.label_en))


def of_record(record: Record) -> set[str]:
    """Names of the dictionaries that a record type's fields use."""
    return {f.dictionary for f in record.stored.values() if f.dictionary}
