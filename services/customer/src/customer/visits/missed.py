"""Visits that nobody went to: marked by the clock, some hours after they should have ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import bindparam, func, select

from crm_kit.rpc import Call
from crm_records import changes, sql, storing
from customer.visits.record import MISSED, PLANNED, VISITS
from customer.visits.rules import LIMITS
from customer.visits.tables import visit

MOST = 200
"""Visits at a time; the rest wait for the next round."""

_due = bindparam("due", type_=visit.c.plan_start.type)
_OVERDUE = sql.prepare(
    select(visit)
    .where(
        visit.c.state == PLANNED,
        visit.c.delete_time.is_(None),
        visit.c.plan_start < _due,
        func.coalesce(visit.c.plan_end, visit.c.plan_start) < _due,
    )
    .order_by(visit.c.plan_start)
    .limit(MOST)
    .with_for_update(skip_locked=True)
)


def mark(call: Call, now: datetime) -> int:
    """Mark and announce what was missed by `now`; how many visits they were."""
    due = now - timedelta(hours=LIMITS.read(call.connection).missed_after_hours)
    found = _OVERDUE.run(call.connection, {"due": due}).fetchall()
    for before in (storing.as_row(call, VISITS, values) for values in found):
        after = {**before, "state": MISSED, "missed_time": now}
        storing.store(call, VISITS, before, after)
        changes.tell(call, VISITS, "missed", [(before, after)], now)
    return len(found)


def by_the_clock(call: Call) -> None:
    """A timer's act."""
    mark(call, datetime.now(UTC))
