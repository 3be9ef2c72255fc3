"""Standings: what was computed beside what people say, told to whoever sees the customer."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused
from customer.standing import computing
from customer.standing.computing import Computation, Result

pytestmark = pytest.mark.feature("CUS-16")

TODAY = date(2026, 11, 24)


@pytest.fixture
def rule(boss: Client) -> Any:
    """Small from 10,000 on, medium from 510,000 on, large from 1,000,000 on, new below; put in force when called."""

    def make() -> Any:
        limits = [("", "10000", "new"), ("10000", "510000", "small"), ("510000", "1000000", "medium")]
        bands = [{"from": low, "to": high, "relation": r} for low, high, r in [*limits, ("1000000", "", "large")]]
        fields = {"name": "销售额", "base": "sales", "period": "months", "months": 12, "bands": bands}
        made = boss.CreateGradingRule(grading_rule=fields)
        return boss.ActivateGradingRule(id=made.id, etag=made.etag)

    return make


@pytest.fixture
def customer(boss: Client) -> Any:
    def make(name: str = "客户", **more: Any) -> str:
        found: str = boss.CreateCustomer(customer={"name": name, **more}).id
        return found

    return make


def test_a_persons_word_stays_until_it_is_taken_back(
    boss: Client, server: Server, rule: Any, customer: Any, order: Any, recompute: Any
) -> None:
    rule()
    one = customer()
    order(one, "2026-11-01", "10000")
    recompute(TODAY)
    said = boss.OverruleStanding(customer_id=one, topic="relation", value="large", note="战略客户")
    assert (said.value, said.computed_value, said.overruling.note) == ("large", "small", "战略客户")
    assert (said.overruling.user_id, said.overruling.user_name) == (boss.user_id, "总经理")

    order(one, "2026-11-01", "500000")
    recompute(TODAY)

    (standing,) = [s for s in boss.ListStandings(customer_id=one).standings if s.topic == "relation"]
    assert (standing.value, standing.computed_value) == ("large", "medium")
    assert boss.GetCustomer(id=one).relation == "large"
    back = boss.TakeBackOverruling(customer_id=one, topic="relation")
    assert (back.value, back.HasField("overruling")) == ("medium", False)
    assert boss.GetCustomer(id=one).relation == "medium"
    history = boss.ListStandingHistory(customer_id=one, topic="relation").changes
    assert [(c.action, c.to, c.note) for c in history] == [
        ("taken_back", "medium", ""),
        ("overruled", "large", "战略客户"),
        ("computed", "small", ""),
    ]
    with refused("FAILED_PRECONDITION", "NOT_OVERRULED"):
        boss.TakeBackOverruling(customer_id=one, topic="relation")
    with refused("INVALID_ARGUMENT", "INVALID", "value"):
        boss.OverruleStanding(customer_id=one, topic="relation", value="giant", note="x")
    with refused("INVALID_ARGUMENT", "INVALID", "note"):
        boss.OverruleStanding(customer_id=one, topic="relation", value="large")
    with refused("NOT_FOUND"):
        boss.OverruleStanding(customer_id=one, topic="weather", value="large", note="x")


def test_a_plain_edit_stays_until_the_rules_come_to_something_else(
    boss: Client, rule: Any, customer: Any, order: Any, recompute: Any, sweep: Any
) -> None:
    rule()
    one = customer()
    order(one, "2026-11-01", "10000")
    recompute(TODAY)
    now = boss.GetCustomer(id=one)
    boss.UpdateCustomer(
        customer={"id": one, "relation": "familiar"}, update_mask={"paths": ["relation"]}, etag=now.etag
    )
    order(one, "2026-11-01", "1")
    sweep(TODAY)
    assert boss.GetCustomer(id=one).relation == "familiar"
    order(one, "2026-11-01", "1000000")
    recompute(TODAY)
    assert boss.GetCustomer(id=one).relation == "large"


def test_a_code_that_was_retired_is_not_given_and_holds_nobody_up(
    boss: Client, server: Server, rule: Any, customer: Any, order: Any, sweep: Any
) -> None:
    rule()
    poor, rich = customer("甲"), customer("乙")
    order(rich, "2026-11-01", "1000000")
    (entry,) = [
        e
        for e in boss.ListDictionaries(record_type="customer").entries
        if (e.dictionary, e.code) == ("customer_relation", "large")
    ]
    boss.UpdateDictionaryEntry(
        record_type="customer",
        dictionary="customer_relation",
        code="large",
        entry={"retired": True},
        update_mask={"paths": ["retired"]},
        etag=entry.etag,
    )
    sweep(TODAY)

    assert [boss.GetCustomer(id=i).relation for i in (poor, rich)] == ["new", ""]


def test_standings_are_told_within_the_scope_only(
    boss: Client, server: Server, rule: Any, customer: Any, sweep: Any
) -> None:
    rule()
    one = customer()
    sweep(TODAY)
    stranger = server.person(["customer.read", "customer.update"], "self")
    for act in (
        lambda: stranger.ListStandings(customer_id=one),
        lambda: stranger.ListStandingHistory(customer_id=one),
        lambda: stranger.OverruleStanding(customer_id=one, topic="relation", value="large", note="x"),
        lambda: stranger.TakeBackOverruling(customer_id=one, topic="relation"),
    ):
        with refused("NOT_FOUND"):
            act()
    reader = server.person(["customer.read"])
    with refused("PERMISSION_DENIED"):
        reader.OverruleStanding(customer_id=one, topic="relation", value="large", note="x")
    hidden = server.person(["customer.read"], fields=[{"resource": "customer", "field": "relation", "rule": "hidden"}])
    assert "relation" not in {s.topic for s in hidden.ListStandings(customer_id=one).standings}
    assert "relation" not in {c.topic for c in hidden.ListStandingHistory(customer_id=one).changes}
    for how, code, reason in (("read_only", "INVALID_ARGUMENT", "INVALID"), ("masked", "NOT_FOUND", "")):
        field = [{"resource": "customer", "field": "relation", "rule": how}]
        clerk = server.person(["customer.read", "customer.update"], fields=field)
        with refused(code, reason):
            clerk.OverruleStanding(customer_id=one, topic="relation", value="large", note="x")


def test_what_is_computed_does_not_send_a_customer_back_into_review(
    boss: Client, rule: Any, customer: Any, order: Any, recompute: Any
) -> None:
    rule()
    one = customer()
    boss.ReturnCustomer(id=one, etag=boss.GetCustomer(id=one).etag, review_reason="缺少地址")
    order(one, "2026-11-01", "10000")
    recompute(TODAY)

    seen = boss.GetCustomer(id=one)
    assert (seen.relation, seen.review_mark) == ("small", "returned")


def test_another_computation_joins_with_several_results_of_its_own(
    boss: Client, server: Server, customer: Any, order: Any, recompute: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As value models will: two scores that no field of the customer shows."""

    def score(bunch: Any, today: date) -> list[Result]:
        months = bunch.months(date(2026, 1, 1))
        bought = {c.id: sum(m.order_count for m in months.get(c.id, ())) for c in bunch.customers}
        return [Result(i, f"{n * k}", part=part) for i, n in bought.items() for part, k in (("a", 1), ("b", 10))]

    scores = Computation("score", score, may_be=lambda call, value: value.isdigit())
    monkeypatch.setattr(computing, "COMPUTATIONS", [*computing.COMPUTATIONS, scores])
    one = customer()
    order(one, "2026-11-01", "5")
    recompute(TODAY)
    boss.OverruleStanding(customer_id=one, topic="score.b", value="99", note="看好")
    order(one, "2026-11-02", "5")
    recompute(TODAY)

    found = {s.topic: (s.value, s.computed_value) for s in boss.ListStandings(customer_id=one).standings}
    assert (found["score.a"], found["score.b"]) == (("2", "2"), ("99", "20"))
    history = boss.ListStandingHistory(customer_id=one, topic="score.b").changes
    assert [(getattr(c, "from"), c.to, c.action) for c in history] == [
        ("10", "99", "overruled"),
        ("", "10", "computed"),
    ]
    with refused("INVALID_ARGUMENT", "INVALID", "value"):
        boss.OverruleStanding(customer_id=one, topic="score.a", value="many", note="x")
