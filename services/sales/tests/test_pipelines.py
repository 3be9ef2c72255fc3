"""Pipelines: which stages make one, which of them may go, and which pipeline is the default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused
from sales.first_entries import DEFAULT_PIPELINE

pytestmark = pytest.mark.feature("SAL-10")


def stage(code: str, kind: str = "open", **more: Any) -> dict[str, Any]:
    return {"code": code, "label_zh": code, "label_en": code, "kind": kind, **more}


ENDS = [stage("won", "won"), stage("lost", "lost")]


def pipeline(client: Client, *stages: dict[str, Any], **more: Any) -> Any:
    return client.CreatePipeline(pipeline={"name": "渠道销售", "stages": stages, **more})


def set_stages(client: Client, made: Any, *stages: dict[str, Any]) -> Any:
    return client.UpdatePipeline(
        pipeline={"id": made.id, "stages": stages}, update_mask={"paths": ["stages"]}, etag=made.etag
    )


def test_a_pipeline_has_open_stages_and_one_of_each_end(boss: Client, make: Callable[..., Any]) -> None:
    made = pipeline(boss, stage("talk", probability=40, required_fields=["customer_id", "custom.x"]), *ENDS)

    assert (made.active, made.default, [s.code for s in made.stages]) == (True, False, ["talk", "won", "lost"])
    opportunity = make(boss, pipeline_id=made.id)
    assert (opportunity.stage, opportunity.probability) == ("talk", 40)


@pytest.mark.parametrize(
    ("stages", "field"),
    [
        ([], "stages"),
        (ENDS, "stages"),
        ([stage("a"), ENDS[0]], "stages"),
        ([stage("a"), ENDS[1]], "stages"),
        ([stage("a"), *ENDS, stage("second", "won")], "stages"),
        ([*ENDS, stage("a")], "stages"),
        ([stage("a"), stage("a"), *ENDS], "stages[1].code"),
        ([stage("a", "half"), *ENDS], "stages[0].kind"),
        ([stage("A B"), *ENDS], "stages[0].code"),
        ([stage("a", probability=101), *ENDS], "stages[0].probability"),
        ([stage("a", max_stay_days=0), *ENDS], "stages[0].maxStayDays"),
        ([stage("a", required_fields=["wishes"]), *ENDS], "stages[0].requiredFields"),
        ([stage("a", required_fields=["won_amount"]), *ENDS], "stages[0].requiredFields"),
    ],
)
def test_stages_that_make_no_pipeline_are_refused(boss: Client, stages: list[dict[str, Any]], field: str) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", field):
        pipeline(boss, *stages)


def test_a_stage_with_opportunities_in_it_stays(boss: Client, make: Callable[..., Any]) -> None:
    made = pipeline(boss, stage("talk"), stage("offer"), *ENDS)
    held = make(boss, pipeline_id=made.id, stage="offer")

    with refused("FAILED_PRECONDITION", "STAGE_IN_USE") as refusal:
        set_stages(boss, made, stage("talk"), *ENDS)
    assert "offer" in refusal.message
    boss.DeleteOpportunity(id=held.id, etag=held.etag)
    with refused("FAILED_PRECONDITION", "STAGE_IN_USE"):
        set_stages(boss, made, stage("talk"), *ENDS)
    assert len(set_stages(boss, made, stage("offer"), stage("close"), *ENDS).stages) == 4


def test_an_opportunity_goes_through_the_stages_of_its_own_pipeline(boss: Client, make: Callable[..., Any]) -> None:
    made = pipeline(boss, stage("talk"), stage("offer"), *ENDS)
    opportunity = make(boss, pipeline_id=made.id)

    with refused("INVALID_ARGUMENT", "INVALID", "stage"):
        boss.MoveOpportunity(id=opportunity.id, etag="1", stage="proposal")
    assert boss.MoveOpportunity(id=opportunity.id, etag="1", stage="offer").stage == "offer"


def test_the_default_pipeline_hands_the_mark_on_and_is_not_deleted(boss: Client, make: Callable[..., Any]) -> None:
    with refused("FAILED_PRECONDITION", "DEFAULT_NEEDED"):
        boss.DeletePipeline(id=DEFAULT_PIPELINE, etag="1")

    made = pipeline(boss, stage("talk"), *ENDS, default=True)

    assert make(boss).pipeline_id == made.id
    assert not boss.GetPipeline(id=DEFAULT_PIPELINE).default
    assert boss.DeletePipeline(id=DEFAULT_PIPELINE, etag="2").etag == "3"


def test_a_pipeline_in_use_is_not_deleted_nor_come_back_to_once_it_is(boss: Client, make: Callable[..., Any]) -> None:
    made = pipeline(boss, stage("talk"), *ENDS)
    opportunity = make(boss, pipeline_id=made.id)

    with refused("FAILED_PRECONDITION", "DEPENDED_ON"):
        boss.DeletePipeline(id=made.id, etag="1")
    boss.DeleteOpportunity(id=opportunity.id, etag="1")
    boss.DeletePipeline(id=made.id, etag="1")
    with refused("INVALID_ARGUMENT", "INVALID", "pipelineId"):
        boss.RestoreOpportunity(id=opportunity.id)
    boss.RestorePipeline(id=made.id)
    assert boss.RestoreOpportunity(id=opportunity.id).stage == "talk"


def test_imported_pipelines_are_found_again(boss: Client, server: Server) -> None:
    rows = [{"name": "渠道", "external_id": "p1", "stages": [stage("talk"), *ENDS]}]

    first, second = (boss.ImportPipelines(pipelines=rows) for _ in range(2))

    assert (first.created, second.unchanged) == (1, 1)
    assert [e.action for e in server.events("pipeline")] == ["created"]
