"""A person's word against what was computed: it counts until it is taken back, and both are shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, update

from crm.customer.v1 import standings_pb2 as pb
from crm_kit import errors, ids
from crm_kit.errors import Problem
from crm_kit.field_access import OPTIONAL, READ_ONLY
from crm_kit.rpc import Call
from crm_records import storing, visibility, writing
from crm_records.record import Row
from customer import clock
from customer.customers import CUSTOMERS
from customer.standing import keeping
from customer.standing.computing import Computation, Result, of_topic
from customer.standing.tables import overruling
from customer.standing.tables import result as results

errors.texts(
    {
        "not_a_standing": ("“{value}”不是可用的值", "“{value}” is not a value it can have"),
        "not_overruled": ("没有人工认定可以撤销", "Nobody overruled it"),
    }
)


def overrule(call: Call, request: pb.OverruleStandingRequest) -> None:
    """Say something else; what was said before ends."""
    computation, row = _find(call, request)
    given = writing.given(request)
    if not computation.allows(call, request.topic, given["value"]):
        raise errors.Invalid(Problem("value", "not_a_standing", {"value": given["value"]}))
    topic, computed = request.topic, _computed(call, request.topic, row["id"])
    was = _end(call, topic, row["id"]) or computed.value
    by = {"note": given["note"], "user_id": call.caller.user_id or None, "user_name": call.caller.name}
    call.connection.execute(
        insert(overruling).values(id=ids.uuid7(), customer_id=row["id"], topic=topic, value=given["value"], **by)
    )
    _let_count(call, computation, topic, row, computed, (was, given["value"]), "overruled", by)


def take_back(call: Call, request: pb.TakeBackOverrulingRequest) -> None:
    """Let what was computed count again; where nothing was, what was said stays without being anybody's word."""
    computation, row = _find(call, request)
    was = _end(call, request.topic, row["id"])
    if not was:
        raise errors.Conflict("not_overruled")
    computed = _computed(call, request.topic, row["id"])
    by = {"user_id": call.caller.user_id or None, "user_name": call.caller.name}
    _let_count(call, computation, request.topic, row, computed, (was, computed.value), "taken_back", by)


def _find(call: Call, request: Any) -> tuple[Computation, Row]:
    computation = of_topic(request.topic)
    if computation is None:
        raise errors.NotFound()
    row = storing.locked(call, CUSTOMERS, request.customer_id, None)
    view = visibility.of(call, CUSTOMERS)
    level = OPTIONAL
    if computation.field and view is not None:
        assert CUSTOMERS.states is not None
        level = view.level(computation.field, row[CUSTOMERS.states.column])
    if level <= READ_ONLY:
        # Whoever may not write the field does not write it by this way either; who does not see it is not told of it.
        if level < READ_ONLY:
            raise errors.NotFound()
        raise errors.Invalid(Problem("value", "read_only", {"label": CUSTOMERS.fields[computation.field].label}))
    return computation, row


def _computed(call: Call, topic: str, customer_id: str) -> Result:
    query = select(results).where(results.c.customer_id == customer_id, results.c.topic == topic)
    found = call.connection.execute(query).one_or_none()
    if found is None:
        return Result(customer_id, "")
    return Result(customer_id, found.value, found.rule_id, found.rule_version, found.reasons)


def _end(call: Call, topic: str, customer_id: str) -> str:
    """End what was said so far, and tell it; empty where nobody had said anything."""
    ended = (
        update(overruling)
        .where(overruling.c.customer_id == customer_id, overruling.c.topic == topic, overruling.c.end_time.is_(None))
        .values(end_time=datetime.now(UTC))
        .returning(overruling.c.value)
    )
    return call.connection.scalar(ended) or ""


def _let_count(
    call: Call,
    computation: Computation,
    topic: str,
    row: Row,
    computed: Result,
    values: tuple[str, str],
    action: str,
    by: dict[str, Any],
) -> None:
    """From one of the values to the other; what the customer shows goes before what was kept."""
    today, (was, value) = clock.today(call), values
    was = row[computation.field] if computation.field else was
    counts = value in ("", was) or computation.apply is None or computation.apply(call, row["id"], value, today)
    if not counts:
        raise errors.Invalid(Problem("value", "not_a_standing", {"value": value}))
    keeping.log_entries(call, [keeping.entry(topic, computed, was, value or was, today, action, **by)])
