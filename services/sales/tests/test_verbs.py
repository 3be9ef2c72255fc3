"""What the verbs do besides changing the state: stages, chances, amounts, days, owners."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import grpc
import pytest

from crm_kit.testing import Client, Server, refused
from sales.first_entries import DEFAULT_PIPELINE

pytestmark = pytest.mark.feature("SAL-10")


def today() -> str:
    return datetime.now(ZoneInfo("Asia/Shanghai")).date().isoformat()


def test_a_move_keeps_the_stay_and_takes_the_chance_of_the_stage(boss: Client, make: Callable[..., Any]) -> None:
    made = make(boss)

    moved = boss.MoveOpportunity(id=made.id, etag=made.etag, stage="proposal")

    assert (moved.state, moved.stage, moved.probability) == ("developing", "proposal", 50)
    first, second = moved.stage_history
    assert (first.stage, first.leave_time) == ("qualification", second.enter_time)
    assert second.enter_time == moved.stage_enter_time
    assert (second.stage, second.actor_id, second.HasField("leave_time")) == ("proposal", boss.user_id, False)


def test_a_chance_that_somebody_set_survives_the_move(boss: Client, make: Callable[..., Any]) -> None:
    made = make(boss, probability=66)

    assert boss.MoveOpportunity(id=made.id, etag=made.etag, stage="proposal").probability == 66


@pytest.mark.parametrize("stage", ["won", "lost", "nowhere", ""])
def test_a_move_goes_to_open_stages_of_the_pipeline_only(boss: Client, stage: str, make: Callable[..., Any]) -> None:
    made = make(boss)

    with refused("INVALID_ARGUMENT", "INVALID", "stage"):
        boss.MoveOpportunity(id=made.id, etag=made.etag, stage=stage)


def test_what_a_stage_needs_is_told_field_by_field(boss: Client, make: Callable[..., Any]) -> None:
    pipeline = boss.GetPipeline(id=DEFAULT_PIPELINE)
    pipeline.stages[2].required_fields.extend(["expected_amount", "expected_close_date", "custom.budget"])
    boss.UpdatePipeline(pipeline=pipeline, update_mask={"paths": ["stages"]}, etag=pipeline.etag)
    made = make(boss)
    paths = ("expectedAmount", "expectedCloseDate", "custom.budget")

    with refused("INVALID_ARGUMENT", "INVALID", *paths) as refusal:
        boss.MoveOpportunity(id=made.id, etag=made.etag, stage="proposal")
    with refused("INVALID_ARGUMENT", "INVALID", *paths):
        make(boss, stage="proposal")

    assert len(refusal.fields) == 3
    assert "方案报价" in refusal.fields["expectedAmount"]
    assert boss.GetOpportunity(id=made.id).stage == "qualification"


def test_a_win_takes_the_expected_amount_and_today_unless_told(
    boss: Client, server: Server, make: Callable[..., Any]
) -> None:
    first, second = make(boss, expected_amount="1200"), make(boss, expected_amount="1200")

    silent = boss.WinOpportunity(id=first.id, etag=first.etag)
    told = boss.WinOpportunity(id=second.id, etag=second.etag, won_amount="999.50", close_date="2026-01-31")

    assert (silent.won_amount, silent.close_date, silent.stage, silent.probability) == ("1200.00", today(), "won", 100)
    assert (told.won_amount, told.close_date, told.expected_amount) == ("999.50", "2026-01-31", "1200.00")
    won = server.events("opportunity")[-1]
    assert won.record.type_url.endswith("crm.sales.v1.Opportunity")
    assert {"wonAmount", "closeDate", "state", "stage"} <= {c.field for c in won.changes}


def test_a_win_is_refused_in_the_future_and_before_the_engagement(boss: Client, make: Callable[..., Any]) -> None:
    made = make(boss, engage_date="2026-02-01")
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()

    for day in (tomorrow, "2026-01-31"):
        with refused("INVALID_ARGUMENT", "INVALID", "closeDate"):
            boss.WinOpportunity(id=made.id, etag=made.etag, close_date=day)
    with refused("INVALID_ARGUMENT", "INVALID", "wonAmount"):
        boss.WinOpportunity(id=made.id, etag=made.etag, won_amount="-1")


def test_a_loss_says_why(boss: Client, make: Callable[..., Any]) -> None:
    made = make(boss, expected_amount="500")

    for reason in ("", "bad_luck"):
        with refused("INVALID_ARGUMENT", "INVALID", "lostReason"):
            boss.LoseOpportunity(id=made.id, etag=made.etag, lost_reason=reason)
    lost = boss.LoseOpportunity(id=made.id, etag=made.etag, lost_reason="competitor", lost_note="低价竞争")

    assert (lost.stage, lost.probability, lost.won_amount) == ("lost", 0, "")
    assert (lost.lost_reason, lost.lost_note, lost.close_date) == ("competitor", "低价竞争", today())


def test_a_reopened_one_is_back_in_the_stage_it_was_closed_from(boss: Client, make: Callable[..., Any]) -> None:
    made = make(boss, expected_amount="500")
    moved = boss.MoveOpportunity(id=made.id, etag=made.etag, stage="negotiation")
    lost = boss.LoseOpportunity(id=made.id, etag=moved.etag, lost_reason="price")

    again = boss.ReopenOpportunity(id=made.id, etag=lost.etag)

    assert (again.state, again.stage, again.probability) == ("developing", "negotiation", 75)
    assert (again.close_date, again.lost_reason, again.lost_note) == ("", "", "")
    assert [s.stage for s in again.stage_history] == ["qualification", "negotiation", "lost", "negotiation"]


def test_assigning_says_to_whom_and_when_and_keeps_the_work(
    boss: Client, server: Server, make: Callable[..., Any]
) -> None:
    seller = server.person(name="李销售")
    made = make(boss)
    moved = boss.MoveOpportunity(id=made.id, etag=made.etag, stage="proposal")

    given = boss.AssignOpportunity(id=made.id, etag=moved.etag, owner_id=seller.user_id)

    assert (given.owner_id, given.owner_name, given.state, given.stage) == (
        seller.user_id,
        "李销售",
        "developing",
        "proposal",
    )
    assert given.assign_time.ToDatetime() > made.assign_time.ToDatetime()


def test_one_given_back_waits_in_the_department_of_its_owner(
    boss: Client, server: Server, make: Callable[..., Any]
) -> None:
    department = server.department("华东")
    seller = server.person(department_id=department)
    made = make(seller)

    back = boss.AssignOpportunity(id=made.id, etag=made.etag)

    assert (back.state, back.owner_id, back.department_id) == ("unassigned", "", department)
    assert not back.HasField("assign_time")
    with refused("INVALID_ARGUMENT", "INVALID", "departmentId"):
        other = make(boss)
        boss.AssignOpportunity(id=other.id, etag=other.etag)


def test_assigning_takes_its_own_right(server: Server, make: Callable[..., Any], change: Callable[..., Any]) -> None:
    seller = server.person(["opportunity.create", "opportunity.read", "opportunity.update"], "self")
    made = make(seller)

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        seller.AssignOpportunity(id=made.id, etag=made.etag, owner_id=seller.user_id)
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        change(seller, made, owner_id=server.person().user_id)


def test_of_twenty_wins_at_once_one_succeeds(boss: Client, server: Server, make: Callable[..., Any]) -> None:
    made = make(boss, expected_amount="1")

    def win(_turn: int) -> str:
        try:
            boss.WinOpportunity(id=made.id, etag=made.etag)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(win, range(20)))

    assert sorted(outcomes) == ["ABORTED"] * 19 + ["OK"]
    assert [e.action for e in server.events("opportunity")] == ["created", "won"]
