"""One verb on many records, as a job that can be undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from crm.records.v1 import acts_pb2 as pb
from crm.records.v1 import jobs_pb2
from crm_kit import codec, errors, ids, jobs
from crm_kit.errors import Problem
from crm_kit.field_names import snake
from crm_kit.jobs import Job, Kind, Step
from crm_kit.rpc import Call
from crm_records import (
    acts,
    assigning,
    custom_fields,
    dictionaries,
    each,
    given,
    images,
    recycling,
    references,
    selecting,
    storing,
    validation,
    writing,
)
from crm_records.jobs import started
from crm_records.record import Record
from crm_records.registry import Registry

UPDATE, ASSIGN, DELETE = "bulk_update", "bulk_assign", "bulk_delete"
VERBS = {UPDATE: "update", ASSIGN: "assign", DELETE: "delete"}
LABELS = {
    UPDATE: ("批量修改", "Change of many records"),
    ASSIGN: ("批量分配", "Assignment of many records"),
    DELETE: ("批量删除", "Deletion of many records"),
}
Verb = Callable[[Call, Record, Job, str], bool]
"""Does it with one record, given by its id; whether that changed anything."""
BATCH = 100
"""Records in one step."""

errors.texts({"no_changes": ("请给出要修改的字段", "Name the fields to change")})


class BulkServicer:
    """Answers for the records of one service."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def BulkUpdate(self, call: Call, request: pb.BulkUpdateRequest) -> jobs_pb2.Job:
        record = allowing(self._registry.records, request.record_type, "update")
        changes = codec.to_dict(request.changes)
        message, mask = _message(record, changes)
        _refuse_for_any(call, record, message, [n for n in record.fields if n in {p.split(".")[0] for p in mask.paths}])
        return start(call, record, UPDATE, request, {"changes": changes})

    def BulkAssign(self, call: Call, request: pb.BulkAssignRequest) -> jobs_pb2.Job:
        record = allowing(self._registry.records, request.record_type, "assign")
        to, problems = assigning.taker(request), list[Problem]()
        references.check(call, record, to, None, problems)
        writing.refuse(problems)
        return start(call, record, ASSIGN, request, {"to": to})

    def BulkDelete(self, call: Call, request: pb.BulkDeleteRequest) -> jobs_pb2.Job:
        record = allowing(self._registry.records, request.record_type, "delete")
        return start(call, record, DELETE, request, {})


def allowing(records: Mapping[str, Record], record_type: str, verb: str) -> Record:
    """The record type, if the verb is possible on many of it."""
    record = records.get(record_type)
    if record is None or verb not in record.bulk:
        raise errors.NotFound()
    return record


def kinds_of_jobs(registry: Registry) -> list[Kind]:
    """The jobs that a service with such records does; none where no record allows it."""
    possible = {verb for record in registry.records.values() for verb in record.bulk}
    return [kind(n, LABELS[n], registry.records, _VERBS[n]) for n, verb in VERBS.items() if verb in possible]


def kind(name: str, label: tuple[str, str], records: Mapping[str, Record], do: Verb) -> Kind:
    """The job that does a verb on each of the chosen records, as an act that can be taken back."""
    return Kind(name, label, lambda call, job: _step(call, records[job.record_type], job, do), ended=_ended)


def start(call: Call, record: Record, kind: str, request: Any, what: dict[str, Any]) -> jobs_pb2.Job:
    """Begin an act on what a request selects. `what` is told of the act and given to each step as its parameters."""
    selection = selecting.check(call, record, request)
    act_id = ids.uuid7()
    images.begin(call, act_id, kind, record.type, {**what, **selection})
    chosen = list(dict.fromkeys(request.ids))
    selecting.write_down(call.connection, act_id, chosen)
    parameters = {**what, "selection": selection}
    jobs.start(call, kind, record.type, parameters, job_id=act_id, total=len(chosen) or None)
    return started(call, record.registry, act_id)


