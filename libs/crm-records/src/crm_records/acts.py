"""Acts on many records as people see them, and taking one back.

Taking back goes through what was stored, last change first: a record that has the version which the act left it with
becomes what it was; one that somebody changed since stays, and is told. It is done with the suite's own rights under
the name of who asked: whoever gave a thousand customers away no longer reaches them, and must still be able to have
them back. Of the rules of the noun only those run that look at other records (`Record.taken_back`): the rest was right
then and is right again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Any

from google.protobuf.json_format import ParseDict
from sqlalchemy import ARRAY, Select, any_, bindparam, func, select, update

from crm.records.v1 import acts_pb2 as pb
from crm.records.v1 import jobs_pb2
from crm.records.v1.event_pb2 import Event
from crm_kit import errors, jobs
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.jobs import Job, Kind, Step
from crm_kit.rpc import Call
from crm_records import acting, changes, each, images, listing, recycling, references, sql, writing
from crm_records import fields as kinds
from crm_records.images import act, act_item
from crm_records.jobs import started
from crm_records.record import Record, Registry

UNDO = "undo"
TYPE = "act"
BATCH = 200
FOLLOWS = "follows"
"""In what an act was asked for: it is this service's part of an act of another one, and is taken back with that."""
Undone = Callable[[Call, str, str], None]
"""Told in the last step of taking an act back: (call of the suite, record type, act)."""
OUTCOMES = ("done", "failed", "undone", "kept")

