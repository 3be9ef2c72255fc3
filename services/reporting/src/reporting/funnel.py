"""The funnel: how opportunities pass through the stages of a pipeline."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Integer, Text, Uuid, and_, bindparam, func, literal, select, true

from crm.reporting.v1 import reports_pb2 as pb
from crm_kit import errors, scope
from crm_kit.rpc import Call
from crm_records import sql
from reporting import figures, names
from reporting.freshness import fresh_time
from reporting.tables import dim_pipeline, dim_stage, fact_stage_stay

_PIPELINE = bindparam("pipeline_id", type_=Uuid(as_uuid=False))
_KNOWN = sql.prepare(select(dim_pipeline.c.id).where(dim_pipeline.c.id == _PIPELINE, ~dim_pipeline.c.deleted))
_DEFAULT = sql.prepare(
    select(dim_pipeline.c.id)
    .where(dim_pipeline.c.is_default, ~dim_pipeline.c.deleted)
    .order_by(dim_pipeline.c.id)
    .limit(1)
)
_STAGES = sql.prepare(select(dim_stage).where(dim_stage.c.pipeline_id == _PIPELINE).order_by(dim_stage.c.position))


def funnel(call: Call, pipeline_id: str) -> pb.Funnel:
    """Each stage in the order of the pipeline, within the caller's scope."""
    answer = pb.Funnel(fresh_time=fresh_time(call.connection))
    if pipeline_id:
        found = _KNOWN.run(call.connection, {"pipeline_id": pipeline_id}).fetchone()
        if found is None:
            raise errors.NotFound()
    else:
        found = _DEFAULT.run(call.connection).fetchone()
    chosen = {"pipeline_id": found[0] if found else None}
    stages = figures.rows(_STAGES, call.connection, chosen).fetchall()
    if not stages:
        return answer
    reach = call.access.reach("opportunity", "opportunity.read")
    bound = {**scope.parameters(reach), **chosen, "first": f" {stages[0].code} "}
    counted = {row.stage: row for row in figures.rows(_statement(scope.shape(reach)), call.connection, bound)}
    first = counted[stages[0].code].entered if stages[0].code in counted else 0
    for stage in stages:
        answer.steps.append(_step(stage, counted.get(stage.code), first, call.language))
    return answer


def _step(stage: Any, row: Any, first: int, language: str) -> pb.FunnelStep:
    step = pb.FunnelStep(stage=stage.code, label=names.label(stage.code, stage.label_zh, stage.label_en, language))
    if first:
        step.conversion = row.from_first / first if row else 0.0
    if row:
        step.entered, step.current = row.entered, row.current
        if row.mean_days is not None:
            step.mean_stay_days = row.mean_days
    return step


@cache
def _statement(shape: scope.Shape) -> sql.Prepared:
    s = fact_stage_stay.c
    passed_first = func.strpos(s.entered, bindparam("first", type_=Text()), type_=Integer()) > literal(0)
    query = select(
        s.stage,
        func.count().label("entered"),
        func.count().filter(passed_first).label("from_first"),
        func.avg(s.days).label("mean_days"),
        func.count().filter(s.current).label("current"),
    ).where(s.pipeline_id == _PIPELINE, ~s.deleted)
    within = scope.condition(shape, s.owner_id, s.department_id, record=s.opportunity_id)
    return sql.prepare(query.where(and_(true(), within) if within is not None else true()).group_by(s.stage))
