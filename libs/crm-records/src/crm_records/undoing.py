"""Taking an act back.

It goes through what was stored, last change first: a record that has the version which the act left it with becomes
what it was; one that somebody changed since stays, and is told. It is done with the suite's own rights under the name
of who asked: whoever gave a thousand customers away no longer reaches them, and must still be able to have them back.
Of the rules of the noun only those run that look at other records (`Record.taken_back`): the rest was right then and
is right again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, any_, bindparam, select, update

from crm_kit import errors
from crm_kit.jobs import Job, Kind, Step
from crm_kit.rpc import Call
from crm_records import acting, changes, each, images, recycling, references, sql, storing
from crm_records.images import act, act_item
from crm_records.record import Record
from crm_records.registry import Registry

UNDO = "undo"
BATCH = 200

_statements: dict[Any, sql.Prepared] = {}
_TELL = sql.Prepared(
    "UPDATE act_item SET outcome = %(outcome)s, reason = %(reason)s WHERE act_id = %(of)s AND seq = %(at)s", {}
)

errors.texts(
    {
        "changed_since": (
            "{name}已在此后修改（版本 {version}），未撤销",
            "Not taken back: {name} changed it since (version {version})",
        ),
        "the_suite": ("系统", "the suite itself"),
        "cannot_come_back": (
            "{number}无法恢复，因此整个操作未撤销：{reason}",
            "Nothing was taken back, because {number} cannot come back: {reason}",
        ),
        "gone_since": ("记录已不存在，未撤销", "Not taken back: the record is gone"),
    }
)


@dataclass(frozen=True, slots=True)
class Undone:
    """What taking back an act of a kind takes besides its items; each is given
    (call of the suite, record type, act)."""

    before: Callable[[Call, str, str], None]
    """Looks, at the beginning of every step, whether it can be taken back at all."""
    after: Callable[[Call, str, str], None]
    """Does the rest, in the last step."""


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
    besides = undone.get(job.parameters["kind"])
    if besides is not None:
        besides.before(suite, job.record_type, act_id)
    for run in _runs(items):
        _take_back(suite, registry.records[run[0].record_type], run, reasons)
    last = len(items) < BATCH
    if besides is not None:
        _refuse_lost(call, job.record_type, items, reasons)
        if last:
            besides.after(suite, job.record_type, act_id)
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
    by_id = {row["id"]: row for row in (storing.as_row(call, record, values) for values in found)}
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
        storing.store_many(call, record, changed)
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
