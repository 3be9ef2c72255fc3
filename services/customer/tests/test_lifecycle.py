"""The lifecycle: stages that follow from rules and dates, kept with their history, counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused
from customer.churn.cases import Last
from customer.clock import add_months
from customer.lifecycle.first_entries import CONDITIONS
from customer.lifecycle.stages import holds

pytestmark = pytest.mark.feature("CUS-17")

TODAY = date(2026, 11, 24)


@pytest.fixture
def customer(boss: Client) -> str:
    found: str = boss.CreateCustomer(customer={"name": "厦门海峡物流"}).id
    return found


def stage(boss: Client, customer_id: str) -> tuple[str, str]:
    seen = boss.GetCustomer(id=customer_id)
    return seen.lifecycle, seen.lifecycle_date


def test_a_new_customer_is_potential_at_once(boss: Client, server: Server, recompute: Any) -> None:
    made = boss.CreateCustomer(customer={"name": "新客户"})
    assert (made.lifecycle, made.lifecycle_date) == ("potential", boss.GetCustomer(id=made.id).lifecycle_date)
    assert recompute(TODAY) == 0
    assert [e.action for e in server.events("customer")] == ["created"]


def test_a_customer_goes_through_its_stages(
    boss: Client, server: Server, customer: str, order: Callable[..., Any], sweep: Callable[[date], int]
) -> None:
    """Ordered, warned, dormant, ordered again; lost and regained."""
    seen = []

    def on(day: date) -> None:
        sweep(day)
        seen.append((day.isoformat(), *stage(boss, customer)))

    on(date(2025, 1, 2))
    order(customer, "2025-01-02", "100")
    on(date(2025, 1, 2))
    on(date(2025, 7, 1))
    on(date(2025, 7, 2))
    (case,) = boss.ListChurnCases().churn_cases
    case = boss.CloseChurnCase(id=case.id, etag=case.etag, note="年度采购")
    on(date(2026, 1, 1))
    on(date(2026, 1, 2))
    order(customer, "2026-05-24", "100")
    on(date(2026, 5, 24))

    assert seen == [
        ("2025-01-02", "potential", seen[0][2]),
        ("2025-01-02", "trading", "2025-01-02"),
        ("2025-07-01", "trading", "2025-01-02"),
        ("2025-07-02", "leaving", "2025-07-02"),
        ("2026-01-01", "trading", "2026-01-01"),
        ("2026-01-02", "dormant", "2026-01-02"),
        ("2026-05-24", "trading", "2026-05-24"),
    ]
    history = boss.ListStandingHistory(customer_id=customer, topic="lifecycle").changes
    assert [(c.date, c.to) for c in reversed(history)] == [
        ("2025-01-02", "trading"),
        ("2025-07-02", "leaving"),
        ("2026-01-01", "trading"),
        ("2026-01-02", "dormant"),
        ("2026-05-24", "trading"),
    ]
    assert history[0].reasons["condition"]["kind"] == "ordered_within"
    assert [e.action for e in server.events("customer")] == ["created", *["staged"] * 5]


def test_a_lost_customer_that_orders_is_regained_for_a_year(
    boss: Client, customer: str, order: Callable[..., Any], sweep: Callable[[date], int], today: date
) -> None:
    case = boss.CreateChurnCase(churn_case={"customer_id": customer, "warn_note": "换了供应商"})
    sweep(today)
    assert stage(boss, customer)[0] == "leaving"
    boss.ConfirmChurnCase(id=case.id, etag=case.etag, reason="competitor")
    sweep(today)
    assert stage(boss, customer)[0] == "lost"
    order(customer, today.isoformat(), "9")
    sweep(today)
    assert stage(boss, customer) == ("regained", today.isoformat())
    sweep(add_months(today, 5))
    assert stage(boss, customer)[0] == "regained"
    order(customer, today.isoformat(), "9")
    sweep(add_months(today, 12))
    assert stage(boss, customer)[0] == "leaving"


def test_that_a_customer_is_not_needed_is_a_persons_word(
    boss: Client, customer: str, order: Callable[..., Any], sweep: Callable[[date], int]
) -> None:
    order(customer, "2026-01-05", "9")
    boss.OverruleStanding(customer_id=customer, topic="lifecycle", value="not_needed", note="同行探价")
    sweep(TODAY)
    assert stage(boss, customer)[0] == "not_needed"
    assert list(boss.ListChurnCases().churn_cases) == []
    (standing,) = [s for s in boss.ListStandings(customer_id=customer).standings if s.topic == "lifecycle"]
    assert (standing.value, standing.computed_value) == ("not_needed", "trading")

    boss.TakeBackOverruling(customer_id=customer, topic="lifecycle")
    assert stage(boss, customer)[0] == "trading"
    with refused("INVALID_ARGUMENT", "INVALID", "value"):
        boss.OverruleStanding(customer_id=customer, topic="lifecycle", value="asleep", note="x")


def test_another_rule_takes_over_and_its_version_is_told(
    boss: Client, server: Server, customer: str, order: Callable[..., Any], sweep: Callable[[date], int]
) -> None:
    order(customer, "2026-10-01", "9")
    sweep(TODAY)
    (old,) = boss.ListLifecycleRules(filter='state = "active"').lifecycle_rules
    conditions = [
        {"kind": "not_ordered_for", "months": 1, "stage": "dormant"},
        {"kind": "ordered", "stage": "trading"},
    ]
    bad = boss.CreateLifecycleRule(
        lifecycle_rule={"name": "缺月数", "conditions": [{"kind": "ordered_within", "stage": "trading"}]}
    )
    with refused("INVALID_ARGUMENT", "INVALID", "conditions[0].months"):
        boss.ActivateLifecycleRule(id=bad.id, etag=bad.etag)
    made = boss.CreateLifecycleRule(lifecycle_rule={"name": "一个月", "conditions": conditions})
    active = boss.ActivateLifecycleRule(id=made.id, etag=made.etag)
    assert boss.GetLifecycleRule(id=old.id).state == "retired"

    sweep(TODAY)

    (standing,) = [s for s in boss.ListStandings(customer_id=customer).standings if s.topic == "lifecycle"]
    assert (standing.value, standing.rule_id, standing.rule_version) == ("dormant", made.id, int(active.etag))


def test_stages_are_counted_within_the_scope(
    boss: Client, server: Server, order: Callable[..., Any], sweep: Callable[[date], int]
) -> None:
    owner = server.person(["customer.read"], "self")
    ids = [boss.CreateCustomer(customer={"name": f"客户{i}", "owner_id": owner.user_id}).id for i in range(3)]
    boss.CreateCustomer(customer={"name": "别人的"})
    order(ids[0], "2026-11-01", "1")
    sweep(TODAY)

    mine = owner.CountCustomers(group_by="lifecycle").groups
    assert {(g.key, g.label, g.count) for g in mine} == {("potential", "潜在", 2), ("trading", "交易中", 1)}
    assert sum(g.count for g in boss.CountCustomers(group_by="lifecycle").groups) == 4


@pytest.mark.parametrize(
    ("kind", "last", "today", "expected"),
    [
        ("ordered_within", "2026-05-24", "2026-11-23", True),
        ("ordered_within", "2026-05-24", "2026-11-24", False),
        ("not_ordered_for", "2026-05-24", "2026-11-23", False),
        ("not_ordered_for", "2026-05-24", "2026-11-24", True),
        ("not_ordered_for", "2026-08-31", "2027-02-27", False),
        ("not_ordered_for", "2026-08-31", "2027-02-28", True),
        ("ordered", "2026-05-24", "2036-01-01", True),
    ],
)
def test_months_are_counted_exactly(kind: str, last: str, today: str, expected: bool) -> None:
    condition = {"kind": kind, "months": 6, "stage": "trading"}
    day = date.fromisoformat(today)

    assert holds(condition, date.fromisoformat(last), None, day) is expected
    assert holds(condition, None, None, day) is False


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("warned", "leaving"),
        ("postponed", "leaving"),
        ("confirmed", "lost"),
        ("regained", "regained"),
        ("closed", "trading"),
    ],
)
def test_the_state_of_the_churn_case_comes_before_orders(state: str, expected: str) -> None:
    day = date(2026, 11, 24)
    case = Last("1", state, "no_order", None, day, None, None, None, day)

    found = next(c["stage"] for c in CONDITIONS if holds(c, day, case, day))

    assert found == expected
