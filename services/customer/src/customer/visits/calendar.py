"""Visits by day, a person's day as a route, and plan against done: all over what the caller reaches."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, case, select

from crm.customer.v1 import visits_pb2 as pb
from crm.records.v1 import records_pb2 as records_pb
from crm_kit import errors, organisation
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import counting, filter_language, listing, writing
from crm_records.record import Row
from customer.visits import distance, positions
from customer.visits.record import CANCELLED, DONE, MISSED, REPORTED, STATES, VISITS
from customer.visits.tables import visit

errors.texts({"period_too_long": ("时间段不能超过 {limit} 天", "The period is longer than {limit} days")})

CALENDAR_DAYS, STATISTICS_DAYS = 93, 366
PEOPLE = 100_000
"""Persons, or days, that are counted one by one; nobody has as many."""
STOPS = 100
"""Visits of one day that are put on a route."""


def calendar(call: Call, request: pb.GetVisitCalendarRequest) -> pb.VisitCalendar:
    """A page of the visits of a period, by day."""
    given = writing.given(request)
    words = _period(given, CALENDAR_DAYS)
    if given["owner_id"]:
        words += f' AND owner_id = "{given["owner_id"]}"'
    if given["state"]:
        words += f' AND state = "{_state(given["state"])}"'
    asked = records_pb.ListRequest(
        filter=words,
        order_by="plan_day, plan_start",
        page_size=request.page_size,
        page_token=request.page_token,
    )
    page = listing.page(call, VISITS, asked)
    answer = pb.VisitCalendar(next_page_token=page.next_page_token)
    for day, visits in groupby(page.messages, lambda v: v.plan_day):
        answer.days.add(day=day, visits=visits)
    return answer


def route(call: Call, request: pb.GetVisitRouteRequest) -> pb.VisitRoute:
    """The way of a person's day as it is planned, and one that always goes to the nearest."""
    given = writing.given(request)
    whose = given["owner_id"] or call.access.user_id
    words = f'owner_id = "{whose}" AND plan_day = "{given["day"]}" AND state != "{CANCELLED}"'
    asked = records_pb.ListRequest(filter=words, order_by="route_order, plan_start", page_size=STOPS)
    page = listing.page(call, VISITS, asked)
    places = positions.seen(call, page.messages)
    answer = pb.VisitRoute(capped=bool(page.next_page_token))
    before: distance.Place | None = None
    for visited in page.messages:
        stop = answer.stops.add(visit=visited)
        here = places.get(visited.id)
        if here is None:
            answer.without_position_ids.append(visited.id)
            continue
        stop.latitude, stop.longitude = (f"{degrees:f}" for degrees in here)
        if before is not None:
            stop.leg_metres = distance.metres(before, here)
            answer.total_metres += stop.leg_metres
        before = here
    way = distance.nearest_first(places)
    answer.suggested_ids.extend([*way, *answer.without_position_ids])
    answer.suggested_metres = distance.length([places[i] for i in way])
    return answer


def statistics(call: Call, request: pb.GetVisitStatisticsRequest) -> pb.VisitStatistics:
    """What was planned and what was done, by person, department or period."""
    given = writing.given(request)
    by = given["group_by"] or "person"
    words = _period(given, STATISTICS_DAYS)
    if given["filter"]:
        filter_language.parse(given["filter"])  # by itself, so that it says what it would say anywhere
        words += f" AND ({given['filter']})"
    field = "owner_id" if by in ("person", "department") else "plan_day"
    found = counting.group(call, VISITS, field, words, sums=_SUMS, most=PEOPLE)
    homes = _departments(call, {row[0] for row in found}) if by == "department" else {}
    groups: dict[str, list[int]] = {}
    for key, _, *sums in found:
        counted = groups.setdefault(_key(by, key, homes), [0] * len(_SUMS))
        counted[:] = [a + int(b or 0) for a, b in zip(counted, sums, strict=True)]
    labels = _labels(call, by, groups)
    answer = pb.VisitStatistics()
    for key in sorted(groups, key=lambda k: (labels.get(k, k), k)):
        answer.groups.append(_group(key, labels.get(key, key), groups[key]))
    answer.total.CopyFrom(_group("", "", [sum(column) for column in zip(*groups.values(), strict=True)] or [0] * 6))
    return answer


def _count(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return case((condition, 1), else_=0)


_SUMS = (
    _count(visit.c.state != CANCELLED),
    _count(one_of(visit.c.state, DONE)),
    _count(visit.c.state == REPORTED),
    _count(visit.c.state == MISSED),
    _count(visit.c.state == CANCELLED),
    _count(visit.c.off_site),
)


def _group(key: str, label: str, sums: list[int]) -> pb.VisitStatistics.Group:
    planned, done, reported, missed, cancelled, off_site = sums
    percent = round(100 * done / planned) if planned else 0
    return pb.VisitStatistics.Group(
        key=key,
        label=label,
        planned=planned,
        done=done,
        reported=reported,
        missed=missed,
        cancelled=cancelled,
        off_site=off_site,
        done_percent=percent,
    )


def _key(by: str, value: Any, homes: dict[str, str]) -> str:
    match by:
        case "department":
            return homes.get(value, "")
        case "week":
            return str(value - timedelta(days=value.weekday()))
        case "month":
            return str(value.replace(day=1))
    return str(value or "")


def _labels(call: Call, by: str, keys: Any) -> dict[str, str]:
    if by == "person":
        return organisation.names(call.connection, keys)
    if by == "department":
        d = organisation.department.c
        query = select(d.id, d.name).where(one_of(d.id, [k for k in keys if k]))
        return {row.id: row.name for row in call.connection.execute(query)}
    return {}


def _departments(call: Call, user_ids: set[str | None]) -> dict[str, str]:
    u = organisation.user.c
    query = select(u.id, u.department_id).where(one_of(u.id, user_ids - {None}), u.department_id.is_not(None))
    return {row.id: row.department_id for row in call.connection.execute(query)}


def _period(given: Row, most: int) -> str:
    """The filter of a period of days, both included."""
    first: date = given["from_day"]
    last: date = given["to_day"]
    if last < first:
        raise errors.Invalid(Problem("toDay", "ends_before_start"))
    if (last - first).days >= most:
        raise errors.Invalid(Problem("toDay", "period_too_long", {"limit": most}))
    return f'plan_day >= "{first}" AND plan_day <= "{last}"'


def _state(code: str) -> str:
    if code not in STATES.labels:
        params = {"label": VISITS.fields["state"].label, "value": code, "choices": VISITS.fields["state"].choices}
        raise errors.Invalid(Problem("state", "not_a_choice", params))
    return code
