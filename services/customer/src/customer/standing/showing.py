"""What is computed of one customer beside what people say, and how it was."""

from __future__ import annotations

import base64
from typing import Any

from sqlalchemy import select

from crm.customer.v1 import standings_pb2 as pb
from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import paging
from customer import sight
from customer.sight import Sight
from customer.standing.computing import COMPUTATIONS, named
from customer.standing.tables import history, overruling
from customer.standing.tables import result as results


def of_customer(call: Call, customer_id: str) -> pb.ListStandingsResponse:
    """Everything that is computed of a customer, in the order in which it is."""
    seen = sight.of(call, customer_id)  # a topic that is a field obeys that field's rules
    computed = {
        row.topic: row for row in call.connection.execute(select(results).where(results.c.customer_id == customer_id))
    }
    open_ones = select(overruling).where(overruling.c.customer_id == customer_id, overruling.c.end_time.is_(None))
    said = {row.topic: row for row in call.connection.execute(open_ones)}
    order = [c.topic for c in COMPUTATIONS]
    topics = sorted({*computed, *said} - seen.hidden, key=lambda t: (order.index(t) if t in order else len(order), t))
    return pb.ListStandingsResponse(standings=[_standing(call, seen, t, computed.get(t), said.get(t)) for t in topics])


def one(call: Call, customer_id: str, topic: str) -> pb.Standing:
    """One respect; empty but for its name where nothing is known or the caller may not see it."""
    found = [s for s in of_customer(call, customer_id).standings if s.topic == topic]
    return found[0] if found else pb.Standing(topic=topic)


def past(call: Call, request: pb.ListStandingHistoryRequest) -> pb.ListStandingHistoryResponse:
    """One page of how it changed, newest first."""
    seen = sight.of(call, request.customer_id)
    size = paging.page_size(request)
    query = select(history).where(history.c.customer_id == request.customer_id)
    if request.topic:
        query = query.where(history.c.topic == request.topic)
    if seen.hidden:
        query = query.where(history.c.topic.not_in(seen.hidden))
    if request.page_token:
        query = query.where(history.c.id < _position(request.page_token))
    rows = call.connection.execute(query.order_by(history.c.id.desc()).limit(size + 1)).all()
    answer = pb.ListStandingHistoryResponse(changes=[_change(call, seen, row) for row in rows[:size]])
    if len(rows) > size:
        answer.next_page_token = base64.urlsafe_b64encode(rows[size - 1].id.encode()).decode()
    return answer


def _standing(call: Call, seen: Sight, topic: str, computed: Any, said: Any) -> pb.Standing:
    shown = pb.Standing(topic=topic)
    if computed is not None:
        shown.value = shown.computed_value = computed.value
        shown.since_date = computed.since_date.isoformat()
        shown.rule_id, shown.rule_version = computed.rule_id or "", computed.rule_version or 0
        shown.reasons.update(_reasons(call, seen, topic, computed))
    if said is not None:
        shown.value = said.value
        shown.overruling.CopyFrom(
            pb.Overruling(
                value=said.value, note=said.note, user_id=said.user_id or "", user_name=said.user_name, time=said.time
            )
        )
    return shown


def _change(call: Call, seen: Sight, row: Any) -> pb.StandingChange:
    told = pb.StandingChange(
        id=row.id,
        topic=row.topic,
        to=row.to_value or "",
        date=row.date.isoformat(),
        time=row.time,
        action=row.action,
        rule_id=row.rule_id or "",
        rule_version=row.rule_version or 0,
        note=row.note or "",
        user_id=row.user_id or "",
        user_name=row.user_name or "",
    )
    setattr(told, "from", row.from_value or "")
    told.reasons.update(_reasons(call, seen, row.topic, row))
    return told


def _reasons(call: Call, seen: Sight, topic: str, row: Any) -> dict[str, Any]:
    """As far as the rule that a row says may be told, whichever is in force now."""
    computation = named(topic)
    if computation is None or computation.told is None:
        return dict(row.reasons)
    return computation.told(call, seen, row.rule_id or "", row.reasons)


def _position(token: str) -> str:
    try:
        last = base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise errors.Invalid(key="bad_page_token") from None
    if not kinds.is_id(last):
        raise errors.Invalid(key="bad_page_token")
    return last
