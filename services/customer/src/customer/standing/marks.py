"""Which customers are to be computed anew: marked in the transaction of what was written, taken within a second."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, select

from crm_kit.db import one_of
from crm_kit.inserting import Insertion
from crm_records import sql
from customer.standing.tables import mark as table

MOST = 500
"""Marks taken at once; the rest wait for the next turn."""

_INSERT = Insertion(table, ("customer_id",))
_OLDEST = sql.prepare(select(table.c.id, table.c.customer_id).order_by(table.c.id).limit(MOST))


def mark(connection: Connection, customer_ids: Iterable[str]) -> None:
    """These are computed anew once the transaction commits. Cheap, and never waits for anybody."""
    _INSERT.run(connection, [{"customer_id": i} for i in dict.fromkeys(customer_ids)])


def waiting(connection: Connection) -> dict[str, list[int]]:
    """The oldest marks by customer, not taken yet."""
    found: dict[str, list[int]] = {}
    for mark_id, customer_id in _OLDEST.run(connection).fetchall():
        found.setdefault(customer_id, []).append(mark_id)
    return found


def done(connection: Connection, mark_ids: Iterable[int]) -> None:
    """Take these away. What was written after they were looked at has marks of its own."""
    connection.execute(delete(table).where(one_of(table.c.id, list(mark_ids))))
