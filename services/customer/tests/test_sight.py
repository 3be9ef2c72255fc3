"""What is computed of customers tells no more than their fields: neither by its reasons nor by who is found by it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from crm_kit import jobs
from crm_kit.rpc import Call
from crm_kit.testing import Client, Server
from customer.alerts.watching import WATCH

RIGHTS = ["customer.*", "segment.*", "pyramid.read", "trade_entry.read", "behaviour.read", "alert.read", "contact.read"]
HIDDEN = ["employees", "purchasing_power", "outstanding_amount", "first_order_date", "last_order_date"]
BY_EMPLOYEES = {"source": "field", "field": "employees", "class": "trait", "weight": "100", "name": "规模"}
BANDS = [{"to": "10", "points": "0"}, {"from": "10", "points": "1"}]
LEVELS = [{"level": "A", "from": "50"}, {"level": "B", "from": "0"}]


@pytest.fixture
def model(boss: Client) -> Any:
    def make(**criterion: Any) -> Any:
        one = {**BY_EMPLOYEES, "bands": BANDS, **criterion}
        fields = {"name": "价值", "code": "value", "purpose": "value", "criteria": [one], "levels": LEVELS}
        made = boss.CreateValueModel(value_model=fields)
        return boss.ActivateValueModel(id=made.id, etag=made.etag)

    return make


def seen(who: Client, segment: dict[str, Any]) -> list[str]:
    made = who.CreateSegment(segment={"name": "客户群", **segment})
    found = [c.name for c in who.ListSegmentMembers(id=made.id).customers]
    assert who.CountSegmentMembers(id=made.id).count == len(found)
    return found


@pytest.mark.feature("CUS-10")
def test_no_computed_figure_tells_what_a_pool_hides(
    server: Server, pools: Any, boss: Client, order: Any, sweep: Any, model: Any, today: date
) -> None:
    member = server.person(RIGHTS, "self", name="成员")
    open_pool = pools.make("敞开", member_user_ids=[member.user_id])
    closing = pools.make("遮蔽", member_user_ids=[member.user_id], hidden_fields=[*HIDDEN, "behaviour"])
    model()
    tiers = [{"name": "大", "from": "100"}, {"name": "小"}]
    fields = {"name": "规模", "base": "field", "field": "employees", "method": "threshold", "tiers": tiers}
    pyramid = boss.CreatePyramid(pyramid=fields)
    named: dict[str, str] = {}
    for name, pool in (("甲", open_pool), ("乙", closing)):
        made = boss.CreateCustomer(customer={"name": name, "employees": 500, "purchasing_power": "120000"})
        order(made.id, today.isoformat(), "42")
        named[name] = made.id
        sweep(today)
        etag = boss.GetCustomer(id=made.id).etag
        boss.GiveBackCustomer(id=made.id, etag=etag, reason="no_time", pool_id=pool.id)
    boss.TakePyramidSnapshot(id=pyramid.id)
    server.run_jobs()
    pools.settle()

    live: dict[str, Any] = {"kind": "live"}
    assert seen(member, {**live, "filter": "employees > 100"}) == ["甲"]
    by_score = {"kind": "score", "code": "value", "from": "50"}
    assert seen(member, {**live, "conditions": [by_score]}) == ["甲"]
    nothing_done = {"kind": "behaviour", "code": "visit", "days": 30, "to": "1"}
    assert seen(member, {**live, "conditions": [nothing_done]}) == ["甲"]
    frozen = boss.CreateSegment(
        segment={"name": "大客户", "kind": "frozen", "shared": True, "filter": "employees > 100"}
    )
    boss.FreezeSegment(id=frozen.id, etag=frozen.etag)
    server.run_jobs()
    assert [c.name for c in member.ListSegmentMembers(id=frozen.id).customers] == ["甲"]

    snapshot = boss.ListPyramidSnapshots(id=pyramid.id).snapshots[0].id
    figures = member.GetPyramidFigures(snapshot_id=snapshot)
    assert (figures.customers, figures.amount) == (1, "500.00")
    found = member.ListPyramidCustomers(snapshot_id=snapshot, tier="大").customers
    assert [c.name for c in found] == ["甲"]
    moves = member.ComparePyramidSnapshots(from_snapshot_id=snapshot, to_snapshot_id=snapshot).moves
    assert [m.customers for m in moves] == [1]
    assert boss.GetPyramidFigures(snapshot_id=snapshot).customers == 2

    for name, told in (("甲", True), ("乙", False)):
        (value,) = [s for s in member.ListStandings(customer_id=named[name]).standings if s.topic == "value.value"]
        assert (value.value, "criteria" in value.reasons) == ("A", told)
        history = member.ListStandingHistory(customer_id=named[name], topic="value.value").changes
        assert [("criteria" in c.reasons) for c in history] == [told]
        assert bool(member.ListCustomerScores(customer_id=named[name]).scores) is told
        figure = member.GetTradeFigures(customer_id=named[name])
        assert figure.order_amount == "42.00"
        assert (bool(figure.purchasing_power), bool(figure.share), bool(figure.last_order_date)) == (told, told, told)


@pytest.mark.feature("CUS-10")
def test_a_copy_of_what_a_pool_hides_is_hidden_with_its_record(
    server: Server, pools: Any, boss: Client, today: date
) -> None:
    member = server.person(RIGHTS, "self", name="成员")
    for name, hidden in (("甲", []), ("乙", ["outstanding_amount"])):
        pool = pools.make(name, member_user_ids=[member.user_id], hidden_fields=hidden)
        pools.put(pool, name=name, credit_limit="10", outstanding_amount="17")
    for rule in boss.ListAlertRules(fields="*").alert_rules:
        boss.DeleteAlertRule(id=rule.id, etag=rule.etag)
    boss.CreateAlertRule(alert_rule={"name": "额度", "kind": "credit_exceeded"})
    server.sql("DELETE FROM job")
    server.service.act(lambda call: _watch(call, today))
    server.run_jobs()
    assert {a.customer_name for a in boss.ListAlerts().alerts} == {"甲", "乙"}
    assert {a.customer_name for a in member.ListAlerts().alerts} == {"甲"}


def _watch(call: Call, day: date) -> None:
    jobs.start(call, WATCH.name, "alert", {"day": day.isoformat()})


@pytest.mark.feature("CUS-16")
def test_the_reasons_of_a_grade_and_of_a_stage_obey_the_rules_of_what_they_are_made_of(
    server: Server, boss: Client, order: Any, sweep: Any, today: date
) -> None:
    bands = [{"relation": "small", "to": "50"}, {"relation": "large", "from": "50"}]
    rule = {"name": "分级", "position": 1, "base": "share", "period": "months", "months": 12, "bands": bands}
    made = boss.CreateGradingRule(grading_rule=rule)
    boss.ActivateGradingRule(id=made.id, etag=made.etag)
    stages = boss.ListLifecycleRules(fields="*").lifecycle_rules
    if not any(s.state == "active" for s in stages):
        conditions = [{"kind": "ordered", "stage": "trading"}]
        stage = boss.CreateLifecycleRule(lifecycle_rule={"name": "阶段", "conditions": conditions})
        boss.ActivateLifecycleRule(id=stage.id, etag=stage.etag)
    one = boss.CreateCustomer(customer={"name": "甲", "purchasing_power": "1200"}).id
    order(one, today.isoformat(), "300")
    sweep(today)

    def told(who: Client) -> set[str]:
        answers = [*who.ListStandings(customer_id=one).standings, *who.ListStandingHistory(customer_id=one).changes]
        return {n for a in answers for n in a.reasons} & {"sales", "share", "purchasingPower", "lastOrderDate"}

    def hiding(*names: str) -> Client:
        rules = [{"resource": "customer", "field": n, "rule": "hidden"} for n in names]
        return server.person(["customer.read", "trade_entry.read"], fields=rules)

    assert told(boss) == told(hiding()) == {"sales", "share", "purchasingPower", "lastOrderDate"}
    assert told(server.person(["customer.read"])) == {"purchasingPower", "lastOrderDate"}
    assert told(hiding("purchasing_power")) == {"sales", "lastOrderDate"}
    assert told(hiding("last_order_date")) == {"sales", "share", "purchasingPower"}


@pytest.mark.feature("CUS-19")
def test_reasons_that_another_model_gave_obey_what_that_one_looked_at(
    server: Server, boss: Client, model: Any, sweep: Any, today: date
) -> None:
    model()
    one = boss.CreateCustomer(customer={"name": "甲", "employees": 500, "registered_capital": "5"}).id
    sweep(today)
    model(field="registered_capital")
    sweep(today)
    reader = server.person(["customer.read"], fields=[{"resource": "customer", "field": "employees", "rule": "hidden"}])
    history = reader.ListStandingHistory(customer_id=one, topic="value.value").changes
    assert [c.to for c in history] == ["B", "A"]
    assert ["criteria" in c.reasons for c in history] == [True, False]
