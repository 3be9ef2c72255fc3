"""The funnel beside a computation of its own."""

from __future__ import annotations

import random
from typing import Any

import pytest

from crm.sales.v1.opportunities_pb2 import Opportunity, Pipeline
from crm_kit import ids
from crm_kit.testing import Client, event, refused

pytestmark = [pytest.mark.feature("RPT-01"), pytest.mark.feature("RPT-04")]


def days_in(o: Opportunity, stage: str) -> float | None:
    """Days of all ended stays; None where none ended."""
    ended = [s for s in o.stage_history if s.stage == stage and s.HasField("leave_time")]
    spent = sum((s.leave_time.ToDatetime() - s.enter_time.ToDatetime()).total_seconds() for s in ended)
    return spent / 86400 if ended else None


def test_every_step_equals_a_naive_computation(company: Any) -> None:
    chance = random.Random(11)
    everything = [company.opportunity(chance) for _ in range(150)]
    company.server.deliver("sales", *(event(o, "created") for o in everything))
    own = company.sellers[0]

    for who, may_see in ((company.boss, lambda o: True), (own, lambda o: o.owner_id == own.user_id)):
        seen = [o for o in everything if may_see(o) and not o.HasField("delete_time")]
        started = [o for o in seen if "prospecting" in {s.stage for s in o.stage_history}]
        funnel = who.GetFunnel()

        assert [s.stage for s in funnel.steps] == ["prospecting", "engaging", "won", "lost"]
        for step in funnel.steps:
            entered = [o for o in seen if step.stage in {s.stage for s in o.stage_history}]
            days = [d for d in (days_in(o, step.stage) for o in entered) if d is not None]
            assert step.entered == len(entered)
            assert step.current == sum(o.stage == step.stage for o in seen)
            assert step.conversion == pytest.approx(sum(o in started for o in entered) / len(started))
            assert step.HasField("mean_stay_days") == bool(days)
            assert not days or step.mean_stay_days == pytest.approx(sum(days) / len(days))


def test_a_pipeline_is_found_by_its_id_and_named_in_both_languages(company: Any) -> None:
    other = Pipeline(id=ids.uuid7(), name="渠道")
    other.stages.add(code="new", label_zh="新建", label_en="New", kind="open")
    company.server.deliver("sales", event(other, "created"))
    company.server.deliver("sales", event(Opportunity(id=ids.uuid7(), pipeline_id=other.id, stage="new"), "created"))
    ask = company.boss.GetFunnel

    (step,) = ask(pipeline_id=other.id, metadata={"accept-language": "en"}).steps

    assert (step.label, step.entered, step.current, step.conversion) == ("New", 1, 1, 1.0)
    assert [s.entered for s in ask().steps] == [0, 0, 0, 0]
    assert [s.label for s in ask().steps][:2] == ["初步接触", "深入沟通"]


def test_an_unknown_or_deleted_pipeline_is_not_found(company: Any) -> None:
    gone = Pipeline(id=ids.uuid7(), name="旧流程")
    gone.delete_time.GetCurrentTime()
    company.server.deliver("sales", event(gone, "deleted", 2))

    for pipeline_id in (ids.uuid7(), gone.id):
        with refused("NOT_FOUND"):
            company.boss.GetFunnel(pipeline_id=pipeline_id)
    with refused("INVALID_ARGUMENT", "INVALID", "pipelineId"):
        company.boss.GetFunnel(pipeline_id="standard")


def test_before_any_pipeline_is_known_there_are_no_steps(boss: Client) -> None:
    assert len(boss.GetFunnel().steps) == 0