_statements: dict[Any, sql.Prepared] = {}
_TELL = sql.Prepared(
    "UPDATE act_item SET outcome = %(outcome)s, reason = %(reason)s WHERE act_id = %(of)s AND seq = %(at)s", {}
)

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
        "the_suite": ("系统", "the suite itself"),
        "cannot_come_back": (
            "{number}无法恢复，因此整个操作未撤销：{reason}",
            "Nothing was taken back, because {number} cannot come back: {reason}",
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


def undoing(registry: Registry, undone: Mapping[str, Undone] | None = None) -> Kind:
    """The job that takes an act back. `undone`: by kind of act, what is to be done besides what was stored. Of those
    kinds, what went with the act comes back, or nothing is taken back."""
    label = ("撤销", "Taking back")
    return Kind(UNDO, label, lambda call, job: take_back(call, registry, job, undone or {}), ended=_given_up)


def take_back(call: Call, registry: Registry, job: Job, undone: Mapping[str, Undone]) -> Step:
    """Take the next changes of an act back."""
    act_id = job.parameters["act"]
    # Only what the act changed, and of the rest only what this job has not looked at yet: done items come to an end.
    query = select(act_item).where(act_item.c.act_id == act_id, act_item.c.outcome == "done")
    items = call.connection.execute(query.order_by(act_item.c.seq.desc()).limit(BATCH)).all()
    suite = acting.as_suite(call)
    images.take_back(suite)
    reasons: dict[int, str] = {}
    for run in _runs(items):
        _take_back(suite, registry.records[run[0].record_type], run, reasons)
    last = len(items) < BATCH
    if job.parameters["kind"] in undone:
        _refuse_lost(call, job.record_type, items, reasons)
    if last and job.parameters["kind"] in undone:
        undone[job.parameters["kind"]](suite, job.record_type, act_id)
    call.events[:] = suite.events
    told = [
        {"of": act_id, "at": seq, "outcome": "kept" if why else "undone", "reason": why or None}
        for seq, why in reasons.items()
    ]
    if told:
        _TELL.run_many(call.connection, told)
    kept = sum(1 for reason in reasons.values() if reason)
    counts = {n: job.result.get(n, 0) for n in ("undone", "kept")}
    result = {"undone": counts["undone"] + len(items) - kept, "kept": counts["kept"] + kept}
    if not last:
        return Step({"going": True}, done=len(items), result=result)
    _set_state(call, act_id, "undone")
    return Step(None, done=len(items), result=result)


def _refuse_lost(call: Call, record_type: str, items: Sequence[Any], reasons: Mapping[int, str]) -> None:
    """Refuse where a record that went with the act does not come back: what was around it would belong to nothing."""
    for item in items:
        if item.record_type == record_type and item.change == "deleted" and reasons.get(item.seq):
            raise errors.Conflict("cannot_come_back", number=item.number or item.record_id, reason=reasons[item.seq])


def _runs(items: Sequence[Any]) -> list[list[Any]]:
    """Neighbours of one record type, none of which is about the same record as another."""
    runs: list[list[Any]] = []
    seen: set[str] = set()
    for item in items:
        if not runs or runs[-1][0].record_type != item.record_type or item.record_id in seen:
            runs.append([])
            seen = set()
        runs[-1].append(item)
        seen.add(item.record_id)
    return runs


def _given_up(call: Call, job: Job, _how: str) -> None:
    """What is not taken back yet can be taken back later."""
    _set_state(call, job.parameters["act"], "done")


def _set_state(call: Call, act_id: str, state: str) -> None:
    call.connection.execute(update(act).where(act.c.id == act_id).values(state=state, version=act.c.version + 1))


def _take_back(call: Call, record: Record, items: Sequence[Any], reasons: dict[int, str]) -> None:
    """Make records what they were before one change each, together; if one refuses, in halves until it is found."""
    (outcome,) = each.one(call, [items], lambda run: _undo(call, record, run))
    if outcome.refusal is None:
        reasons.update(outcome.value)
    elif len(items) == 1:
        reasons[items[0].seq] = outcome.reason(call)
    else:
        half = len(items) // 2
        _take_back(call, record, items[:half], reasons)
        _take_back(call, record, items[half:], reasons)


def _undo(call: Call, record: Record, items: Sequence[Any]) -> dict[int, str]:
    """For each item why it stays as it is; empty where it does not."""
    table = record.table
    key = (record, "undo")
    if key not in _statements:
        these = table.c.id == any_(bindparam("ids", type_=ARRAY(table.c.id.type)))
        query = select(table).where(these).order_by(table.c.id)
        _statements[key] = sql.prepare(query.with_for_update(of=table))
    found = _statements[key].run(call.connection, {"ids": [i.record_id for i in items]}).fetchall()
    by_id = {row["id"]: row for row in (writing.as_row(call, record, values) for values in found)}
    reasons, binned, changed = dict[int, str](), list[dict[str, Any]](), list[tuple[Any, Any]]()
    as_before: list[tuple[str, int, int]] = []
    for item in items:
        row = by_id.get(item.record_id)
        reasons[item.seq] = _why_not(call, item, row)
        if reasons[item.seq] or row is None:
            continue
        if item.change == "created":
            binned.append(row)
            continue
        was, version = images.image(call.connection, record, item)
        after = {**row, **was}
        if item.change == "deleted":
            references.check_alive(call, record, after)
        else:
            references.check_points_at_living(call, record, after, was)
        changed.append((row, after))
        as_before.append((item.record_id, version, row["version"] + 1))
    if binned:
        recycling.bin_many(call, record, binned, "undone")
    if changed:
        writing.store_many(call, record, changed)
        record.written_many(call, changed)
        record.taken_back(call, changed)
        changes.tell(call, record, "undone", changed, changed[0][1]["update_time"])
        images.hand_on(call, as_before)  # they are what an act before this one left
    return reasons


def _why_not(call: Call, item: Any, row: Any) -> str:
    if row is None:
        return errors.text("gone_since", call.language, {})
    if row["version"] != item.version:
        params = {"name": _last_actor(call, item.record_id), "version": row["version"]}
        return errors.text("changed_since", call.language, params)
    return ""


def _last_actor(call: Call, record_id: str) -> str:
    log = changes.change_log.c
    query = select(log.actor_name).where(log.record_id == record_id).order_by(log.id.desc()).limit(1)
    return call.connection.scalar(query) or errors.text("the_suite", call.language, {})


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
