"""Opportunities that come with their past: what is given is kept, as far as it makes sense together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from crm.sales.v1 import opportunities_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import writing
from crm_records.record import Row
from sales import history, lines, stages, states
from sales.common import today
from sales.stages import LOST, OPEN, WON, Pipeline, Stage

errors.texts(
    {
        "state_and_stage": (
            "状态“{state}”与阶段“{stage}”不一致",
            "The state “{state}” does not go with the stage “{stage}”",
        ),
        "only_when_closed": ("{label}只能用于已关闭的商机", "{label} is for closed opportunities"),
        "not_when": ("状态为“{state}”时不能有{label}", "There is no {label} in the state “{state}”"),
        "history_elsewhere": (
            "阶段历史的最后一项须为当前阶段“{stage}”",
            "The stage history must end in the present stage, “{stage}”",
        ),
        "in_future": ("{label}不能在将来", "{label} cannot lie in the future"),
    }
)
_UNDER_WAY = "import of opportunities"
_KINDS = {WON: (states.WON, states.ARCHIVED), LOST: (states.LOST, states.ARCHIVED), OPEN: states.OPEN}
_ENDS = ("won_amount", "close_date", "lost_reason", "lost_note")
_LABELS = {
    "won_amount": ("wonAmount", ("成交金额", "Won amount")),
    "close_date": ("closeDate", ("关闭日期", "Close date")),
    "lost_reason": ("lostReason", ("失败原因", "Reason of loss")),
    "lost_note": ("lostNote", ("失败说明", "Note on the loss")),
}


def begin(call: Call, messages: Sequence[pb.Opportunity]) -> None:
    """An import begins: ask once for the products and prices of all its lines."""
    call.memo[_UNDER_WAY] = True
    lines.look_up(call, {line.product_id for m in messages for line in m.lines})


def under_way(call: Call) -> bool:
    """Whether rows are imported, which may bring their history along."""
    return _UNDER_WAY in call.memo


def settle(call: Call, row: Row, before: Row | None) -> None:
    """Stage, state, history and end of a row as given; what is not given follows from the rest."""
    pipeline = stages.of(call, row["pipeline_id"])
    row["pipeline_id"] = pipeline.id
    stage = _stage(call, row, before, pipeline)
    row["stage"], row["state"] = stage.code, _state(call, row, before, stage, pipeline)
    lines.settle(call, row, before, may_be_retired=row["state"] in states.CLOSED)
    writing.refuse(_end(call, row, before))
    writing.refuse(_past(call, row, before, stage, pipeline))


def _given(call: Call, row: Row, before: Row | None, name: str) -> bool:
    """Whether the row says the value itself. A new row that says nothing of its state has the initial one."""
    if before is None:
        return bool(row[name]) and not (name == "state" and row[name] == states.UNASSIGNED)
    return name in writing.named(call)


def _stage(call: Call, row: Row, before: Row | None, pipeline: Pipeline) -> Stage:
    if _given(call, row, before, "stage") or (before is not None and not _given(call, row, before, "state")):
        return pipeline.stage(row["stage"])
    if row["state"] in (states.WON, states.LOST):
        return pipeline.of_kind(row["state"])
    if before is not None and row["state"] in _KINDS[pipeline.stage(row["stage"]).kind]:
        return pipeline.stage(row["stage"])
    if row["state"] == states.ARCHIVED:
        raise errors.Invalid(Problem("stage", "required", {"label": stages.STAGE}))
    return history.last_open(row, pipeline)


def _state(call: Call, row: Row, before: Row | None, stage: Stage, pipeline: Pipeline) -> str:
    state: str = row["state"]
    if _given(call, row, before, "state"):
        if state in _KINDS[stage.kind]:
            return state
        params = {"state": states.STATES.labels[state], "stage": stage.label}
        raise errors.Invalid(Problem("state", "state_and_stage", params))
    if before is not None and before["stage"] == stage.code:
        return state
    if stage.kind != OPEN:
        return states.WON if stage.kind == WON else states.LOST
    return states.ASSIGNED if before is None and stage is pipeline.first else states.DEVELOPING


def _end(call: Call, row: Row, before: Row | None) -> Iterator[Problem]:
    """How it ended: a closed one has a day, a won one an amount, an open one nothing of the kind."""
    state = states.STATES.labels[row["state"]]
    if row["state"] in states.OPEN:
        for name in _ENDS:
            path, label = _LABELS[name]
            if row[name] is not None and _given(call, row, before, name):
                yield Problem(path, "only_when_closed", {"label": label})
            row[name] = None
        return
    path, label = _LABELS["close_date"]
    if row["close_date"] is None:
        yield Problem(path, "required", {"label": label})
    elif row["close_date"] > today(call):
        yield Problem(path, "in_future", {"label": label})
    if row["state"] == states.WON and row["won_amount"] is None:
        row["won_amount"] = row["expected_amount"]
    for name in {states.WON: _ENDS[2:], states.LOST: _ENDS[:1]}.get(row["state"], ()):
        path, label = _LABELS[name]
        if row[name] and _given(call, row, before, name):
            yield Problem(path, "not_when", {"label": label, "state": state})
        row[name] = None


def _past(call: Call, row: Row, before: Row | None, stage: Stage, pipeline: Pipeline) -> Iterator[Problem]:
    """When it was in which stage."""
    now = datetime.now(UTC)
    for name, label in (("create_time", ("创建时间", "Create time")), ("assign_time", ("分配时间", "Assign time"))):
        if row[name] and row[name] > now:
            yield Problem("createTime" if name == "create_time" else "assignTime", "in_future", {"label": label})
    if _given(call, row, before, "stage_history"):
        for i, stay in enumerate(row["stage_history"]):
            if stay["stage"] not in pipeline.stages:
                params = {"label": stages.STAGE, "value": stay["stage"], "choices": ", ".join(pipeline.stages)}
                yield Problem(f"stageHistory[{i}].stage", "not_a_choice", params)
        if row["stage_history"][-1]["stage"] != stage.code:
            yield Problem("stageHistory", "history_elsewhere", {"stage": stage.label})
        if not _given(call, row, before, "stage_enter_time"):
            row["stage_enter_time"] = history.entered(row["stage_history"]) or row["stage_enter_time"]
    elif before is None:
        entered = row["stage_enter_time"] or _entered(call, row)
        row["stage_enter_time"] = entered
        row["stage_history"] = history.begin(stage, entered, None)
    elif stage.code != before["stage"]:
        moved = history.enter(before, stage, now, call.caller.user_id)
        chance = row["probability"] if "probability" in writing.named(call) else moved["probability"]
        row.update(moved, probability=chance)


def _entered(call: Call, row: Row) -> datetime:
    """When the present stage was entered, as far as the days given tell."""
    day: date | None = row["close_date"] if row["state"] in states.CLOSED else row["engage_date"]
    if day is None:
        created: datetime = row["create_time"]
        return created
    midnight = datetime.combine(day, time(), ZoneInfo(call.access.time_zone)).astimezone(UTC)
    return min(midnight, datetime.now(UTC))
