"""Alerts: raised once, told to whoever looks after the customer, done when their reason is gone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from care_fixtures import contact, queue, result, watch

from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit.testing import Client, Server, event, refused

pytestmark = pytest.mark.feature("CUS-22")

DAY = "2027-06-08"
"""Far enough ahead that whatever a test makes now lies in the past."""


@pytest.fixture
def customer(boss: Client) -> Any:
    return boss.CreateCustomer(customer={"name": "重庆长江轴承有限公司"})


def alerts(client: Client, kind: str = "", **asked: Any) -> list[Any]:
    if kind:
        asked["filter"] = f"kind = {kind}"
    return list(client.ListAlerts(order_by="id", page_size=200, **asked).alerts)


def rule(boss: Client, kind: str, **fields: Any) -> Any:
    return boss.CreateAlertRule(alert_rule={"name": "规则", "kind": kind, **fields})


def talk(boss: Client, customer: Any, day: str, **fields: Any) -> Any:
    when = datetime.fromisoformat(f"{day}T09:00+08:00").astimezone(UTC)
    said = {"customer_id": customer.id, "kind": "call", "subject": "回访", "start_time": when, **fields}
    return boss.CreateInteraction(interaction=said)


def test_a_birthday_is_raised_once_and_done_when_it_is_over(server: Server, boss: Client, customer: Any) -> None:
    person = contact(boss, customer)

    said = [watch(server, f"2027-06-{day:02}") for day in (6, 7, 8, 10, 11, 12)]

    assert said == [{"raised": n, "done": m} for n, m in ((0, 0), (1, 0), (0, 0), (0, 0), (0, 1), (0, 0))]
    (alert,) = alerts(boss)
    assert (alert.kind, alert.state, alert.record_id, alert.title) == ("birthday", "done", person.id, "王芳")
    assert (alert.date, alert.days, alert.user_id, alert.rule_version) == ("2027-06-10", 3, boss.user_id, 1)
    assert [e.action for e in server.events("alert")] == ["raised", "done"]
    assert watch(server, "2028-06-10")["raised"] == 1


def test_a_lunar_birthday_and_that_of_an_individual(server: Server, boss: Client, customer: Any) -> None:
    contact(boss, customer, "秋月", birthday="1985-09-29", birthday_lunar=True)
    boss.CreateCustomer(customer={"name": "李雷", "kind": "individual", "birthday": "1990-09-26"})

    watch(server, "2026-09-24")

    assert {(a.title, a.date, a.record_type) for a in alerts(boss)} == {
        ("秋月", "2026-09-25", "contact"),
        ("李雷", "2026-09-26", "customer"),
    }


def test_a_next_step_is_raised_on_its_day_and_done_with_the_next_contact(
    server: Server, boss: Client, customer: Any
) -> None:
    talk(boss, customer, "2026-03-01", next_step="寄样品", next_step_due_date="2026-03-10")
    newer = talk(boss, customer, "2026-03-05", next_step="报价", next_step_due_date="2026-03-12")
    talk(boss, customer, "2026-03-06")

    said = [watch(server, f"2026-03-{day}")["raised"] for day in (10, 11, 12, 13)]
    assert said == [0, 0, 1, 0]
    (alert,) = alerts(boss, "next_step")
    assert (alert.record_type, alert.record_id, alert.title, alert.user_id) == (
        *("interaction", newer.id),
        *(customer.name, boss.user_id),
    )
    assert (alert.date, alert.days, alert.state) == ("2026-03-12", 0, "open")

    talk(boss, customer, "2026-03-14")
    assert watch(server, "2026-03-15")["done"] == 1


def test_a_next_step_of_a_visit_is_raised_days_ahead_and_given_up_after_a_month(server: Server, boss: Client) -> None:
    customer = boss.CreateCustomer(customer={"name": "拜访过的"})
    rule(boss, "next_step", days=2, level="key")
    boss.UpdateCustomer(customer={"id": customer.id, "level": "key"}, update_mask={"paths": ["level"]}, etag="1")
    visit = boss.CreateVisit(visit={"customer_id": customer.id, "subject": "看样", "plan_start": datetime.now(UTC)})
    there = {"latitude": "24.48", "longitude": "118.08"}
    visit = boss.CheckInVisit(id=visit.id, etag=visit.etag, **there)
    visit = boss.CheckOutVisit(id=visit.id, etag=visit.etag, **there)
    boss.ReportVisit(id=visit.id, etag=visit.etag, result="满意", next_step="签约", next_step_due_date="2099-05-10")

    said = [watch(server, day) for day in ("2099-05-07", "2099-05-08", "2099-06-09", "2099-06-10")]
    assert [(s["raised"], s["done"]) for s in said] == [(0, 0), (1, 0), (0, 0), (0, 1)]
    (alert,) = alerts(boss, "next_step")
    assert (alert.record_type, alert.date, alert.days) == ("visit", "2099-05-10", 2)


def test_the_day_of_a_next_step_is_as_hidden_as_in_the_interaction(server: Server, boss: Client, customer: Any) -> None:
    talk(boss, customer, "2026-03-05", next_step_due_date="2026-03-12")
    watch(server, "2026-03-12")
    hidden = [{"resource": "interaction", "field": "next_step_due_date", "rule": "hidden"}]

    (seen,) = alerts(server.person(fields=hidden), "next_step")

    assert (seen.title, seen.date, seen.HasField("days")) == (customer.name, "", False)


def test_a_company_anniversary(server: Server, boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "老店", "founding_date": "1998-06-12"})

    watch(server, DAY)

    assert [(a.record_id, a.date, a.days) for a in alerts(boss)] == [(made.id, "2027-06-12", 4)]


def test_nobody_was_in_contact_for_longer_than_the_level_allows(server: Server, boss: Client, customer: Any) -> None:
    key = boss.CreateCustomer(customer={"name": "重点客户", "level": "key"})
    for one in (customer, key):
        talk(boss, one, "2026-03-01")
    rule(boss, "contact_overdue", days=30, level="key")
    rule(boss, "contact_overdue", days=90)

    assert watch(server, "2026-03-31")["raised"] == 0
    assert watch(server, "2026-04-01")["raised"] == 1
    assert watch(server, "2026-05-31")["raised"] == 1
    talk(boss, key, "2026-06-01")
    assert watch(server, "2026-06-02") == {"raised": 0, "done": 1}
    assert watch(server, "2026-07-02")["raised"] == 1

    found = [(a.customer_name, a.date, a.days, a.state) for a in alerts(boss)]
    assert found == [
        ("重点客户", "2026-03-01", 31, "done"),
        ("重庆长江轴承有限公司", "2026-03-01", 91, "open"),
        ("重点客户", "2026-06-01", 31, "open"),
    ]


def test_no_business_for_some_months_and_never_of_a_prospect(
    server: Server, boss: Client, customer: Any, order: Any
) -> None:
    boss.CreateCustomer(customer={"name": "潜在客户"})
    rule(boss, "no_business", months=6)

    def won(number: int, day: str) -> None:
        deal = Opportunity(id=f"01890000-0000-7000-8000-00000000000{number}", title="年单", state="won")
        deal.customer_id, deal.close_date = customer.id, day
        server.deliver("sales", event(deal, "won"))

    won(1, "2025-08-31")
    order(customer.id, "2025-05-10", "100")
    assert watch(server, "2026-02-27")["raised"] == 0
    assert watch(server, "2026-02-28")["raised"] == 1
    order(customer.id, "2026-03-01", "-50")
    assert watch(server, "2026-03-02") == {"raised": 0, "done": 0}
    order(customer.id, "2026-03-01", "50")
    assert watch(server, "2026-03-02") == {"raised": 0, "done": 1}
    assert watch(server, "2026-09-01")["raised"] == 1
    won(2, "2026-08-01")
    assert watch(server, "2026-09-02") == {"raised": 0, "done": 1}
    found = [(a.date, a.state) for a in alerts(boss, "no_business")]
    assert found == [("2025-08-31", "done"), ("2026-03-01", "done")]


def test_who_does_not_see_days_of_orders_sees_none_in_alerts(
    server: Server, boss: Client, customer: Any, order: Any
) -> None:
    rule(boss, "no_business", months=6)
    order(customer.id, "2025-05-10", "100")
    watch(server, "2026-02-28")
    far = server.person(fields=[{"resource": "customer", "field": "last_order_date", "rule": "hidden"}])

    for asked in ("", "date,days"):
        (alert,) = alerts(far, fields=asked)
        assert (alert.date, alert.HasField("days")) == ("", False)
    assert [a.date for a in alerts(boss)] == ["2025-05-10"]


def test_a_demand_runs_out_and_is_done_when_it_is_prolonged(server: Server, boss: Client, customer: Any) -> None:
    demand = boss.CreateDemand(
        demand={"customer_id": customer.id, "kind": "advertising", "description": "封底", "valid_until": "2027-06-20"}
    )

    assert watch(server, "2027-06-05")["raised"] == 0
    assert watch(server, "2027-06-06")["raised"] == 1
    boss.UpdateDemand(
        demand={"id": demand.id, "valid_until": "2027-12-31"}, update_mask={"paths": ["valid_until"]}, etag=demand.etag
    )
    assert watch(server, "2027-06-07") == {"raised": 0, "done": 1}


def test_an_exceeded_credit_is_one_alert_until_it_is_paid(server: Server, boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "欠款户", "credit_limit": "100000", "outstanding_amount": "130000.50"})

    def owes(amount: str) -> None:
        now = boss.GetCustomer(id=made.id)
        boss.UpdateCustomer(
            customer={"id": made.id, "outstanding_amount": amount},
            update_mask={"paths": ["outstanding_amount"]},
            etag=now.etag,
        )

    said = [watch(server, "2027-06-01"), watch(server, "2027-06-02")]
    owes("100000")
    said.append(watch(server, "2027-06-03"))
    owes("100000.01")
    said.append(watch(server, "2027-06-04"))

    assert [(s["raised"], s["done"]) for s in said] == [(1, 0), (0, 0), (0, 1), (1, 0)]
    assert [(a.amount, a.state) for a in alerts(boss)] == [("30000.50", "done"), ("0.01", "open")]


def test_the_nearest_department_up_the_tree_decides(server: Server, boss: Client) -> None:
    house = server.department("公司")
    east, west = server.department("东区", house), server.department("西区", house)
    below = server.department("东区一部", east)
    for name, department in (("公司", house), ("东区", east), ("西区", west), ("东区一部", below)):
        owner = server.person(name=name, department_id=department)
        talk(boss, owner.CreateCustomer(customer={"name": f"{name}的客户"}), "2026-06-01")
    rule(boss, "contact_overdue", days=100)
    rule(boss, "contact_overdue", days=10, department_id=house)
    rule(boss, "contact_overdue", days=20, department_id=east)
    off = rule(boss, "contact_overdue", days=1, department_id=west, paused=True)

    def told(day: str) -> set[str]:
        watch(server, day)
        return {a.customer_name for a in alerts(boss)}

    assert told("2026-06-12") == {"公司的客户"}
    assert told("2026-06-22") == {"公司的客户", "东区的客户", "东区一部的客户"}
    boss.UpdateAlertRule(alert_rule={"id": off.id, "paused": False}, update_mask={"paths": ["paused"]}, etag=off.etag)
    assert "西区的客户" in told("2026-06-23")


def test_a_rule_that_is_switched_off_takes_its_alerts_back(server: Server, boss: Client, customer: Any) -> None:
    contact(boss, customer)
    watch(server, DAY)
    (birthday,) = boss.ListAlertRules(filter="kind = birthday").alert_rules

    boss.UpdateAlertRule(
        alert_rule={"id": birthday.id, "paused": True}, update_mask={"paths": ["paused"]}, etag=birthday.etag
    )

    assert watch(server, DAY) == {"raised": 0, "done": 1}


def test_there_is_one_rule_of_a_kind_for_a_place(boss: Client) -> None:
    rule(boss, "contact_overdue", days=30)

    with refused("ALREADY_EXISTS"):
        rule(boss, "contact_overdue", days=60)
    with refused("INVALID_ARGUMENT", "INVALID", "months"):
        rule(boss, "no_business", days=3)
    with refused("INVALID_ARGUMENT", "INVALID", "days"):
        rule(boss, "birthday", days=400, level="key")


def test_a_killed_job_goes_on_and_raises_each_alert_once(
    server: Server, boss: Client, customer: Any, measured: Any
) -> None:
    boss.ImportCustomers(
        customers=[{"name": f"客户{n}", "founding_date": "1998-06-10", "external_id": f"c{n}"} for n in range(1000)]
    )
    boss.ImportCustomers(
        customers=[{"name": f"店{n}", "founding_date": "1998-06-10", "external_id": f"d{n}"} for n in range(200)]
    )
    job = queue(server, "alerts_watch", DAY)
    server.run_jobs(steps=1)
    runner = server.service.runner()
    advance = runner._advance

    def die(call: Any, row: Any) -> None:
        advance(call, row)
        raise KeyboardInterrupt

    runner._advance = die  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        runner.step()
    server.run_jobs()

    assert result(server, job)["raised"] == 1200
    assert watch(server, DAY) == {"raised": 0, "done": 0}
    ((made, reasons),) = server.sql("SELECT count(*), count(DISTINCT unique_key) FROM alert")
    measured(f"{made} alerts for {reasons} reasons over a kill")
    assert (made, reasons) == (1200, 1200)


def test_alerts_are_seen_and_acknowledged_by_whoever_reaches_the_customer(server: Server, boss: Client) -> None:
    li = server.person(["customer.*", "contact.*", "alert.read", "alert.update"], "self", name="李")
    wang = server.person(["customer.read", "alert.read", "alert.update"], "self", name="王")
    reader = server.person(["customer.read", "alert.read"])
    customer = li.CreateCustomer(customer={"name": "李的客户"})
    for n in range(3):
        contact(li, customer, f"人{n}")
    watch(server, DAY)
    first, second, third = alerts(li)

    assert (alerts(wang), len(alerts(reader)), wang.CountAlerts(group_by="kind").total) == ([], 3, 0)
    with refused("NOT_FOUND"):
        wang.AcknowledgeAlert(id=first.id, etag=first.etag)
    with refused("PERMISSION_DENIED"):
        reader.AcknowledgeAlert(id=first.id, etag=first.etag)
    seen = li.AcknowledgeAlert(id=first.id, etag=first.etag, note="已安排")
    assert (seen.state, seen.acknowledger_id, seen.note) == ("acknowledged", li.user_id, "已安排")
    answer = li.AcknowledgeAlerts(ids=[first.id, second.id, third.id])
    assert [r.outcome for r in answer.results] == ["failed", "updated", "updated"]
    assert [(g.key, g.count) for g in reader.CountAlerts(group_by="state").groups] == [("acknowledged", 3)]
    assert [g.label for g in reader.CountAlerts(group_by="user_id").groups] == ["李"]
    assert [g.label for g in reader.CountAlerts(group_by="kind").groups] == ["生日"]
    with refused("INVALID_ARGUMENT"):
        reader.CountAlerts(group_by="title")


def test_what_nobody_looks_after_alerts_nobody(server: Server, boss: Client) -> None:
    department = server.department()
    nobodys = boss.CreateCustomer(customer={"name": "无主", "department_id": department})
    contact(boss, nobodys)

    assert watch(server, DAY)["raised"] == 0


def test_who_does_not_see_names_and_birthdays_sees_none_in_alerts(server: Server, boss: Client, customer: Any) -> None:
    contact(boss, customer)
    watch(server, DAY)
    rules = [
        {"resource": "contact", "field": "name", "rule": "masked"},
        {"resource": "contact", "field": "birthday", "rule": "hidden"},
    ]
    near = server.person(fields=rules)

    for asked in ("", "title", "date,days"):
        (alert,) = alerts(near, fields=asked)
        assert "王芳" not in alert.title
        assert (alert.date, alert.HasField("days")) == ("", False)
    assert "王芳" in alerts(boss)[0].title
