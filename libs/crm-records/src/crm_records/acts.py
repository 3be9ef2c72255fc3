"""Acts on many records as people see them: what was done to which records, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from google.protobuf.json_format import ParseDict
from sqlalchemy import Select, func, select, update

from crm.records.v1 import acts_pb2 as pb
from crm.records.v1 import jobs_pb2
from crm.records.v1.event_pb2 import Event
from crm_kit import errors, jobs
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import paging
from crm_records.images import act, act_item
from crm_records.jobs import started
from crm_records.registry import Registry
from crm_records.undoing import UNDO

TYPE = "act"
FOLLOWS = "follows"
"""In what an act was asked for: it is this service's part of an act of another one, and is taken back with that."""
OUTCOMES = ("done", "failed", "undone", "kept")

errors.texts(
    {
        "act_under_way": ("该操作仍在进行", "The act is still under way"),
        "act_undone": ("该操作已撤销", "The act was taken back already"),
        "act_follows": (
            "这是另一操作在此处的部分，请撤销该操作本身（编号 {id}）",
            "This is a part of another act: take that one back (id {id})",
        ),
    }
)


class ActServicer:
    """Answers for the acts on the records of one service."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def GetAct(self, call: Call, request: pb.GetActRequest) -> pb.Act:
        return _messages(call, [self._row(call, request)])[0]

    def ListActs(self, call: Call, request: pb.ListActsRequest) -> pb.ListActsResponse:
        size = paging.page_size(request)
        query = self._visible(call, request.record_type)
        if request.page_token:
            if not kinds.is_id(request.page_token):
                raise errors.Invalid(key="bad_page_token")
            query = query.where(act.c.id < request.page_token)
        rows = call.connection.execute(query.order_by(act.c.id.desc()).limit(size + 1)).all()
        token = rows[size - 1].id if len(rows) > size else ""
        return pb.ListActsResponse(acts=_messages(call, rows[:size]), next_page_token=token)

    def ListActItems(self, call: Call, request: pb.ListActItemsRequest) -> pb.ListActItemsResponse:
        row, size = self._row(call, request), paging.page_size(request)
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
        asked = update(act).where(act.c.id == row.id, act.c.state.in_(("done", "undone")))
        begun = asked.values(state="undoing", version=act.c.version + 1)
        if call.connection.scalar(begun.returning(act.c.id)) is None:
            raise errors.Conflict("act_under_way")
        if row.state == "undone" and not _try_again(call, row.id):
            raise errors.Conflict("act_undone")
        changed = select(func.count()).where(act_item.c.act_id == row.id, act_item.c.outcome == "done")
        total = call.connection.scalar(changed)
        job_id = jobs.start(call, UNDO, row.record_type, {"act": row.id, "kind": row.kind}, total=total)
        assert job_id is not None
        call.connection.execute(update(act).where(act.c.id == row.id).values(undo_job_id=job_id))
        return started(call, self._registry, job_id)

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


def _try_again(call: Call, act_id: str) -> int:
    """What was kept when an act was taken back is looked at once more; how much that is."""
    kept = update(act_item).where(act_item.c.act_id == act_id, act_item.c.outcome == "kept")
    return call.connection.execute(kept.values(outcome="done", reason=None)).rowcount


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
    left = {"done": "done", "undone": "kept"}.get(row.state)
    made.undoable = may and any(g.outcome == left for g in counts)
    return made


_COUNTED = ("created", "updated", "deleted", "restored", "failed", "undone", "kept")
