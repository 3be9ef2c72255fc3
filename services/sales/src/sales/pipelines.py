"""Pipelines: the stages that opportunities go through, as an administrator defines them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ARRAY, Text, any_, bindparam, func, select

from crm.sales.v1 import opportunities_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import sql, writing
from crm_records.record import Dependent, Record, Row
from sales.common import keep_one_default, refuse_deleting_default
from sales.stages import LOST, OPEN, WON
from sales.tables import opportunity, pipeline

errors.texts(
    {
        "stage_code_twice": ("阶段代码“{value}”出现了两次", "The stage code “{value}” is there twice"),
        "stages_of_kind": (
            "须有且仅有一个赢单阶段和一个输单阶段，至少一个进行中的阶段",
            "There must be exactly one won and one lost stage, and at least one open one",
        ),
        "open_stages_first": ("进行中的阶段须排在赢单和输单之前", "Open stages come before won and lost"),
        "no_such_field": ("商机没有字段“{name}”", "Opportunities have no field “{name}”"),
        "stage_in_use": (
            "阶段“{stage}”中还有 {count} 个商机，不能删除或改变性质",
            "The stage “{stage}” cannot be removed or change its kind; opportunities in it: {count}",
        ),
    }
)
_FIELDS = {n for n, f in kinds.of(pb.Opportunity.DESCRIPTOR).items() if not f.output_only}


class Pipelines(Record):
    """See the contract for the fields."""

    message = pb.Pipeline
    table = pipeline
    plural = "pipelines"

    def __init__(self) -> None:
        super().__init__()
        self.dependents.append(Dependent(opportunity.c.pipeline_id, ("商机", "Opportunity")))

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if before is None:
            row["active"] = True
        if before is None or row["stages"] != before["stages"]:
            writing.refuse(_problems(row["stages"]))
        if before is not None and row["stages"] != before["stages"]:
            _keep_stages_in_use(call, row, before)
        keep_one_default(call, self, row, before)

    def may_delete(self, call: Call, row: Row) -> None:
        refuse_deleting_default(self, row)


PIPELINES = Pipelines()


def _problems(stages: list[dict[str, Any]]) -> Iterator[Problem]:
    seen: set[str] = set()
    for i, stage in enumerate(stages):
        if stage["code"] in seen:
            yield Problem(f"stages[{i}].code", "stage_code_twice", {"value": stage["code"]})
        seen.add(stage["code"])
        for name in stage.get("requiredFields", ()):
            if name not in _FIELDS and not name.startswith("custom."):
                yield Problem(f"stages[{i}].requiredFields", "no_such_field", {"name": name})
    found = [s["kind"] for s in stages]
    if found.count(WON) != 1 or found.count(LOST) != 1 or OPEN not in found:
        yield Problem("stages", "stages_of_kind")
    elif OPEN in found[found.count(OPEN) :]:
        yield Problem("stages", "open_stages_first")


_IN_STAGES = sql.prepare(
    select(opportunity.c.stage, func.count())
    .where(
        opportunity.c.pipeline_id == bindparam("id", type_=pipeline.c.id.type),
        opportunity.c.stage == any_(bindparam("stages", type_=ARRAY(Text))),
    )
    .group_by(opportunity.c.stage)
)


def _keep_stages_in_use(call: Call, row: Row, before: Row) -> None:
    """A stage that holds opportunities, be it in the recycle bin, stays and stays what it is."""
    kept = {(s["code"], s["kind"]) for s in row["stages"]}
    gone = {s["code"]: s for s in before["stages"] if (s["code"], s["kind"]) not in kept}
    for code, count in _IN_STAGES.run(call.connection, {"id": row["id"], "stages": list(gone)}).fetchall():
        label = (gone[code]["labelZh"], gone[code]["labelEn"])
        raise errors.Conflict("stage_in_use", stage=label, count=count)