def _step(call: Call, record: Record, job: Job, do: Verb) -> Step:
    selection = job.parameters["selection"]
    at = job.position or {"token": "", "found": 0, "done": -1 if "ids" not in selection else 0}
    if at["done"] < 0:
        token, found = selecting.go_on(call, record, job.id, selection, at["token"], at["found"])
        return Step({"token": token, "found": found, "done": -1 if token else 0}, total=None if token else found)
    images.go_on(call, job.id)
    targets = selecting.next_ones(call.connection, job.id, at["done"], BATCH)
    outcomes = each.one(call, targets, lambda record_id: do(call, record, job, record_id))
    for record_id, outcome in zip(targets, outcomes, strict=True):
        if outcome.refusal is not None:
            images.fail(call, record.type, record_id, outcome.reason(call))
    counts = dict(job.result) or {"changed": 0, "unchanged": 0, "failed": 0}
    for outcome in outcomes:
        counts["failed" if outcome.refusal else "changed" if outcome.value else "unchanged"] += 1
    if len(targets) < BATCH:
        _over(call, job.id)
        owner_id = job.parameters.get("to", {}).get("owner_id")
        if owner_id and counts["changed"]:
            acts.tell_given(call, job.id, record.type, job.kind, {owner_id: counts["changed"]})
        return Step(None, done=len(targets), result=counts)
    return Step({**at, "done": at["done"] + len(targets)}, done=len(targets), result=counts)


def _ended(call: Call, job: Job, _how: str) -> None:
    _over(call, job.id)


def _over(call: Call, act_id: str) -> None:
    images.finish(call, act_id)
    selecting.forget(call.connection, act_id)


def _update(call: Call, record: Record, job: Job, record_id: str) -> bool:
    message, mask = _message(record, job.parameters["changes"])
    message.id = record_id
    return announcing(call, lambda: writing.change(call, record, message, mask, None))


def _assign(call: Call, record: Record, job: Job, record_id: str) -> bool:
    to = job.parameters["to"]
    given.note(call, record, record.message(id=record_id, **{n: value for n, value in to.items() if value}))
    return announcing(call, lambda: writing.write(call, record, record_id, None, "assigned", lambda _row: to))


def _delete(call: Call, record: Record, _job: Job, record_id: str) -> bool:
    recycling.bin_one(call, record, storing.locked(call, record, record_id, None, alone=True))
    return True


_VERBS: dict[str, Verb] = {UPDATE: _update, ASSIGN: _assign, DELETE: _delete}


def announcing(call: Call, write: Callable[[], Any]) -> bool:
    """Whether a write announced anything: one that changes nothing does not."""
    announced = len(call.events)
    write()
    return len(call.events) > announced


def _message(record: Record, changes: dict[str, Any]) -> tuple[Any, FieldMask]:
    """The changes as a message and its mask. INVALID_ARGUMENT where a field is unknown or a value is wrong."""
    if not changes:
        raise errors.Invalid(key="no_changes")
    message = codec.from_dict(_whole_numbers(changes), record.message())
    names = [snake(n) for n in changes]
    problems = [
        Problem(f.json_name, "read_only", {"label": f.label})
        for n in names
        if n not in record.writable and (f := record.fields[n])
    ]
    if not problems:
        validation.row_values(message, names, record.fields, problems)
    writing.refuse(problems)
    paths = [n for n in names if n != "custom"] + [f"custom.{k}" for k in changes.get("custom") or ()]
    return message, FieldMask(paths=paths)


def _refuse_for_any(call: Call, record: Record, message: Any, names: list[str]) -> None:
    """INVALID_ARGUMENT where a value fits no record: no entry of its dictionary, no custom field, nothing it may point
    at. What depends on the record is found out record by record."""
    problems: list[Problem] = []
    values = validation.row_values(message, names, record.fields, problems)
    dictionaries.check(call, record, values, None, problems)
    custom_fields.check(call, record, values, {}, problems)
    references.check(call, record, values, None, problems)
    writing.refuse(problems)


def _whole_numbers(value: Any) -> Any:
    """JSON that went through a `Struct`, which knows no whole numbers."""
    if isinstance(value, dict):
        return {k: _whole_numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
