"""Acts on many records as people see them, and taking one back.

Taking back goes through what was stored, last change first: a record that has the version which the act left it with
becomes what it was; one that somebody changed since stays, and is told. It is done with the suite's own rights under
the name of who asked: whoever gave a thousand customers away no longer reaches them, and must still be able to have
them back. No rule of the noun runs: what was right then is right again, or the database refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any

from google.protobuf.json_format import ParseDict
from sqlalchemy import Select, func, select, update

from crm.records.v1 import acts_pb2 as pb
from crm.records.v1 import jobs_pb2
from crm.records.v1.event_pb2 import Event
from crm_kit import errors, jobs
from crm_kit.access import Organisation
from crm_kit.caller import Caller
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.jobs import Job, Kind, Step
from crm_kit.rpc import Call
from crm_records import changes, each, images, listing, references, sql, writing
from crm_records import fields as kinds
from crm_records.images import act, act_item
from crm_records.jobs import message_of
from crm_records.record import Record, Registry

UNDO = "undo"
TYPE = "act"
BATCH = 200
FOLLOWS = "follows"
"""In what an act was asked for: it is this service's part of an act of another one, and is taken back with that."""
Undone = Callable[[Call, str, str], None]
"""Told in the last step of taking an act back: (call of the suite, record type, act)."""
OUTCOMES = ("done", "failed", "undone", "kept")

errors.texts(
    {
        "act_under_way": ("该操作仍在进行", "The act is still under way"),
        "act_undone": ("该操作已撤销", "The act was taken back already"),
        "changed_since": (
            "{name}已在此后修改（版本 {version}），未撤销",
            "Not taken back: {name} changed it since (version {version})",
        ),
        "act_follows": (
            "这是另一操作在此处的部分，请撤销该操作本身（编号 {id}）",
            "This is a part of another act: take that one back (id {id})",
        ),
        "gone_since": ("记录已不存在，未撤销", "Not taken back: the record is gone"),
    }
)


