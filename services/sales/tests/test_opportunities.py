"""Opportunities over gRPC: how they begin, what they hold, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm_kit import ids
from crm_kit.testing import Client, Server, refused
from sales.first_entries import DEFAULT_PIPELINE

pytestmark = pytest.mark.feature("SAL-10")


def test_an_opportunity_is_made_from_its_title_alone(boss: Client, make: Callable[..., Any]) -> None:
    made = make(boss)

    assert made.number.startswith("SJ")
    assert (made.state, made.stage, made.probability) == ("assigned", "qualification", 10)
    assert (made.pipeline_id, made.currency, made.owner_id) == (DEFAULT_PIPELINE, "CNY", boss.user_id)
    assert made.assign_time == made.create_time == made.stage_enter_time
    (stay,) = made.stage_history
    assert (stay.stage, stay.enter_time, stay.actor_id) == ("qualification", made.create_time, boss.user_id)
    assert not stay.HasField("leave_time")
    assert made.owner_name == "总经理"
    assert boss.GetOpportunity(id=made.id) == made


def test_one_with_a_department_only_waits_to_be_assigned(
    boss: Client, server: Server, make: Callable[..., Any]
) -> None:
    made = make(boss, department_id=server.department("华东"))

    assert (made.state, made.owner_id, made.HasField("assign_time")) == ("unassigned", "", False)


def test_it_may_begin_in_a_later_open_stage_and_takes_its_chance(boss: Client, make: Callable[..., Any]) -> None:
    made = make(boss, stage="proposal")

    assert (made.stage, made.probability, made.state) == ("proposal", 50, "assigned")


@pytest.mark.parametrize(("stage", "key"), [("won", "stage"), ("lost", "stage"), ("nowhere", "stage")])
def test_it_cannot_begin_in_a_stage_that_is_closed_or_missing(
    boss: Client, stage: str, key: str, make: Callable[..., Any]
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", key):
        make(boss, stage=stage)


def test_the_callers_own_chance_is_kept(boss: Client, make: Callable[..., Any]) -> None:
    assert make(boss, probability=0).probability == 0
    assert make(boss, probability=33).probability == 33


@pytest.mark.parametrize("field", ["stage", "pipeline_id", "state", "won_amount"])
def test_states_move_by_verbs_never_by_update(
    boss: Client, field: str, make: Callable[..., Any], change: Callable[..., Any]
) -> None:
    made = make(boss)
    value = ids.uuid7() if field == "pipeline_id" else "2"

    with refused("INVALID_ARGUMENT"):
        change(boss, made, **{field: value})

    assert boss.GetOpportunity(id=made.id) == made


def test_a_bad_opportunity_is_refused_naming_every_wrong_field(
    boss: Client, server: Server, make: Callable[..., Any]
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "title", "expectedAmount", "probability", "engageDate"):
        boss.CreateOpportunity(opportunity={"expected_amount": "-1", "probability": 101, "engage_date": "morgen"})
    with refused("INVALID_ARGUMENT", "INVALID", "source"):
        make(boss, source="rumour")
    with refused("INVALID_ARGUMENT", "INVALID", "currency"):
        make(boss, currency="¥")

    assert server.events() == []


def test_a_customer_of_ones_own_is_known_by_the_copy_and_shown_by_name(
    boss: Client, server: Server, customer: Callable[..., str], make: Callable[..., Any]
) -> None:
    seller = server.person(scope="self")
    mine, others = customer("甲公司", seller), customer("乙公司", boss)

    made = make(seller, customer_id=mine)

    assert made.customer_name == "甲公司"
    assert [o.customer_name for o in seller.ListOpportunities().opportunities] == ["甲公司"]
    with refused("INVALID_ARGUMENT", "INVALID", "customerId"):
        make(seller, customer_id=others)


def test_names_and_the_overdue_mark_are_told_only_where_they_are_asked_for(
    boss: Client, customer: Callable[..., str], make: Callable[..., Any]
) -> None:
    make(boss, customer_id=customer())

    (lean,) = boss.ListOpportunities(fields="title").opportunities
    (named,) = boss.ListOpportunities(fields="title,customer_name").opportunities

    assert (lean.customer_name, lean.owner_name) == ("", "")
    assert (named.customer_name, named.owner_name) == ("甲公司", "")


def test_a_stay_beyond_the_stages_limit_is_overdue(boss: Client, server: Server, make: Callable[..., Any]) -> None:
    pipeline = boss.GetPipeline(id=DEFAULT_PIPELINE)
    pipeline.stages[0].max_stay_days = 7
    boss.UpdatePipeline(pipeline=pipeline, update_mask={"paths": ["stages"]}, etag=pipeline.etag)
    old, fresh = make(boss, "旧的"), make(boss, "新的")
    server.sql("UPDATE opportunity SET stage_enter_time = now() - interval '8 days' WHERE id = :id", id=old.id)

    assert boss.GetOpportunity(id=old.id).overdue
    assert not boss.GetOpportunity(id=fresh.id).overdue
    assert {o.title: o.overdue for o in boss.ListOpportunities().opportunities} == {"旧的": True, "新的": False}


def test_the_engagement_cannot_begin_after_the_end(
    boss: Client, make: Callable[..., Any], change: Callable[..., Any]
) -> None:
    won = boss.WinOpportunity(id=(made := make(boss)).id, etag=made.etag, close_date="2026-01-10")

    with refused("INVALID_ARGUMENT", "INVALID", "engageDate"):
        change(boss, won, engage_date="2026-01-11")


def test_a_stale_change_is_refused(boss: Client, make: Callable[..., Any], change: Callable[..., Any]) -> None:
    made = make(boss)
    change(boss, made, title="新标题")

    with refused("ABORTED", "STALE"):
        change(boss, made, title="更新的标题")


def test_a_repeated_key_gives_the_first_answer(boss: Client, server: Server) -> None:
    key = {"idempotency-key": "create-once-1"}

    first = boss.CreateOpportunity(opportunity={"title": "只建一次"}, metadata=key)
    again = boss.CreateOpportunity(opportunity={"title": "只建一次"}, metadata=key)

    assert again == first
    assert len(boss.ListOpportunities().opportunities) == 1
    assert [e.action for e in server.events("opportunity")] == ["created"]


def test_one_in_the_recycle_bin_comes_back_as_it_was(boss: Client, server: Server, make: Callable[..., Any]) -> None:
    made = make(boss)

    gone = boss.DeleteOpportunity(id=made.id, etag=made.etag)

    assert [o.id for o in boss.ListOpportunities(deleted=True).opportunities] == [made.id]
    with refused("NOT_FOUND"):
        boss.GetOpportunity(id=made.id)
    back = boss.RestoreOpportunity(id=made.id)
    assert (gone.etag, back.etag, back.stage, back.state) == ("2", "3", "qualification", "assigned")
    assert [e.action for e in server.events("opportunity")] == ["created", "deleted", "restored"]
    with refused("NOT_FOUND"):
        boss.RestoreOpportunity(id=made.id)


def test_the_change_log_says_who_changed_what(
    boss: Client, make: Callable[..., Any], change: Callable[..., Any]
) -> None:
    made = make(boss)
    changed = change(boss, made, expected_amount="5000")
    boss.MoveOpportunity(id=made.id, etag=changed.etag, stage="proposal")

    created, updated, moved = boss.ListChanges(record_type="opportunity", id=made.id).changes

    assert [c.action for c in (created, updated, moved)] == ["created", "updated", "moved"]
    (amount,) = updated.changes
    assert (amount.field, amount.after.string_value, updated.actor_name) == ("expectedAmount", "5000.00", "总经理")
    assert {"state", "stage", "probability", "stageHistory"} <= {c.field for c in moved.changes}


def test_a_custom_field_is_asked_for_filtered_and_required(boss: Client, make: Callable[..., Any]) -> None:
    field = {"key": "budget_year", "kind": "number", "label_zh": "预算年度", "label_en": "Budget year"}
    made = boss.CreateCustomField(record_type="opportunity", custom_field=field)
    kept = make(boss, "有预算", custom={"budget_year": 2027})
    make(boss, "无预算")

    found = boss.ListOpportunities(filter="custom.budget_year = 2027").opportunities
    boss.UpdateCustomField(
        record_type="opportunity",
        key="budget_year",
        custom_field={"required": True},
        update_mask={"paths": ["required"]},
        etag=made.etag,
    )

    assert [o.id for o in found] == [kept.id]
    with refused("INVALID_ARGUMENT", "INVALID", "custom.budget_year"):
        make(boss, "仍无预算")


@pytest.mark.parametrize("words", ["广告", "年度广告", "SJ20", "华东集团"])
def test_the_search_box_looks_into_title_number_and_prospect(
    boss: Client, words: str, make: Callable[..., Any]
) -> None:
    made = make(boss, prospect_name="华东集团")

    assert [o.id for o in boss.ListOpportunities(search=words).opportunities] == [made.id]


def test_a_list_filters_and_sorts_by_what_boards_need(
    boss: Client, customer: Callable[..., str], make: Callable[..., Any]
) -> None:
    buyer = customer()
    small = make(boss, "小单", expected_amount="100", customer_id=buyer, expected_close_date="2026-12-01")
    large = make(boss, "大单", expected_amount="90000", stage="proposal", expected_close_date="2027-03-01")

    def titles(**asked: Any) -> list[str]:
        return [o.title for o in boss.ListOpportunities(**asked).opportunities]

    assert titles(order_by="expected_amount desc") == ["大单", "小单"]
    assert titles(filter='stage = "proposal"') == [large.title]
    assert titles(filter=f'customer_id = "{buyer}" AND state = "assigned"') == [small.title]
    assert titles(filter=f'owner_id = "{boss.user_id}" AND expected_amount >= 100.5') == [large.title]
    assert titles(filter='expected_close_date < "2027-01-01"') == [small.title]


def test_the_sums_of_a_board_are_those_of_its_records(boss: Client, make: Callable[..., Any]) -> None:
    for amount in ("100.10", "0.20"):
        make(boss, expected_amount=amount)
    make(boss, expected_amount="1000", stage="negotiation")
    make(boss, stage="negotiation")

    groups = {g.key: g for g in boss.SummarizeOpportunities(group_by="stage").groups}

    assert {k: (g.count, g.expected_amount, g.weighted_amount) for k, g in groups.items()} == {
        "qualification": (2, "100.30", "10.03"),
        "negotiation": (2, "1000.00", "750.00"),
    }
    (one,) = boss.SummarizeOpportunities(group_by="owner_id", filter='stage = "negotiation"').groups
    assert (one.key, one.count) == (boss.user_id, 2)
    with refused("INVALID_ARGUMENT", "INVALID", "groupBy"):
        boss.SummarizeOpportunities(group_by="title")
