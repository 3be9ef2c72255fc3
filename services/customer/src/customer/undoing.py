"""What customers must not become again as an act is taken back, since what they pointed at is gone."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Table, select

from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records.record import Record, Row
from customer.pools.tables import pool
from customer.tables import customer


def refuse_gone(call: Call, customers: Record, pairs: Sequence[tuple[Row, Row]]) -> None:
    """Refuse where one of (before, after) points at a customer or lies in a pool again that was deleted meanwhile."""
    for name, table in (("parent_id", customer), ("pool_id", pool)):
        again = {after[name] for before, after in pairs if after[name] and after[name] != before[name]}
        if again - _held(call, table, again):
            field = customers.fields[name]
            raise errors.Invalid(Problem(field.json_name, "unknown_reference", {"label": field.label}))


def _held(call: Call, table: Table, ids: Collection[str]) -> set[str]:
    """Those that live, held so that nobody deletes them before this is done."""
    if not ids:
        return set()
    there = select(table.c.id).where(one_of(table.c.id, sorted(ids)), table.c.delete_time.is_(None))
    return set(call.connection.scalars(there.with_for_update(read=True, key_share=True)))
