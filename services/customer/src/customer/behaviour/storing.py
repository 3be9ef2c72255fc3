"""Storing a batch: one statement for all of its events, and one row that says who is to be looked at again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from crm.customer.v1 import behaviour_pb2 as pb
from crm.records.v1.event_pb2 import Event as Told
from crm_kit import errors, ids
from crm_kit.db import driver
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import dictionaries, validation
from crm_records import fields as kinds
from customer.behaviour import checking, owners, partitions
from customer.behaviour.checking import Event

MOST = 1000
"""Events of a batch at most."""
KINDS = "behaviour_kind"
"""The dictionary of what people do."""
_SOURCE = kinds.of(pb.RecordBehaviourRequest.DESCRIPTOR)

# Sorted by event id, so that two batches with the same events wait for each other instead of locking each other.
_INSERT = (
    "INSERT INTO behaviour_event"
    " (time, source, event_id, kind, visitor, customer_id, contact_id, subject, amount, properties)"
    " SELECT timestamptz 'epoch' + e.t * interval '1 microsecond', %(source)s, e.i, e.k, e.v, e.c, e.p, e.s, e.a, e.j"
    " FROM unnest(%(times)s::bigint[], %(ids)s::text[], %(kinds)s::text[], %(visitors)s::text[], %(customers)s::uuid[],"
    " %(contacts)s::uuid[], %(subjects)s::text[], %(amounts)s::numeric[], %(properties)s::jsonb[])"
    " AS e(t, i, k, v, c, p, s, a, j) ORDER BY e.i ON CONFLICT DO NOTHING RETURNING event_id"
)
_PENDING = (
    "INSERT INTO behaviour_pending (source, visitors, customer_ids, from_time, last_time)"
    " VALUES (%(source)s, %(visitors)s::text[], %(customers)s::uuid[], %(first)s, %(last)s)"
)


def record(call: Call, request: pb.RecordBehaviourRequest) -> pb.RecordBehaviourResponse:
    """Store what is good and new of a batch, tell what is not."""
    problems: list[Problem] = []
    source = validation.row_values(request, ("source",), _SOURCE, problems)["source"]
    sent = len(request.events)
    if not sent:
        problems.append(Problem("events", "required", {"label": _SOURCE["events"].label}))
    if sent > MOST:
        problems.append(Problem("events", "too_many", {"label": _SOURCE["events"].label, "limit": MOST}))
    if problems:
        raise errors.Invalid(*problems)
    entries = dictionaries.KEPT.read(call.connection).get(KINDS, {})
    bounds = partitions.NOW.read(call.connection).bounds(datetime.now(UTC))
    batch = checking.look(request.events, checking.rules(entries, bounds))
    owners.settle(call, batch)
    stored = _store(call, source, list(batch.events.values()))
    answer = pb.RecordBehaviourResponse(
        stored=stored, duplicates=batch.duplicates + len(batch.events) - stored, rejected=len(batch.problems)
    )
    for index, problem in sorted(batch.problems, key=lambda one: one[0]):
        text = problem.message(call.language)
        answer.problems.add(index=index, field=problem.path, reason=problem.key.upper(), message=text)
    if stored:
        _tell(call, source, answer)
    return answer


def _store(call: Call, source: str, events: Sequence[Event]) -> int:
    """How many of the events were new."""
    if not events:
        return 0
    with driver(call.connection) as raw:
        values: dict[str, Any] = {
            "source": source,
            "times": [e.micros for e in events],
            "ids": [e.event_id for e in events],
            "kinds": [e.kind for e in events],
            "visitors": [e.visitor for e in events],
            "customers": [e.customer_id for e in events],
            "contacts": [e.contact_id for e in events],
            "subjects": [e.subject for e in events],
            "amounts": [e.amount for e in events],
            "properties": [e.properties for e in events],
        }
        new = {row[0] for row in raw.execute(_INSERT, values).fetchall()}
        if new:
            raw.execute(_PENDING, _whom(source, [e for e in events if e.event_id in new]))
    return len(new)


def _whom(source: str, stored: Sequence[Event]) -> dict[str, Any]:
    """Who did these: customers, and visitors that may be or become some."""
    return {
        "source": source,
        "visitors": sorted({e.visitor for e in stored if e.visitor and not e.customer_id}),
        "customers": sorted({e.customer_id for e in stored if e.customer_id}),
        "first": datetime.fromtimestamp(min(e.micros for e in stored) / 1_000_000, UTC),
        "last": datetime.fromtimestamp(max(e.micros for e in stored) / 1_000_000, UTC),
    }


def _tell(call: Call, source: str, answer: pb.RecordBehaviourResponse) -> None:
    """Who told how much. What was done is announced by the clock, for many batches together."""
    batch = pb.BehaviourBatch(
        id=ids.uuid7(),
        etag="1",
        source=source,
        stored=answer.stored,
        duplicates=answer.duplicates,
        rejected=answer.rejected,
    )
    told = Told(record_type="behaviour", action="recorded", record_id=batch.id, version=1, bulk=True)
    told.record.Pack(batch)
    call.announce(told)
