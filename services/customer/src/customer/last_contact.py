"""When a customer was last contacted: the newest of its living interactions and of its visits that somebody checked out
of, as far as they have begun. Not a change of the customer itself: no version, no event.

A later contact only moves the time on. Where one is taken away or corrected, the time is read anew. What was entered
ahead counts once its time has come: the clock looks every minute, and the daily sweep looks at everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import DateTime, bindparam, func, or_, select, update

from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import sql
from crm_records.record import Row
from customer.standing import marks
from customer.tables import customer, interaction
from customer.visits.tables import visit

VISITED = ("checked_out", "reported")
"""States of a visit that took place."""
AHEAD = timedelta(days=1)
"""How far back the clock looks for what was entered ahead; for the rest there is the sweep."""
MOST = 500
"""Customers at a time; the rest wait for the next round."""

_last = customer.c.last_contact_time
_LATER = sql.prepare(
    update(customer)
    .where(
        customer.c.id == bindparam("customer_id", type_=customer.c.id.type),
        or_(_last.is_(None), _last < bindparam("later", type_=DateTime(timezone=True))),
    )
    .values(last_contact_time=bindparam("later", type_=DateTime(timezone=True)))
    .returning(customer.c.id)
)


def told(call: Call, pairs: Sequence[tuple[Row | None, Row]], of: Callable[[Row], datetime | None]) -> None:
    """Records were written, as (before, after): `of` says when a living one tells of a contact, or None."""
    now = datetime.now(UTC)
    later: dict[str, datetime] = {}
    fewer: set[str] = set()
    for before, after in pairs:
        was, is_now = _contact(before, of), _contact(after, of)
        if was == is_now:
            continue
        counts = is_now is not None and is_now[1] <= now
        if is_now is not None and counts:
            later[is_now[0]] = max(is_now[1], later.get(is_now[0], is_now[1]))
        if was is not None and not (is_now is not None and counts and is_now[0] == was[0] and is_now[1] > was[1]):
            fewer.add(was[0])
    for customer_id in sorted(later.keys() - fewer):
        found = _LATER.run(call.connection, {"customer_id": customer_id, "later": later[customer_id]}).fetchall()
        marks.mark(call.connection, [i for (i,) in found])
    renew(call, fewer)


def _contact(row: Row | None, of: Callable[[Row], datetime | None]) -> tuple[str, datetime] | None:
    """(customer, moment) that a record tells of; None where it tells of none or lies in the recycle bin."""
    moment = of(row) if row is not None and row["delete_time"] is None else None
    return (row["customer_id"], moment) if row is not None and moment is not None else None


def renew(call: Call, customer_ids: Collection[str]) -> None:
    """Read anew when these were last contacted. They are held first: of two writers the second sees what the first
    wrote."""
    if not customer_ids:
        return
    these = one_of(customer.c.id, customer_ids)
    held = select(customer.c.id).where(these).order_by(customer.c.id).with_for_update(key_share=True)
    call.connection.execute(held).all()
    i, v, now = interaction.c, visit.c, datetime.now(UTC)
    talked = select(func.max(i.start_time)).where(
        i.customer_id == customer.c.id, i.delete_time.is_(None), i.start_time <= now
    )
    visited = select(func.max(v.check_in_time)).where(
        v.customer_id == customer.c.id, v.delete_time.is_(None), v.state.in_(VISITED)
    )
    newest = func.greatest(talked.scalar_subquery(), visited.scalar_subquery())
    changed = update(customer).where(these, _last.is_distinct_from(newest)).values(last_contact_time=newest)
    marks.mark(call.connection, call.connection.scalars(changed.returning(customer.c.id)).all())


def by_the_clock(call: Call) -> None:
    """What was entered ahead and has begun since counts."""
    i, now = interaction.c, datetime.now(UTC)
    begun = (i.delete_time.is_(None), i.start_time > now - AHEAD, i.start_time <= now)
    query = select(i.customer_id).join(customer, customer.c.id == i.customer_id).distinct()
    query = query.where(*begun, or_(_last.is_(None), _last < i.start_time))
    renew(call, call.connection.scalars(query.limit(MOST)).all())
