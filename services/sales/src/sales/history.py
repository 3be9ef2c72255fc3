"""The stages that an opportunity was in, each with when it was entered and left, and by whom."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from crm_records import rows
from crm_records.record import Row
from sales.stages import OPEN, Pipeline, Stage

Stay = dict[str, Any]


def begin(stage: Stage, time: datetime, actor_id: str | None) -> list[Stay]:
    """The history of an opportunity that enters its first stage."""
    stay = {"stage": stage.code, "enterTime": rows.plain(time)}
    return [stay | ({"actorId": actor_id} if actor_id else {})]


def enter(before: Row, stage: Stage, time: datetime, actor_id: str | None) -> Row:
    """The values of a row that goes into another stage. Its chance is the stage's."""
    history = [dict(stay) for stay in before["stage_history"]]
    if history:
        history[-1]["leaveTime"] = rows.plain(time)
    return {
        "stage": stage.code,
        "stage_enter_time": time,
        "stage_history": history + begin(stage, time, actor_id),
        "probability": stage.probability,
    }


def last_open(before: Row, pipeline: Pipeline) -> Stage:
    """The open stage that an opportunity was closed from, as far as the pipeline still has it."""
    for stay in reversed(before["stage_history"]):
        stage = pipeline.stages.get(stay["stage"])
        if stage is not None and stage.kind == OPEN:
            return stage
    return pipeline.first


def entered(history: list[Stay]) -> datetime | None:
    """When the stage that it is in was entered."""
    text = history[-1].get("enterTime") if history else None
    return datetime.fromisoformat(text) if text else None
