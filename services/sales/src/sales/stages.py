"""The stages of a pipeline as rules ask for them, read once in a call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, Boolean, any_, bindparam, or_, select

from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import sql
from sales.tables import pipeline

OPEN, WON, LOST = "open", "won", "lost"

errors.texts(
    {
        "stage_not_open": (
            "“{stage}”不是进行中的阶段，请使用赢单或输单操作",
            "“{stage}” is not an open stage: win or lose the opportunity instead",
        ),
        "stage_needs": ("进入阶段“{stage}”前须填写{label}", "{label} is needed to enter the stage “{stage}”"),
    }
)
STAGE = ("阶段", "Stage")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage."""

    code: str
    label: tuple[str, str]
    kind: str
    probability: int
    required_fields: tuple[str, ...]
    max_stay_days: int | None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages that an opportunity goes through, in order."""

    id: str
    stages: Mapping[str, Stage]

    @property
    def first(self) -> Stage:
        """Where an opportunity begins."""
        return self.of_kind(OPEN)

    def of_kind(self, kind: str) -> Stage:
        """The first stage of a kind; a pipeline has at least one of each."""
        return next(s for s in self.stages.values() if s.kind == kind)

    def stage(self, code: str | None) -> Stage:
        """The stage of a code, or a refusal that names those there are."""
        found = self.stages.get(code or "")
        if found is None:
            params = {"label": STAGE, "value": (code or "")[:60], "choices": ", ".join(self.stages)}
            raise errors.Invalid(Problem("stage", "not_a_choice", params))
        return found

    def open_stage(self, code: str) -> Stage:
        """A stage that an opportunity can be put into without closing it."""
        stage = self.stage(code)
        if stage.kind != OPEN:
            raise errors.Invalid(Problem("stage", "stage_not_open", {"stage": stage.label}))
        return stage


def read(pipeline_id: str, stages: Iterable[Mapping[str, Any]]) -> Pipeline:
    """A pipeline from the JSON it is kept as."""
    made = {
        s["code"]: Stage(
            s["code"],
            (s["labelZh"], s["labelEn"]),
            s["kind"],
            s.get("probability", 100 if s["kind"] == WON else 0),
            tuple(s.get("requiredFields", ())),
            s.get("maxStayDays"),
        )
        for s in stages
    }
    return Pipeline(pipeline_id, made)


_ID = pipeline.c.id.type
# The lock is that of a foreign key: nobody takes a stage away while an opportunity is put into it.
_FOR_WRITING = sql.prepare(
    select(pipeline.c.id, pipeline.c.stages)
    .where(
        pipeline.c.delete_time.is_(None),
        or_(
            pipeline.c.id == bindparam("id", type_=_ID),
            bindparam("by_default", type_=Boolean) & pipeline.c.default,
        ),
    )
    .with_for_update(key_share=True, read=True)
)
_FOR_READING = sql.prepare(
    select(pipeline.c.id, pipeline.c.stages).where(pipeline.c.id == any_(bindparam("ids", type_=ARRAY(_ID))))
)


def of(call: Call, pipeline_id: str | None) -> Pipeline:
    """The pipeline of an opportunity that is being written; the default one where none is named."""
    key = ("pipeline", pipeline_id)
    found: Pipeline | None = call.memo.get(key)
    if found is None:
        row = _FOR_WRITING.run(call.connection, {"id": pipeline_id, "by_default": pipeline_id is None}).fetchone()
        if row is None:
            raise errors.Invalid(Problem("pipelineId", "unknown_reference", {"label": ("销售流程", "Pipeline")}))
        found = call.memo[key] = read(*row)
    return found


def several(call: Call, pipeline_ids: Iterable[str]) -> dict[str, Pipeline]:
    """Pipelines of opportunities that are shown."""
    rows = _FOR_READING.run(call.connection, {"ids": list(set(pipeline_ids))}).fetchall()
    return {pipeline_id: read(pipeline_id, stages) for pipeline_id, stages in rows}
