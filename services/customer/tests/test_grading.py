"""Relation grading: rules over sales or share, exact at the borders, recomputed as orders arrive, kept, overruled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused
from customer.grading.bands import Band, problems

pytestmark = pytest.mark.feature("CUS-16")

TODAY = date(2026, 11, 24)
SALES = [("", "10000", "new"), ("10000", "510000", "small"), ("510000", "1000000", "medium"), ("1000000", "", "large")]
SHARE = [("", "1", "to_develop"), ("1", "30", "developing"), ("30", "", "familiar")]


def bands(*given: tuple[str, str, str]) -> list[dict[str, str]]:
    return [{"from": low, "to": high, "relation": relation} for low, high, relation in given]


@pytest.fixture
def rule(boss: Client) -> Callable[..., Any]:
    def make(given: Sequence[tuple[str, str, str]] = SALES, *, active: bool = True, **more: Any) -> Any:
        fields = {"name": "销售额", "base": "sales", "period": "months", "months": 12, "bands": bands(*given), **more}
        made = boss.CreateGradingRule(grading_rule=fields)
        return boss.ActivateGradingRule(id=made.id, etag=made.etag) if active else made

    return make


@pytest.fixture
def customer(boss: Client) -> Callable[..., str]:
    def make(name: str = "客户", **more: Any) -> str:
        found: str = boss.CreateCustomer(customer={"name": name, **more}).id
        return found

    return make


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("0", "new"),
        ("9999.99", "new"),
        ("10000", "small"),
        ("509999.99", "small"),
        ("510000", "medium"),
        ("999999.99", "medium"),
        ("1000000", "large"),
    ],
)
def test_amounts_at_the_borders_are_graded_exactly(
    boss: Client, rule: Any, customer: Any, order: Any, sweep: Any, amount: str, expected: str
) -> None:
    made, one = rule(), customer()
    if amount != "0":
        order(one, "2026-11-01", amount)

    sweep(TODAY)

    assert boss.GetCustomer(id=one).relation == expected
    (standing,) = [s for s in boss.ListStandings(customer_id=one).standings if s.topic == "relation"]
    assert (standing.value, standing.rule_id, standing.rule_version) == (expected, made.id, 2)
    assert standing.reasons["sales"] == f"{Decimal(amount):.2f}"


@pytest.mark.parametrize(
    ("share", "expected"),
    [("0", "to_develop"), ("0.99", "to_develop"), ("1", "developing"), ("29.99", "developing"), ("30", "familiar")],
)
def test_shares_at_the_borders_are_graded_exactly(
    boss: Client, rule: Any, customer: Any, order: Any, sweep: Any, share: str, expected: str
) -> None:
    rule(SHARE, base="share")
    one = customer(purchasing_power="100000")
    if share != "0":
        order(one, "2026-11-01", f"{Decimal(share) * 1000}")

    sweep(TODAY)

    assert boss.GetCustomer(id=one).relation == expected


def test_a_share_is_compared_without_rounding(boss: Client, rule: Any, customer: Any, order: Any, sweep: Any) -> None:
    """A third of a year's power: 29.9999…% is not 30 %, though it is shown as 30.00."""
    rule(SHARE, base="share", months=4)
    one = customer(purchasing_power="1000000")
    order(one, "2026-11-01", "99999.99")
    sweep(TODAY)
    (standing,) = [s for s in boss.ListStandings(customer_id=one).standings if s.topic == "relation"]
    assert (standing.value, standing.reasons["share"]) == ("developing", "30.00")

    order(one, "2026-11-01", "0.01")
    sweep(TODAY)
    assert boss.GetCustomer(id=one).relation == "familiar"


def test_without_purchasing_power_the_next_rule_answers(
    boss: Client, rule: Any, customer: Any, order: Any, sweep: Any
) -> None:
    rule(SHARE, base="share", position=1)
    rule(position=2)
    with_power, without = customer("甲", purchasing_power="1000"), customer("乙")
    for one in (with_power, without):
        order(one, "2026-11-01", "510000")

    sweep(TODAY)

    assert [boss.GetCustomer(id=i).relation for i in (with_power, without)] == ["familiar", "medium"]


@pytest.mark.parametrize(
    ("given", "otherwise", "expected"),
    [
        (SALES, None, []),
        (SHARE, None, []),
        ([("0", "0.01", "new"), *SALES[1:]], None, ["bands_gap"]),
        ([("0", "0.01", "new"), *SALES[1:]], "new", []),
        ([*SALES[:3]], None, ["bands_gap"]),
        ([*SALES[1:]], None, ["bands_gap"]),
        ([*SALES, ("5", "7", "new")], None, ["bands_overlap"]),
        ([("", "10000.01", "new"), *SALES[1:]], None, ["bands_overlap"]),
        ([("", "", "new"), ("5", "", "small")], None, ["bands_overlap"]),
        ([("5", "5", "new"), ("", "", "small")], None, ["band_empty", "bands_overlap"]),
    ],
)
def test_bands_neither_overlap_nor_leave_a_gap(given: Any, otherwise: str | None, expected: list[str]) -> None:
    made = [Band(*(Decimal(x) if x else None for x in b[:2]), b[2]) for b in reversed(given)]

    assert [p.key for p in problems(made, otherwise)] == expected


