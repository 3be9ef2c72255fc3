"""Whose a visitor is. Said once, it holds for what the visitor did before; said anew, from a time on.

Nothing is rewritten: the events of a visitor are joined with whom the visitor was at their time when they are read.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select, text, update

from crm.customer.v1 import behaviour_pb2 as pb
from crm.records.v1.event_pb2 import Event
from crm_kit import errors, ids
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import writing
from customer.behaviour import owners
from customer.behaviour.checking import FIELDS
from customer.behaviour.tables import event, identity, pending

ALWAYS = datetime(1, 1, 1, tzinfo=UTC)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When the first identity of a visitor begins, and when the last one ends."""
MOST = 20
"""How many one visitor may have been: a key that is shared by more is no visitor."""
UNDER_WAY = timedelta(hours=1)
"""How old events are that may just be coming in."""
AHEAD = timedelta(minutes=5)
"""How far the clock of a source may be ahead."""

errors.texts(
    {
        "identified_later": (
            "该访客在 {time} 已被识别为他人，只能从更晚的时间起改为另一客户",
            "The visitor became somebody at {time}; it can become somebody else only after that",
        ),
        "visitor_shared": (
            "该访客标识已对应过 {limit} 个客户，不像是一个人的标识",
            "This key was {limit} customers already; it does not seem to be one person's",
        ),
        "behaviour_ahead_of_now": ("{label}不能在未来", "{label} must not lie in the future"),
    }
)


def identify(call: Call, request: pb.IdentifyVisitorRequest) -> pb.VisitorIdentity:
    """Say whose a visitor is; the same said again changes nothing."""
    given = writing.given(request)
    customer_id = _whose(call, given)
    now = datetime.now(UTC)
    since = given["from_time"]
    if since is not None and since > now + AHEAD:
        label = ("起始时间", "From time")
        raise errors.Invalid(Problem("fromTime", "behaviour_ahead_of_now", {"label": label}))
    source, visitor, contact_id = given["source"], given["visitor"], given["contact_id"]
    call.connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 7))"), {"key": f"{source}\n{visitor}"}
    )
    mine = (identity.c.source == source, identity.c.visitor == visitor)
    query = select(identity).where(*mine).order_by(identity.c.from_time.desc()).limit(1)
    last = call.connection.execute(query).mappings().one_or_none()
    if last is not None and last["customer_id"] == customer_id:
        return _again(call, dict(last), contact_id)
    if last is not None and not owners.reached(call, [last["customer_id"]]):
        raise errors.NotFound()  # neither whose it is nor since when
    if last is None:
        row = _add(call, given, customer_id, ALWAYS, now)
    else:
        since = since or now
        if since <= last["from_time"]:
            raise errors.Conflict("identified_later", time=f"{last['from_time']:%Y-%m-%d %H:%M:%S}Z")
        if (call.connection.scalar(select(func.count()).select_from(identity).where(*mine)) or 0) >= MOST:
            raise errors.Conflict("visitor_shared", limit=MOST)
        ended = {"until_time": since, "version": last["version"] + 1}
        call.connection.execute(update(identity).where(identity.c.id == last["id"]).values(ended))
        row = _add(call, given, customer_id, since, now)
    _look_again(call, row, last["customer_id"] if last else None)
    return _answer(call, row)


def _whose(call: Call, given: dict[str, Any]) -> str:
    """The customer that the request names; INVALID_ARGUMENT if it names none, an unknown one or two."""
    customer_id, external_id, contact_id = (given[n] for n in ("customer_id", "external_id", "contact_id"))
    if not (customer_id or external_id or contact_id):
        raise errors.Invalid(Problem("customerId", "required", {"label": FIELDS["customer_id"].label}))
    known = owners.look_up(call, *([v] if v else [] for v in (customer_id, external_id, contact_id)))
    found = known.of(customer_id, external_id, contact_id)
    if isinstance(found, str):
        return found
    field = FIELDS[found[0]]
    raise errors.Invalid(Problem(field.json_name, found[1], {"label": field.label}))


def _again(call: Call, row: dict[str, Any], contact_id: str | None) -> pb.VisitorIdentity:
    """The same customer: nothing new but, perhaps, who of its people it is."""
    if contact_id in (None, row["contact_id"]):
        return _message(row)
    row.update(contact_id=contact_id, version=row["version"] + 1)
    values = {"contact_id": contact_id, "version": row["version"]}
    call.connection.execute(update(identity).where(identity.c.id == row["id"]).values(values))
    return _answer(call, row)


def _add(call: Call, given: dict[str, Any], customer_id: str, since: datetime, now: datetime) -> dict[str, Any]:
    row = {
        "id": ids.uuid7(),
        "source": given["source"],
        "visitor": given["visitor"],
        "customer_id": customer_id,
        "contact_id": given["contact_id"],
        "from_time": since,
        "until_time": NEVER,
        "creator_id": call.caller.user_id or None,
        "create_time": now,
        "version": 1,
    }
    call.connection.execute(insert(identity).values(row))
    return row


def _look_again(call: Call, row: dict[str, Any], before: str | None) -> None:
    """What the customer did is more now, and what the one before did is less.

    Told also where nothing is found: a batch that is under way cannot be seen yet.
    """
    mine = (event.c.source == row["source"], event.c.visitor == row["visitor"], event.c.customer_id.is_(None))
    query = select(func.min(event.c.time), func.max(event.c.time)).where(*mine, event.c.time >= row["from_time"])
    first, last = call.connection.execute(query).one()
    since = min(first or NEVER, row["create_time"] - UNDER_WAY)
    values = {"source": row["source"], "visitors": [row["visitor"]], "from_time": since, "last_time": last}
    call.connection.execute(insert(pending).values(**values, customer_ids=[before] if before else []))


def _answer(call: Call, row: dict[str, Any]) -> pb.VisitorIdentity:
    message = _message(row)
    told = Event(record_type="visitor_identity", action="identified", record_id=row["id"], version=row["version"])
    without = pb.VisitorIdentity()
    without.CopyFrom(message)
    without.ClearField("visitor")
    told.record.Pack(without)
    call.announce(told)
    return message


def _message(row: dict[str, Any]) -> pb.VisitorIdentity:
    message = pb.VisitorIdentity(
        id=row["id"],
        etag=str(row["version"]),
        source=row["source"],
        visitor=row["visitor"],
        customer_id=row["customer_id"],
        contact_id=row["contact_id"] or "",
    )
    if row["from_time"] != ALWAYS:
        message.from_time.FromDatetime(row["from_time"])
    if row["until_time"] != NEVER:
        message.until_time.FromDatetime(row["until_time"])
    return message
