"""Many records reviewed at once: each for itself, as a job and an act."""

from __future__ import annotations

from typing import Any

from crm.records.v1 import jobs_pb2
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.jobs import Job, Kind
from crm_kit.rpc import Call
from crm_records import bulk_acts, dictionaries, given, writing
from crm_records import fields as kinds
from crm_records.record import Record
from customer.contacts import CONTACTS
from customer.customers import CUSTOMERS
from customer.review import marks

REVIEWED: dict[str, Record] = {r.type: r for r in (CUSTOMERS, CONTACTS)}
APPROVE, RETURN = "bulk_approve", "bulk_return"
_ACTIONS = {APPROVE: "approve", RETURN: "return"}


def start(call: Call, kind: str, request: Any) -> jobs_pb2.Job:
    """Begin to decide about what a request selects. INVALID_ARGUMENT for what could be given to none of them."""
    record = bulk_acts.allowing(REVIEWED, request.record_type, _ACTIONS[kind])
    said = writing.given(request)
    described = kinds.of(request.DESCRIPTOR)
    decided = {n: said[n] for n in ("relation", "review_reason") if n in described}
    relation = decided.get("relation")
    if relation:
        entries = dictionaries.KEPT.read(call.connection).get(described["relation"].dictionary, {})
        if "relation" not in record.stored:
            raise errors.Invalid(Problem("relation", "unknown_field", {"name": "relation"}))
        if relation not in entries or entries[relation].retired:
            raise errors.Invalid(dictionaries.refusal("relation", described["relation"].label, relation, entries))
    return bulk_acts.start(call, record, kind, request, {"decided": decided})


def _decide(call: Call, record: Record, job: Job, record_id: str) -> bool:
    decided = job.parameters["decided"]
    brought = {n: value for n, value in decided.items() if value}
    given.note(call, record, record.message(id=record_id, **brought))
    return bulk_acts.announcing(call, lambda: marks.decide(call, record, record_id, None, _ACTIONS[job.kind], decided))


JOBS: list[Kind] = [
    bulk_acts.kind(APPROVE, ("批量审核", "Approval of many records"), REVIEWED, _decide),
    bulk_acts.kind(RETURN, ("批量退回", "Return of many records"), REVIEWED, _decide),
]
