"""What people do with a visit: check in, check out, report, cancel; and what a manager says of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from crm.customer.v1 import visits_pb2 as pb
from crm_kit import errors
from crm_kit.organisation import user
from crm_kit.rpc import Call
from crm_records import writing
from crm_records.record import Row
from customer import clock
from customer.tables import customer
from customer.visits import distance
from customer.visits.record import VISITS
from customer.visits.rules import LIMITS

errors.texts(
    {
        "not_going": (
            "只有负责人和同行人可以签到、签退",
            "Only whoever goes there checks in and out",
        ),
        "check_in_too_early": (
            "该拜访计划在 {day}，当天才能签到；如提前拜访，请先修改计划",
            "The visit is planned for {day}: check in on that day, or move the plan first",
        ),
        "not_above": ("只有负责人的上级可以批注", "Only somebody above the visit's owner comments on it"),
    }
)

MOST_ABOVE = 50
"""Levels of a line of reporting that are looked at."""


def check_in(call: Call, request: pb.CheckInVisitRequest) -> Any:
    """Be there. Too far from the customer's address is marked, not refused: addresses are wrong, too. Later than
    planned is what plan against done tells; before the planned day it is another plan."""

    def arrive(before: Row) -> Row:
        values = _position(call, request, before, "check_in")
        planned = clock.local_day(before["plan_start"], call)
        if clock.today(call) < planned:
            raise errors.Conflict("check_in_too_early", day=f"{planned}")
        limit = LIMITS.read(call.connection).off_site_metres
        away = values["check_in_distance"]
        return {**values, "off_site_metres": limit, "off_site": away is not None and away > limit, "missed_time": None}

    return writing.act(call, VISITS, request.id, request.etag, "checkIn", arrive)


def check_out(call: Call, request: pb.CheckOutVisitRequest) -> Any:
    """Leave."""

    def leave(before: Row) -> Row:
        return _position(call, request, before, "check_out")

    return writing.act(call, VISITS, request.id, request.etag, "checkOut", leave)


def report(call: Call, request: pb.ReportVisitRequest) -> Any:
    """Tell what came of it."""
    told = {**writing.given(request), "report_time": datetime.now(UTC)}
    return writing.act(call, VISITS, request.id, request.etag, "report", told)


def cancel(call: Call, request: pb.CancelVisitRequest) -> Any:
    """Call it off."""
    return writing.act(call, VISITS, request.id, request.etag, "cancel", writing.given(request))


def comment(call: Call, request: pb.CommentVisitRequest) -> Any:
    """What a manager says of it; a later word takes the place of the one before, which the change log keeps."""
    given = writing.given(request)

    def say(before: Row) -> Row:
        if not _is_above(call, before["owner_id"]):
            raise errors.Denied("not_above")
        return {**given, "commenter_id": call.access.user_id, "comment_time": datetime.now(UTC)}

    return writing.answer(call, VISITS, writing.write(call, VISITS, request.id, request.etag, "commented", say))


def _position(call: Call, request: Any, before: Row, which: str) -> Row:
    """Where and when the caller is, who must be one of those who go there."""
    if call.access.user_id not in (before["owner_id"], *before["participant_ids"]):
        raise errors.Denied("not_going")
    given = writing.given(request)
    here = (given["latitude"], given["longitude"])
    query = select(customer.c.latitude, customer.c.longitude).where(customer.c.id == before["customer_id"])
    there = call.connection.execute(query).one()
    known = there.latitude is not None and there.longitude is not None
    found = {
        "time": datetime.now(UTC),
        "client_time": given["client_time"],
        "latitude": here[0],
        "longitude": here[1],
        "accuracy": given["accuracy"],
        "photo_id": given["photo_id"],
        "distance": distance.metres(here, (there.latitude, there.longitude)) if known else None,
    }
    return {f"{which}_{name}": value for name, value in found.items()}


def _is_above(call: Call, owner_id: str | None) -> bool:
    """Whether the caller stands above somebody in the line of reporting."""
    line = select(user.c.manager_id).where(user.c.id == owner_id).cte(recursive=True)
    line = line.union(select(user.c.manager_id).join(line, user.c.id == line.c.manager_id))
    above = set(call.connection.scalars(select(line.c.manager_id).limit(MOST_ABOVE)))
    return call.access.user_id in above and call.access.user_id != owner_id
