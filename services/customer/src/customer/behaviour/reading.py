"""What a customer did: events under its own key, and those of its visitors while they were it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import text

from crm.customer.v1 import behaviour_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import paging, reaching, validation
from customer.clock import later
from customer.customers import CUSTOMERS
from customer.sight import behaviour_reach

DAYS = 400
"""Days that are counted at once."""
_COLUMNS = "e.time, e.source, e.event_id, e.kind, e.visitor, e.contact_id, e.subject, e.amount, e.properties"
OWN = (
    "FROM (SELECT c AS customer_id, c AS id FROM unnest(CAST(:customers AS uuid[])) AS c UNION ALL"
    " SELECT r.to_id, r.from_id FROM merge_redirect r WHERE r.to_id = ANY(CAST(:customers AS uuid[]))) o"
    " CROSS JOIN LATERAL (SELECT e.* FROM behaviour_event e WHERE e.customer_id = o.id {more}) e"
)
OF_VISITORS = (
    "FROM behaviour_identity i CROSS JOIN LATERAL (SELECT e.* FROM behaviour_event e WHERE e.source = i.source"
    " AND e.visitor = i.visitor AND e.customer_id IS NULL AND e.time >= i.from_time AND e.time < i.until_time {more}) e"
    " WHERE i.customer_id = ANY(CAST(:customers AS uuid[]))"
)
"""The two ways in which an event is a customer's; `more` narrows the events. What was a customer's that went into
another is that one's: events are many, and none is rewritten."""
_ORDER = "ORDER BY e.time DESC, e.source DESC, e.event_id DESC LIMIT :size"
_BEHIND = "AND (e.time, e.source, e.event_id) < (:time, :source, :event_id)"
_NEWEST = "ORDER BY e.time DESC LIMIT 1"
_LAST = text(
    f"SELECT max(t) FROM (SELECT max(e.time) AS t {OWN.format(more=_NEWEST)} UNION ALL"  # noqa: S608 - ours
    f" SELECT max(e.time) {OF_VISITORS.format(more=_NEWEST)}) found"
)
SPAN = text(
    f"SELECT min(t), max(t) FROM (SELECT e.time AS t {OWN.format(more='')} UNION ALL"  # noqa: S608 - our own words
    f" SELECT e.time {OF_VISITORS.format(more='')}) found"
)
"""When the first and the last of what customers did was."""

errors.texts(
    {
        "too_many_days": ("最多统计 {limit} 天", "At most {limit} days are counted"),
        "until_before_from": ("截止日期不能早于起始日期", "The last day is before the first"),
    }
)


def refuse_outside(call: Call, customer_id: str, right: str) -> None:
    """NOT_FOUND unless a right reaches the customer."""
    reach = behaviour_reach(call.access, right)
    if not kinds.is_id(customer_id) or not reaching.holds(call, CUSTOMERS, customer_id, reach):
        raise errors.NotFound()


def events(call: Call, request: pb.ListBehaviourEventsRequest) -> pb.ListBehaviourEventsResponse:
    """One page, newest first. Each way gives a page at most, so the cost does not grow with the history."""
    refuse_outside(call, request.customer_id, call.caller.right)
    size = paging.page_size(request)
    values: dict[str, Any] = {"customers": [request.customer_id], "size": size + 1}
    more = ""
    if request.kind:
        more += " AND e.kind = :kind"
        values["kind"] = request.kind
    if request.page_token:
        more += f" {_BEHIND}"
        values |= _position(request)
    own = f"(SELECT {_COLUMNS} {OWN.format(more=f'{more} {_ORDER}')} {_ORDER})"
    columns = _COLUMNS.replace("e.contact_id", "coalesce(e.contact_id, i.contact_id) AS contact_id")
    theirs = f"(SELECT {columns} {OF_VISITORS.format(more=f'{more} {_ORDER}')} {_ORDER})"
    both = f"SELECT * FROM ({own} UNION ALL {theirs}) e {_ORDER}"  # noqa: S608 - our own words
    rows = call.connection.execute(text(both), values).all()
    answer = pb.ListBehaviourEventsResponse(events=[_message(row) for row in rows[:size]])
    if len(rows) > size:
        last = rows[size - 1]
        token = [request.customer_id, request.kind, last.time.isoformat(), last.source, last.event_id]
        answer.next_page_token = base64.urlsafe_b64encode(orjson.dumps(token)).decode()
    return answer


