"""Importing opportunities with their past: kept as given, found again, refused where it makes no sense."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_kit import ids
from crm_kit.testing import Client, Server, refused
from sales.first_entries import DEFAULT_PIPELINE

pytestmark = pytest.mark.feature("SAL-10")
Product = Callable[..., Any]


def put(client: Client, *rows: dict[str, Any]) -> Any:
    return client.ImportOpportunities(opportunities=[{"title": "历史商机", **row} for row in rows])


def only(client: Client, **row: Any) -> Any:
    """The one opportunity that a row became."""
    (result,) = put(client, row).results
    assert result.outcome in ("created", "updated"), result.reason
    return client.GetOpportunity(id=result.id)


WON = {
    "external_id": "w1",
    "stage": "won",
    "engage_date": "2016-10-20",
    "close_date": "2017-03-01",
    "won_amount": "1054",
    "create_time": datetime(2016, 10, 1, 8, tzinfo=UTC),
}


def test_a_won_one_keeps_its_past(boss: Client, server: Server) -> None:
    made = only(boss, **WON)

    assert (made.state, made.stage, made.probability) == ("won", "won", 100)
    assert (made.won_amount, made.close_date) == ("1054.00", "2017-03-01")
    assert made.create_time.ToDatetime(UTC) == WON["create_time"]
    assert made.assign_time == made.create_time
    (stay,) = made.stage_history
    assert (stay.stage, stay.enter_time.ToJsonString()) == ("won", "2017-02-28T16:00:00Z")
    (told,) = server.events("opportunity")
    assert (told.action, told.bulk) == ("created", True)
    assert datetime.now(UTC) - told.time.ToDatetime(UTC) < timedelta(minutes=5)


@pytest.mark.parametrize(
    ("row", "state", "stage"),
    [
        ({}, "assigned", "qualification"),
        ({"stage": "qualification"}, "assigned", "qualification"),
        ({"stage": "proposal"}, "developing", "proposal"),
        ({"stage": "proposal", "state": "assigned"}, "assigned", "proposal"),
        ({"state": "developing"}, "developing", "qualification"),
        ({"stage_history": [{"stage": "qualification"}, {"stage": "analysis"}]}, "developing", "analysis"),
        ({"state": "won", "close_date": "2017-01-01"}, "won", "won"),
        ({"stage": "lost", "close_date": "2017-01-01"}, "lost", "lost"),
        ({"state": "lost", "close_date": "2017-01-01", "lost_reason": "price"}, "lost", "lost"),
        ({"stage": "lost", "state": "archived", "close_date": "2017-01-01"}, "archived", "lost"),
        ({"stage": "lost", "close_date": "2017-01-01", "won_amount": "0"}, "lost", "lost"),
    ],
)
def test_state_and_stage_follow_from_each_other(boss: Client, row: dict[str, Any], state: str, stage: str) -> None:
    made = only(boss, **row)

    assert (made.state, made.stage) == (state, stage)


def test_one_without_an_owner_is_unassigned_whatever_its_stage(boss: Client, server: Server) -> None:
    assert only(boss, stage="proposal", department_id=server.department()).state == "unassigned"


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"stage": "won"}, "closeDate"),
        ({"state": "lost"}, "closeDate"),
        ({"stage": "won", "close_date": "2999-01-01"}, "closeDate"),
        ({"stage": "won", "close_date": "2017-01-01", "engage_date": "2017-01-02"}, "closeDate"),
        ({"stage": "proposal", "close_date": "2017-01-01"}, "closeDate"),
        ({"stage": "proposal", "won_amount": "5"}, "wonAmount"),
        ({"stage": "lost", "close_date": "2017-01-01", "won_amount": "5"}, "wonAmount"),
        ({"stage": "won", "close_date": "2017-01-01", "lost_reason": "price"}, "lostReason"),
        ({"stage": "lost", "close_date": "2017-01-01", "lost_reason": "bad_luck"}, "lostReason"),
        ({"stage": "nowhere"}, "stage"),
        ({"state": "sleeping"}, "state"),
        ({"stage": "won", "state": "developing", "close_date": "2017-01-01"}, "state"),
        ({"stage": "proposal", "state": "won", "close_date": "2017-01-01"}, "state"),
        ({"state": "archived", "close_date": "2017-01-01"}, "stage"),
        ({"create_time": datetime(2999, 1, 1, tzinfo=UTC)}, "createTime"),
        ({"stage": "analysis", "stage_history": [{"stage": "proposal"}]}, "stageHistory"),
        ({"stage_history": [{"stage": "nowhere"}, {"stage": "qualification"}]}, "stageHistory[0].stage"),
        ({"lines": [{"product_id": "01900000-0000-7000-8000-00000000ffff"}]}, "lines[0].productId"),
    ],
)
def test_a_row_that_makes_no_sense_fails_by_name(boss: Client, server: Server, row: dict[str, Any], field: str) -> None:
    answer = put(boss, row, {"external_id": "good"})

    bad, good = answer.results
    assert (bad.outcome, good.outcome, answer.failed, answer.created) == ("failed", "created", 1, 1)
    assert field in {p.field for p in bad.problems}, bad.reason
    assert bad.reason
    assert [e.record_id for e in server.events("opportunity")] == [good.id]


def test_a_given_history_is_kept_stay_by_stay(boss: Client) -> None:
    entered = [datetime(2017, 1, day, tzinfo=UTC) for day in (1, 5, 9)]
    stays = [
        {"stage": stage, "enter_time": start, **({"leave_time": end} if end else {})}
        for stage, start, end in zip(("qualification", "proposal", "won"), entered, [*entered[1:], None], strict=True)
    ]

    made = only(boss, stage="won", close_date="2017-01-09", stage_history=stays)

    assert [(s.stage, s.enter_time.ToDatetime(UTC)) for s in made.stage_history] == [
        (s["stage"], s["enter_time"]) for s in stays
    ]
    assert made.stage_enter_time.ToDatetime(UTC) == entered[-1]


def test_an_imported_one_is_reopened_where_it_was_open_last(boss: Client) -> None:
    bare = only(boss, stage="lost", close_date="2017-01-01")
    told = only(
        boss, stage="lost", close_date="2017-01-01", stage_history=[{"stage": "negotiation"}, {"stage": "lost"}]
    )

    assert [boss.ReopenOpportunity(id=o.id, etag="1").stage for o in (bare, told)] == ["qualification", "negotiation"]


def test_the_same_rows_twice_change_nothing(boss: Client, server: Server, product: Product) -> None:
    thing = product(price="99.5")
    rows = [
        WON | {"lines": [{"product_id": thing.id, "quantity": "2.0"}]},
        {"external_id": "o1", "stage": "proposal", "lines": [{"product_id": thing.id, "unit_price": "7"}]},
        {"external_id": "l1", "stage": "lost", "close_date": "2017-01-01", "won_amount": "0"},
        {"external_id": "h1", "stage": "proposal", "stage_history": [{"stage": "proposal", "actor_id": ids.uuid7()}]},
        {"external_id": "n1", "tags": ["重点"], "expected_amount": "5", "currency": "usd"},
    ]

    first = put(boss, *rows)
    told = len(server.events())
    second = put(boss, *rows)

    assert (first.created, first.failed) == (5, 0)
    assert (second.unchanged, second.updated, second.created) == (5, 0, 0)
    assert [r.id for r in second.results] == [r.id for r in first.results]
    assert len(server.events()) == told


def test_a_changed_row_updates_what_it_gives(boss: Client) -> None:
    first = only(boss, external_id="x", stage="qualification", description="第一次")

    moved = only(boss, external_id="x", stage="negotiation")
    lost = only(boss, external_id="x", stage="lost", close_date="2026-01-01", lost_reason="price")
    again = only(boss, external_id="x", stage="proposal")

    assert {o.id for o in (moved, lost, again)} == {first.id}
    assert [(o.state, o.stage, o.probability) for o in (moved, lost, again)] == [
        ("developing", "negotiation", 75),
        ("lost", "lost", 0),
        ("developing", "proposal", 50),
    ]
    assert (again.description, again.close_date, again.lost_reason) == ("第一次", "", "")
    assert [s.stage for s in again.stage_history] == ["qualification", "negotiation", "lost", "proposal"]


def test_a_line_changed_by_an_import_changes_the_expected_amount(boss: Client, product: Product) -> None:
    thing = product(price="10")

    first = only(boss, external_id="x", lines=[{"product_id": thing.id}])
    second = only(boss, external_id="x", lines=[{"product_id": thing.id, "quantity": "3"}])

    assert (first.expected_amount, second.expected_amount) == ("10.00", "30.00")


def test_what_was_sold_long_ago_may_be_off_sale_by_now(boss: Client, product: Product) -> None:
    thing = product(price="10")
    boss.RetireProduct(id=thing.id, etag="1")

    assert only(boss, **WON, lines=[{"product_id": thing.id}]).expected_amount == "10.00"
    (result,) = put(boss, {"lines": [{"product_id": thing.id}]}).results
    assert result.outcome == "failed"


def test_a_key_that_lies_outside_the_scope_is_not_found_again(boss: Client, server: Server) -> None:
    put(boss, {"external_id": "theirs"})
    clerk = server.person(["opportunity.import"], "self")

    (result,) = put(clerk, {"external_id": "theirs", "description": "我的"}).results

    assert (result.outcome, result.id) == ("failed", "")


def test_an_import_takes_its_own_right(server: Server) -> None:
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        put(server.person(["opportunity.create", "opportunity.update"]), {})


@pytest.mark.bench
def test_bench_8800_rows(boss: Client, product: Product, customer: Callable[..., str]) -> None:
    products = [product(f"产品{i}", str(100 + i)).id for i in range(7)]
    customers = [customer(f"客户{i}") for i in range(85)]

    def row(i: int) -> dict[str, Any]:
        common = {
            "external_id": f"r{i}",
            "title": f"客户{i % 85} 产品{i % 7}",
            "pipeline_id": DEFAULT_PIPELINE,
            "customer_id": customers[i % 85],
            "engage_date": "2016-10-20",
            "lines": [{"product_id": products[i % 7], "quantity": "1"}],
        }
        ends = {"stage": "won" if i % 3 else "lost", "close_date": "2017-03-01"}
        return common | ({"stage": "analysis"} if i % 4 == 0 else ends)

    for turn in ("created", "unchanged"):
        took = []
        for start in range(0, 8800, 1000):
            rows = [row(i) for i in range(start, min(start + 1000, 8800))]
            begun = time.perf_counter()
            answer = boss.ImportOpportunities(opportunities=rows)
            took.append(time.perf_counter() - begun)
            assert getattr(answer, turn) == len(rows), [r.reason for r in answer.results if r.outcome != turn]
        print(f"\n8,800 rows {turn}: {sum(took):.1f} s in all, {max(took):.2f} s at most for 1,000")
