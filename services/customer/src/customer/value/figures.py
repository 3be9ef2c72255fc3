"""The figures of a bunch of customers that criteria ask for, each read once for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, text

from crm_kit.db import one_of
from customer.behaviour.reading import OF_VISITORS, OWN
from customer.clock import add_months, first_of_month
from customer.standing.bunch import Bunch
from customer.tables import customer, interaction
from customer.value import fields
from customer.value.models import COUNTED, LEDGER
from customer.visits.tables import visit

Figures = Mapping[str, Any]
"""By customer: a number, a code, or None."""
_NOTHING = Decimal(0)


def of(bunch: Bunch, criterion: Mapping[str, Any], today: date) -> tuple[Figures, Mapping[str, str]]:
    """Figures, and how each is told where that differs: days are told by the day they count from, which stays."""
    source = criterion["source"]
    if source in LEDGER:
        return _ledger(bunch, source, criterion["months"], today), {}
    if source in COUNTED:
        zone = ZoneInfo(bunch.call.access.time_zone)
        days = (today - timedelta(days=criterion["days"] - 1), today + timedelta(days=1))
        since, until = (datetime.combine(day, time(), zone) for day in days)
        return _counted(bunch, source, criterion.get("kind") or "", since, until), {}
    if source == "field":
        return _field(bunch, criterion["field"]), {}
    last = {c.id: _day(bunch, c, source) for c in bunch.customers}
    numbers = {i: Decimal((today - d).days) if d else None for i, d in last.items()}
    return numbers, {i: d.isoformat() for i, d in last.items() if d}


def _ledger(bunch: Bunch, source: str, months: int, today: date) -> Figures:
    """Who sent back more than was bought has bought nothing."""
    this = first_of_month(today)
    found = bunch.months(add_months(this, 1 - months))
    return {
        i: max(sum((Decimal(getattr(m, source)) for m in found.get(i, ()) if m.month <= this), _NOTHING), _NOTHING)
        for i in bunch.ids
    }


def _day(bunch: Bunch, one: Any, source: str) -> date | None:
    if source == "last_order":
        found: date | None = one.last_order_date
        return found
    moment: datetime | None = one.last_contact_time
    return moment.astimezone(ZoneInfo(bunch.call.access.time_zone)).date() if moment else None


def _field(bunch: Bunch, name: str) -> Figures:
    """A field that is no more has no figure."""
    found = fields.find(bunch.call, name)
    if found is None:
        return dict.fromkeys(bunch.ids)
    query = select(customer.c.id, found.column).where(one_of(customer.c.id, bunch.ids))
    rows = bunch.call.connection.execute(query)
    return {i: value.normalize() if isinstance(value, Decimal) else value for i, value in rows}


def _counted(bunch: Bunch, source: str, kind: str, since: datetime, until: datetime) -> Figures:
    """How often in that time; what is entered ahead counts once its day has come."""
    connection = bunch.call.connection
    if source == "behaviour":
        more = "AND e.time >= :since AND e.time < :until AND e.kind = :kind"
        own = f"SELECT o.customer_id AS c {OWN.format(more=more)}"
        theirs = f"SELECT i.customer_id {OF_VISITORS.format(more=more)}"
        query: Any = text(f"SELECT c, count(*) FROM ({own} UNION ALL {theirs}) e GROUP BY c")  # noqa: S608 - ours
        rows = connection.execute(query, {"customers": bunch.ids, "since": since, "until": until, "kind": kind})
    else:
        c = (visit if source == "visits" else interaction).c
        moment = c.check_in_time if source == "visits" else c.start_time
        query = select(c.customer_id, func.count()).where(
            one_of(c.customer_id, bunch.ids), moment >= since, moment < until, c.delete_time.is_(None)
        )
        rows = connection.execute((query.where(c.kind == kind) if kind else query).group_by(c.customer_id))
    return dict.fromkeys(bunch.ids, _NOTHING) | {row[0]: Decimal(row[1]) for row in rows}
