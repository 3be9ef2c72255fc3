"""All customers computed anew in pieces, by key order: what time alone changes, and what a new rule changes."""

from __future__ import annotations

from datetime import date

from sqlalchemy import bindparam, select

from crm_kit.rpc import Call
from crm_records import sql
from customer.standing.computing import recompute
from customer.tables import customer

SIZE = 200
"""Customers of one piece."""
FIRST = "00000000-0000-0000-0000-000000000000"

_NEXT = sql.prepare(
    select(customer.c.id)
    .where(customer.c.id > bindparam("last", type_=customer.c.id.type), customer.c.delete_time.is_(None))
    .order_by(customer.c.id)
    .limit(bindparam("size", type_=customer.c.version.type))
)


def piece(call: Call, last: str, today: date, size: int = SIZE) -> list[str]:
    """Compute the customers behind the key `last` as of `today`; their keys. Fewer than `size`: there are no more."""
    found = [row[0] for row in _NEXT.run(call.connection, {"last": last, "size": size}).fetchall()]
    if found:
        recompute(call, found, today)
    return found
