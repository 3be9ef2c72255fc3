"""The row of a record that is about to be created: what was given, and what every record begins with."""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from crm_kit import ids
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import given as giving
from crm_records import owning, validation
from crm_records.record import Record, Row


def new_row(
    call: Call,
    record: Record,
    message: Any,
    problems: list[Problem],
    also: Iterable[str] = (),
    own: Container[str] = (),
) -> Row:
    """The values of a new record: what the message gives, who made it, whose it is.

    `also` may be given besides; `own` are fields that no caller gave.
    """
    given = {f.name for f, _ in message.ListFields()} & {*record.writable, *also}
    plain, lists, objects = _blank(record)
    row: Row = dict(plain)
    row.update({n: [] for n in lists})
    row.update({n: {} for n in objects})
    now = datetime.now(UTC)
    row.update(id=ids.uuid7(), version=1, create_time=now, update_time=now)
    row["creator_id"] = row["updater_id"] = call.caller.user_id or None
    if record.states is not None:
        row[record.states.column] = record.states.initial
    row.update(validation.row_values(message, sorted(given | _required(record)), record.fields, problems))
    if "owner_id" in row and not row["owner_id"] and not row["department_id"]:
        row["owner_id"], row["department_id"] = owning.place(call, record)
    closed = giving.new(call, record, message, row, own)
    if closed:
        problems[:] = giving.told_once(closed, problems)
    return row


@cache
def _required(record: Record) -> frozenset[str]:
    return frozenset(n for n in record.writable if record.fields[n].required)


@cache
def _blank(record: Record) -> tuple[Row, list[str], list[str]]:
    """An empty row in the order of the contract; which of its columns hold a list or an object of its own."""
    empty = {n: _empty(f) for n, f in record.stored.items()}
    return empty, [n for n, v in empty.items() if v == []], [n for n, v in empty.items() if v == {}]


def _empty(field: kinds.Field) -> Any:
    if field.kind in (kinds.TEXTS, kinds.IDS) or (field.kind == kinds.DATA and field.repeated):
        return []
    if field.kind == kinds.CUSTOM:
        return {}
    return False if field.kind == kinds.BOOLEAN else None