def test_a_rule_with_a_gap_is_not_put_in_force(boss: Client, rule: Any, server: Server) -> None:
    gap = rule([("0", "0.01", "new"), *SALES[1:]], active=False)
    with refused("INVALID_ARGUMENT", "INVALID", "bands[1].from") as said:
        boss.ActivateGradingRule(id=gap.id, etag=gap.etag)
    assert "10000" in said.fields["bands[1].from"]
    unknown = rule([("", "", "vip")], active=False)
    with refused("INVALID_ARGUMENT", "INVALID", "bands[0].relation"):
        boss.ActivateGradingRule(id=unknown.id, etag=unknown.etag)
    assert server.sql("SELECT count(*) FROM grading_rule WHERE state <> 'draft'") == [(0,)]


def test_one_rule_is_in_force_at_a_position_and_never_changes(boss: Client, rule: Any, server: Server) -> None:
    first = rule()
    second = rule([("", "", "small")])

    states = {r.id: r.state for r in boss.ListGradingRules().grading_rules}
    assert states == {first.id: "retired", second.id: "active"}
    assert [e.action for e in server.events("grading_rule")][-3:] == ["created", "retired", "activated"]
    with refused("FAILED_PRECONDITION", "RULE_NOT_DRAFT"):
        boss.UpdateGradingRule(
            grading_rule={"id": second.id, "months": 3}, update_mask={"paths": ["months"]}, etag=second.etag
        )
    with refused("FAILED_PRECONDITION", "RULE_ACTIVE"):
        boss.DeleteGradingRule(id=second.id, etag=second.etag)
    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        boss.ActivateGradingRule(id=second.id, etag=second.etag)


def test_it_is_graded_anew_as_orders_arrive_and_the_history_is_kept(
    boss: Client, server: Server, rule: Any, customer: Any, order: Any, recompute: Any
) -> None:
    made, one = rule(), customer()
    order(one, "2026-03-05", "10000")
    assert recompute(TODAY) == 1
    order(one, "2026-11-24", "500000")
    assert recompute(TODAY) == 1
    assert recompute(TODAY) == 0
    order(one, "2026-11-24", "-500000.01")
    recompute(TODAY)

    changes = boss.ListStandingHistory(customer_id=one, topic="relation").changes
    assert [(getattr(c, "from"), c.to, c.reasons["sales"]) for c in changes] == [
        ("medium", "new", "9999.99"),
        ("small", "medium", "510000.00"),
        ("", "small", "10000.00"),
    ]
    assert {(c.rule_id, c.rule_version, c.action, c.date) for c in changes} == {(made.id, 2, "computed", "2026-11-24")}
    graded = [e for e in server.events("customer") if e.action == "graded"]
    assert [c.after.string_value for e in graded for c in e.changes] == ["small", "medium", "new"]


def test_a_period_ends_with_the_calendar_month(boss: Client, rule: Any, customer: Any, order: Any, sweep: Any) -> None:
    rule(months=3)
    one = customer()
    order(one, "2026-09-01", "10000")
    for today, expected in ((date(2026, 11, 30), "small"), (date(2026, 12, 1), "new")):
        sweep(today)
        assert boss.GetCustomer(id=one).relation == expected, today


def test_a_calendar_year_begins_anew(boss: Client, rule: Any, customer: Any, order: Any, sweep: Any) -> None:
    rule(period="year", months=None)
    one = customer()
    order(one, "2026-01-01", "10000")
    for today, expected in ((date(2026, 12, 31), "small"), (date(2027, 1, 1), "new")):
        sweep(today)
        assert boss.GetCustomer(id=one).relation == expected, today


def test_a_dry_run_says_what_putting_it_in_force_then_does(
    boss: Client, server: Server, rule: Any, customer: Any, order: Any, sweep: Any, today: date
) -> None:
    rule()
    ids = [customer(f"客户{i}", purchasing_power="1000000") for i in range(6)]
    for one, amount in zip(ids[1:], ("9000", "10000", "400000", "510000", "2000000"), strict=True):
        order(one, "2026-11-01", amount)
    sweep(today)
    boss.OverruleStanding(customer_id=ids[5], topic="relation", value="familiar", note="多年合作")
    before = {c.id: c.relation for c in boss.ListCustomers().customers}
    draft = rule([("", "5000", "new"), ("5000", "", "small")], active=False)

    said = boss.SimulateGradingRule(id=draft.id)

    assert {(getattr(m, "from"), m.to): m.count for m in said.moves} == {("new", "small"): 1, ("medium", "small"): 1}
    assert (said.moved, said.stay, said.overruled) == (2, 4, 1)
    assert {c.id: c.relation for c in boss.ListCustomers().customers} == before
    boss.ActivateGradingRule(id=draft.id, etag=draft.etag)
    sweep(today)
    after = {c.id: c.relation for c in boss.ListCustomers().customers}
    moves = [(before[i], after[i]) for i in ids if before[i] != after[i]]
    assert sorted(moves) == [("medium", "small"), ("new", "small")]


def test_putting_a_rule_in_force_computes_everybody(boss: Client, server: Server, rule: Any, customer: Any) -> None:
    one = customer()
    rule()

    server.run_jobs()

    assert boss.GetCustomer(id=one).relation == "new"
    clerk = server.person(["grading_rule.read"])
    draft = rule(active=False)
    with refused("PERMISSION_DENIED"):
        clerk.ActivateGradingRule(id=draft.id, etag=draft.etag)
    with refused("PERMISSION_DENIED"):
        clerk.SimulateGradingRule(id=draft.id)


def test_an_administrator_of_rules_need_not_reach_the_customers(
    boss: Client, server: Server, rule: Any, customer: Any
) -> None:
    one, draft = customer(), rule(active=False)
    clerk = server.person(["grading_rule.read", "grading_rule.update"], "self")

    clerk.ActivateGradingRule(id=draft.id, etag=draft.etag)
    server.run_jobs()

    assert boss.GetCustomer(id=one).relation == "new"
