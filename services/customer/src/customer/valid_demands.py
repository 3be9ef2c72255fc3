"""Which customers have a demand that is valid today: a mark on the customer, so that lists are filtered by it.

A write of a demand sets it at once; what begins or ends with the day is found once a day. The day is that of the
company's own time, whoever looks. Not a change of the customer itself: no version, no event.
"""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, exists, or_, select, update

from crm_kit.db import one_of
from crm_kit.rpc import Call
from customer.tables import customer, demand

ZONE = ZoneInfo("Asia/Shanghai")
MOST = 500
"""Customers at a time; the rest wait for the next round."""


def today() -> date:
    """The company's day."""
    return datetime.now(ZONE).date()


def _valid(day: date) -> ColumnElement[bool]:
    begun = or_(demand.c.valid_from.is_(None), demand.c.valid_from <= day)
    lasts = or_(demand.c.valid_until.is_(None), demand.c.valid_until >= day)
    return and_(demand.c.delete_time.is_(None), begun, lasts)


def flag(call: Call, customer_id: str) -> None:
    """A demand of the customer changed. Its row is held first: of two writers the second sees what the first wrote."""
    call.connection.execute(select(customer.c.id).where(customer.c.id == customer_id).with_for_update(key_share=True))
    there = exists().where(demand.c.customer_id == customer_id, _valid(today()))
    differs = customer.c.has_valid_demand != there
    call.connection.execute(
        update(customer).where(customer.c.id == customer_id, differs).values(has_valid_demand=there)
    )


def refresh(call: Call, day: date) -> int:
    """Set right what the new day changed, some customers at a time; how many they were."""
    there = exists().where(demand.c.customer_id == customer.c.id, _valid(day))
    ended = select(customer.c.id).where(customer.c.has_valid_demand, ~there).limit(MOST)
    begun = select(customer.c.id).where(~customer.c.has_valid_demand, there).limit(MOST)
    changed = 0
    for query, value in ((ended, False), (begun, True)):
        ids = sorted(call.connection.scalars(query.with_for_update(key_share=True)))
        if ids:
            call.connection.execute(update(customer).where(one_of(customer.c.id, ids)).values(has_valid_demand=value))
        changed += len(ids)
    return changed


class EveryDay:
    """A timer's act: refreshes until nothing is left to do, then rests until the next day."""

    def __init__(self) -> None:
        self._done: date | None = None

    def __call__(self, call: Call) -> None:
        day = today()
        if self._done != day and not refresh(call, day):
            self._done = day