def counts(call: Call, request: pb.CountBehaviourRequest) -> pb.CountBehaviourResponse:
    """How often what was done on which day of the caller's time zone."""
    refuse_outside(call, request.customer_id, call.caller.right)
    zone = ZoneInfo(call.access.time_zone)
    first, last = _days(request, datetime.now(zone).date())
    since = datetime.combine(first, time(), zone)
    until = datetime.combine(later(last, 1), time(), zone)
    answer = pb.CountBehaviourResponse()
    totals: dict[str, int] = {}
    for _customer, day, counted in by_day(call, [request.customer_id], since, until, call.access.time_zone):
        answer.days.append(day_message(day, counted))
        for kind, n in counted:
            totals[kind] = totals.get(kind, 0) + n
    answer.kinds.extend(pb.BehaviourKindCount(kind=k, count=n) for k, n in sorted(totals.items()))
    answer.total = sum(totals.values())
    newest = call.connection.scalar(_LAST, {"customers": [request.customer_id]})
    if newest is not None:
        answer.last_time.FromDatetime(newest)
    return answer


def by_day(
    call: Call, customer_ids: Sequence[str], since: datetime, until: datetime, zone: str
) -> list[tuple[str, date, list[tuple[str, int]]]]:
    """(customer, day, (kind, count)…) of what these customers did, newest day first."""
    more = "AND e.time >= :since AND e.time < :until"
    own = f"SELECT o.customer_id AS c, e.time, e.kind {OWN.format(more=more)}"
    theirs = f"SELECT i.customer_id, e.time, e.kind {OF_VISITORS.format(more=more)}"
    query = (
        "SELECT c, (time AT TIME ZONE CAST(:zone AS text))::date AS day, kind, count(*) AS n"  # noqa: S608
        f" FROM ({own} UNION ALL {theirs}) e GROUP BY 1, 2, 3 ORDER BY 1, 2 DESC, 3"
    )
    bound = {"customers": list(customer_ids), "since": since, "until": until, "zone": zone}
    found: list[tuple[str, date, list[tuple[str, int]]]] = []
    for row in call.connection.execute(text(query), bound):
        if not found or found[-1][:2] != (row.c, row.day):
            found.append((row.c, row.day, []))
        found[-1][2].append((row.kind, row.n))
    return found


def day_message(day: date, counted: Sequence[tuple[str, int]]) -> pb.BehaviourDay:
    """A day with what was done on it."""
    return pb.BehaviourDay(
        date=day.isoformat(), kinds=[pb.BehaviourKindCount(kind=kind, count=n) for kind, n in counted]
    )


def _days(request: pb.CountBehaviourRequest, today: date) -> tuple[date, date]:
    problems: list[Problem] = []
    described = kinds.of(request.DESCRIPTOR)
    given = validation.row_values(request, ("from_date", "until_date"), described, problems)
    if problems:
        raise errors.Invalid(*problems)
    last = given["until_date"] or today
    first = given["from_date"] or last - timedelta(days=29)
    if first > last:
        raise errors.Invalid(Problem("untilDate", "until_before_from"))
    if (last - first).days >= DAYS:
        raise errors.Invalid(Problem("fromDate", "too_many_days", {"limit": DAYS}))
    return first, last


def _position(request: pb.ListBehaviourEventsRequest) -> dict[str, Any]:
    """Behind which event the page begins; the token belongs to its customer and kind."""
    try:
        customer_id, kind, moment, source, event_id = orjson.loads(base64.urlsafe_b64decode(request.page_token))
        if (customer_id, kind) != (request.customer_id, request.kind) or "\x00" in source + event_id:
            raise ValueError
        return {"time": datetime.fromisoformat(moment).astimezone(UTC), "source": source, "event_id": event_id}
    except (ValueError, TypeError, OverflowError):
        raise errors.Invalid(key="bad_page_token") from None


def _message(row: Any) -> pb.BehaviourEvent:
    return pb.BehaviourEvent(
        event_id=row.event_id,
        time=row.time,
        kind=row.kind,
        visitor=row.visitor or "",
        contact_id=str(row.contact_id or ""),
        subject=row.subject or "",
        amount="" if row.amount is None else f"{row.amount:f}",
        properties=row.properties or {},
        source=row.source,
    )
