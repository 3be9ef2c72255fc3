"""Alerts whose reason changes or comes back, and what their figures tell of fields that are hidden."""

from __future__ import annotations

from typing import Any

import pytest
from care_fixtures import changed, contact, watch
from test_alerts import alerts, rule, talk

from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit.testing import Client, Server, event, refused
from crm_records import counting

pytestmark = pytest.mark.feature("CUS-22")


@pytest.mark.parametrize(("corrected", "day"), [("1985-06-25", "2027-06-23"), ("1985-06-11", "2027-06-09")])
def test_a_birthday_that_is_corrected_is_raised_on_its_own_day(
    server: Server, boss: Client, company: Any, corrected: str, day: str
) -> None:
    person = contact(boss, company)
    watch(server, "2027-06-08")

    changed(boss, "Contact", person.id, birthday=corrected)
    watch(server, "2027-06-09")
    watch(server, day)

    found = [(a.date, a.state) for a in alerts(boss, "birthday")]
    assert found == [("2027-06-10", "done"), (f"2027{corrected[4:]}", "open")]


@pytest.mark.parametrize("away", [{"paused": True}, {"days": 60}])
def test_what_a_changed_rule_took_back_is_raised_again_once_it_holds_again(
    server: Server, boss: Client, away: dict[str, Any]
) -> None:
    customer = boss.CreateCustomer(customer={"name": "甲"})
    talk(boss, customer, "2026-03-01")
    made = rule(boss, "contact_overdue", days=30)
    said = [watch(server, "2026-04-05")]

    changed(boss, "AlertRule", made.id, **away)
    said.append(watch(server, "2026-04-06"))
    if "paused" in away:
        changed(boss, "AlertRule", made.id, paused=False)
    said += [watch(server, "2026-06-06"), watch(server, "2026-06-07")]

    assert [(s["raised"], s["done"]) for s in said] == [(1, 0), (0, 1), (1, 0), (0, 0)]


@pytest.mark.parametrize(
    ("kind", "resource", "field"),
    [
        ("company_anniversary", "customer", "founding_date"),
        ("contact_overdue", "customer", "last_contact_time"),
        ("demand_ending", "demand", "valid_until"),
        ("credit_exceeded", "customer", "credit_limit"),
        ("credit_exceeded", "customer", "outstanding_amount"),
    ],
)
def test_no_figure_of_an_alert_tells_a_hidden_field(
    server: Server, boss: Client, kind: str, resource: str, field: str
) -> None:
    said = {"name": "甲", "founding_date": "1998-06-12", "credit_limit": "100", "outstanding_amount": "130"}
    customer = boss.CreateCustomer(customer=said)
    talk(boss, customer, "2026-03-01")
    boss.CreateDemand(
        demand={"customer_id": customer.id, "kind": "advertising", "description": "封底", "valid_until": "2027-06-12"}
    )
    rule(boss, "contact_overdue", days=30)
    watch(server, "2027-06-08")
    near = server.person(fields=[{"resource": resource, "field": field, "rule": "hidden"}])

    seen = {a.kind: (a.date, a.HasField("days"), a.amount) for a in alerts(near)}

    assert seen.pop(kind) == ("", False, "")
    assert len(seen) == 3
    assert all(date or amount for date, _, amount in seen.values())
    names = ("amount",) if kind == "credit_exceeded" else ("date", "days")
    for name in names:
        with refused("INVALID_ARGUMENT"):
            near.ListAlerts(order_by=name)
    for name in names:
        with refused("INVALID_ARGUMENT"):
            near.CountAlerts(group_by="kind", filter=f"{name} = null")


def test_a_deal_that_is_dated_at_the_end_of_time_holds_nobody_up(server: Server, boss: Client, company: Any) -> None:
    rule(boss, "no_business", months=6)
    deal = Opportunity(id="01890000-0000-7000-8000-000000000001", state="won", customer_id=company.id)
    deal.close_date = "9999-12-31"
    server.deliver("sales", event(deal, "won"))

    assert watch(server, "2026-06-12")["raised"] == 1, "the anniversary"


def test_what_is_not_counted_one_by_one_is_in_the_total(
    server: Server, boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        owner = server.person(name=f"员{number}")
        for _ in range(number + 1):
            customer = boss.CreateCustomer(customer={"name": "甲", "owner_id": owner.user_id})
            talk(boss, customer, "2026-03-01")
    rule(boss, "contact_overdue", days=30)
    watch(server, "2026-04-05")
    monkeypatch.setattr(counting, "GROUPS", 2)

    for counted in (boss.CountAlerts(group_by="user_id"), boss.CountCustomers(group_by="ownerId")):
        assert ([g.count for g in counted.groups], counted.total) == ([3, 2], 6)
