"""Fields that an administrator adds: they validate, filter and report like built-in ones.

Values live in the record's `custom` column as JSON; what they may be is said here.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, Boolean, Column, Connection, Integer, MetaData, Table, Text, select

from crm_kit.errors import Problem
from crm_kit.kept import Kept
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import plain_text, validation
from crm_records.record import Record, Row

metadata = MetaData()

custom_field = Table(
    "custom_field",
    metadata,
    Column("record_type", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("label_zh", Text, nullable=False),
    Column("label_en", Text, nullable=False),
    Column("choices", ARRAY(Text), nullable=False),
    Column("references", Text),
    Column("required", Boolean, nullable=False),
    Column("position", Integer, nullable=False),
    Column("retired", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
)

LONGEST_TEXT = 2000


def _load(connection: Connection) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in connection.execute(select(custom_field).order_by(custom_field.c.position, custom_field.c.key)):
        found.setdefault(row.record_type, {})[row.key] = row
    return found


KEPT = Kept(_load)
"""Every custom field of the service: record type → key → definition, in order."""


def kinds_of(call: Call, record: Record) -> dict[str, str]:
    """Key → kind of a record type's custom fields."""
    return {key: row.kind for key, row in KEPT.read(call.connection).get(record.type, {}).items()}


def check(call: Call, record: Record, row: Row, before: Row | None, problems: list[Problem]) -> None:
    """Each value must fit its definition; unknown keys are refused; what is required must be there."""
    if "custom" not in record.stored:
        return
    defined = KEPT.read(call.connection).get(record.type, {})
    values, old = row.get("custom") or {}, (before or {}).get("custom") or {}
    for key, value in list(values.items()):
        definition = defined.get(key)
        if value is None:
            del values[key]
            continue
        if value == old.get(key):
            continue
        if definition is None or definition.retired:
            problems.append(Problem(f"custom.{key[:60]}", "unknown_field", {"name": f"custom.{key[:60]}"}))
            continue
        if definition.kind == "text" and isinstance(value, str) and not plain_text.cleaned(value, lines=True):
            del values[key]
            continue
        problem = _wrong(call, record, definition, value)
        if problem:
            word, params = problem
            label = (definition.label_zh, definition.label_en)
            problems.append(Problem(f"custom.{key}", word, {"label": label, **params}))
    for key, definition in defined.items():
        missing = definition.required and not definition.retired and values.get(key) in (None, "", [])
        if missing and (before is None or key in old):
            label = (definition.label_zh, definition.label_en)
            problems.append(Problem(f"custom.{key}", "required", {"label": label}))


def _wrong(call: Call, record: Record, definition: Any, value: Any) -> tuple[str, dict[str, Any]] | None:
    match definition.kind:
        case "text":
            if not isinstance(value, str):
                return "wrong_type", {"expected": ("文本", "a text")}
            if len(value) > LONGEST_TEXT:
                return "too_long", {"limit": LONGEST_TEXT}
            if validation.CONTROL.search(value):
                return "bad_control_character", {}
        case "number":
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                return "wrong_type", {"expected": ("数字", "a number")}
        case "date":
            if not isinstance(value, str) or not _is_date(value):
                return "wrong_type", {"expected": ("日期(2026-01-31)", "a date (2026-01-31)")}
        case "choice":
            if value not in definition.choices:
                return "not_a_choice", {"value": str(value)[:60], "choices": ", ".join(definition.choices)}
        case "multi_choice":
            wrong = [v for v in value if v not in definition.choices] if isinstance(value, list) else [value]
            if wrong or not isinstance(value, list):
                named = ", ".join(map(str, wrong))[:60]
                return "not_a_choice", {"value": named, "choices": ", ".join(definition.choices)}
        case "reference":
            from crm_records import references

            if not kinds.is_id(value) or not references.existing(call, record, definition.references, [value]):
                return "unknown_reference", {}
    return None


def _is_date(value: str) -> bool:
    return validation.day(value) is not None