class ActServicer:
    """Answers for the acts on the records of one service."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def GetAct(self, call: Call, request: pb.GetActRequest) -> pb.Act:
        return _messages(call, [self._row(call, request)])[0]

    def ListActs(self, call: Call, request: pb.ListActsRequest) -> pb.ListActsResponse:
        size = listing._page_size(request)
        query = self._visible(call, request.record_type)
        if request.page_token:
            if not kinds.is_id(request.page_token):
                raise errors.Invalid(key="bad_page_token")
            query = query.where(act.c.id < request.page_token)
        rows = call.connection.execute(query.order_by(act.c.id.desc()).limit(size + 1)).all()
        token = rows[size - 1].id if len(rows) > size else ""
        return pb.ListActsResponse(acts=_messages(call, rows[:size]), next_page_token=token)

    def ListActItems(self, call: Call, request: pb.ListActItemsRequest) -> pb.ListActItemsResponse:
        row, size = self._row(call, request), listing._page_size(request)
        query = select(act_item).where(act_item.c.act_id == row.id)
        if request.outcome:
            if request.outcome not in OUTCOMES:
                label = kinds.of(request.DESCRIPTOR)["outcome"].label
                choices = {"label": label, "value": request.outcome[:60], "choices": ", ".join(OUTCOMES)}
                raise errors.Invalid(Problem("outcome", "not_a_choice", choices))
            query = query.where(act_item.c.outcome == request.outcome)
        if request.page_token:
            if not request.page_token.isdecimal() or len(request.page_token) > 9:
                raise errors.Invalid(key="bad_page_token")
            query = query.where(act_item.c.seq > int(request.page_token))
        rows = call.connection.execute(query.order_by(act_item.c.seq).limit(size + 1)).all()
        names = ("record_type", "record_id", "number", "change", "outcome")
        answer = pb.ListActItemsResponse(next_page_token=str(rows[size - 1].seq) if len(rows) > size else "")
        for item in rows[:size]:
            answer.items.add(reason=item.reason or "", **{n: getattr(item, n) for n in names})
        return answer

    def UndoAct(self, call: Call, request: pb.GetActRequest) -> jobs_pb2.Job:
        row = self._row(call, request)
        if not call.access.may(f"{row.record_type}.configure"):
            call.need(row.right)
        if row.what.get(FOLLOWS):
            raise errors.Conflict("act_follows", id=row.id)
        asked = update(act).where(act.c.id == row.id, act.c.state == "done")
        begun = asked.values(state="undoing", version=act.c.version + 1)
        if call.connection.scalar(begun.returning(act.c.id)) is None:
            raise errors.Conflict("act_under_way" if row.state in ("running", "undoing") else "act_undone")
        changed = select(func.count()).where(act_item.c.act_id == row.id, act_item.c.outcome == "done")
        total = call.connection.scalar(changed)
        job_id = jobs.start(call, UNDO, row.record_type, {"act": row.id, "kind": row.kind}, total=total)
        assert job_id is not None
        call.connection.execute(update(act).where(act.c.id == row.id).values(undo_job_id=job_id))
        return message_of(call, job_id)

    def _visible(self, call: Call, record_type: str) -> Select[Any]:
        record = self._registry.records.get(record_type)
        if record is None:
            raise errors.NotFound()
        query = select(act).where(act.c.record_type == record_type)
        configure = f"{record_type}.configure"
        if call.access.may(configure) and record.reach_of(call.access, configure).all:
            return query
        return query.where(act.c.creator_id == call.access.user_id)

    def _row(self, call: Call, request: Any) -> Any:
        query = self._visible(call, request.record_type)
        if not kinds.is_id(request.id):
            raise errors.NotFound()
        row = call.connection.execute(query.where(act.c.id == request.id)).one_or_none()
        if row is None:
            raise errors.NotFound()
        return row


def undoing(registry: Registry, undone: Mapping[str, Undone] | None = None) -> Kind:
    """The job that takes an act back. `undone`: by kind of act, what is to be done besides what was stored."""
    label = ("撤销", "Taking back")
    return Kind(UNDO, label, lambda call, job: take_back(call, registry, job, undone or {}), ended=_given_up)


def take_back(call: Call, registry: Registry, job: Job, undone: Mapping[str, Undone]) -> Step:
    """Take the next changes of an act back."""
    act_id = job.parameters["act"]
    # Only what the act changed, and of the rest only what this job has not looked at yet: done items come to an end.
    query = select(act_item).where(act_item.c.act_id == act_id, act_item.c.outcome == "done")
    items = call.connection.execute(query.order_by(act_item.c.seq.desc()).limit(BATCH)).all()
    suite = as_suite(call)
    outcomes = each.one(suite, items, lambda item: _take_back(suite, registry.records[item.record_type], item))
    last = len(items) < BATCH
    if last and job.parameters["kind"] in undone:
        undone[job.parameters["kind"]](suite, job.record_type, act_id)
    call.events[:] = suite.events
    for item, outcome in zip(items, outcomes, strict=True):
        reason = outcome.reason(call) if outcome.refusal else outcome.value
        values = {"outcome": "kept" if reason else "undone", "reason": reason or None}
        this = (act_item.c.act_id == act_id, act_item.c.seq == item.seq)
        call.connection.execute(update(act_item).where(*this).values(values))
    kept = sum(1 for o in outcomes if o.refusal or o.value)
    counts = {n: job.result.get(n, 0) for n in ("undone", "kept")}
    result = {"undone": counts["undone"] + len(items) - kept, "kept": counts["kept"] + kept}
    if not last:
        return Step({"going": True}, done=len(items), result=result)
    _set_state(call, act_id, "undone")
    return Step(None, done=len(items), result=result)


def _given_up(call: Call, job: Job, _how: str) -> None:
    """What is not taken back yet can be taken back later."""
    _set_state(call, job.parameters["act"], "done")


def _set_state(call: Call, act_id: str, state: str) -> None:
    call.connection.execute(update(act).where(act.c.id == act_id).values(state=state, version=act.c.version + 1))


def _take_back(call: Call, record: Record, item: Any) -> str:
    """Make a record what it was before one change; or why it stays as it is."""
    query = select(record.table).where(record.table.c.id == item.record_id)
    found = sql.prepare(query.with_for_update(of=record.table)).run(call.connection).fetchone()
    if found is None:
        return errors.text("gone_since", call.language, {})
    row = writing.as_row(call, record, found)
    if row["version"] != item.version:
        params = {"name": _last_actor(call, item.record_id), "version": row["version"]}
        return errors.text("changed_since", call.language, params)
    if item.change == "created":
        writing.bin_one(call, record, row, "undone")
        return ""
    was, version = images.image(call.connection, record, item)
    after = {**row, **was}
    if item.change == "deleted":
        references.check_parent(call, record, after)
    writing.store(call, record, row, after)
    record.written(call, after, row)
    changes.tell(call, record, "undone", [(row, after)], after["update_time"])
    # What left the record as it is again, this act or another one before it, can be taken back from here.
    earlier = (act_item.c.record_id == item.record_id, act_item.c.version == version, act_item.c.outcome == "done")
    call.connection.execute(update(act_item).where(*earlier).values(version=after["version"]))
    return ""


def _last_actor(call: Call, record_id: str) -> str:
    log = changes.change_log.c
    query = select(log.actor_name).where(log.record_id == record_id).order_by(log.id.desc()).limit(1)
    return call.connection.scalar(query) or "?"


def as_suite(call: Call, user_id: str | None = None, name: str = "", *, quiet: bool = True) -> Call:
    """The same call with the suite's own rights, under the caller's name or that of somebody given. What it changes
    is one of many, unless it is not `quiet`."""
    system = Organisation(call.connection.engine).system()
    who = (call.caller.user_id, call.caller.name) if user_id is None else (user_id, name)
    access = replace(system, user_id=who[0], name=who[1])
    suite = Call(call.connection, Caller(access, call.caller.session_id), call.metadata, call.service)
    images.share(call, suite)
    if quiet:
        images.quietly(suite)
    return suite


def tell_given(call: Call, act_id: str, record_type: str, kind: str, given: Mapping[str, int]) -> None:
    """Announce once whom an act gave how many records: each of them is told that, and not of each record."""
    if not given:
        return
    made = pb.Act(id=act_id, record_type=record_type, kind=kind, state="done")
    for user_id, n in sorted(given.items()):
        made.given.add(user_id=user_id, count=n)
    told = Event(record_type=TYPE, action="given", record_id=act_id, version=1)
    told.record.Pack(made)
    call.announce(told)


def _messages(call: Call, rows: Sequence[Any]) -> list[pb.Act]:
    groups = (act_item.c.act_id, act_item.c.change, act_item.c.outcome)
    query = select(*groups, func.count().label("n")).where(one_of(act_item.c.act_id, [r.id for r in rows]))
    counts: dict[str, list[Any]] = {}
    for group in call.connection.execute(query.group_by(*groups)) if rows else ():
        counts.setdefault(group.act_id, []).append(group)
    return [_message(call, row, counts.get(row.id, ())) for row in rows]


def _message(call: Call, row: Any, counts: Sequence[Any]) -> pb.Act:
    made = pb.Act(**{n: getattr(row, n) for n in ("id", "record_type", "kind", "state", "creator_name", "create_time")})
    made.creator_id, made.undo_job_id = row.creator_id or "", row.undo_job_id or ""
    if row.finish_time is not None:
        made.finish_time.FromDatetime(row.finish_time.astimezone(UTC).replace(tzinfo=None))
    ParseDict(row.what, made.what)
    for group in counts:
        for name in {group.change, group.outcome} & {*_COUNTED}:
            setattr(made, name, getattr(made, name) + group.n)
    may = call.access.may(f"{row.record_type}.configure") or call.access.may(row.right)
    may = may and not row.what.get(FOLLOWS)
    made.undoable = row.state == "done" and may and any(g.outcome == "done" for g in counts)
    return made


_COUNTED = ("created", "updated", "deleted", "restored", "failed", "undone", "kept")
