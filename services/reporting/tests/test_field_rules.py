"""Figures made of fields that the caller does not see in full are left out; nothing is grouped or sorted by them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm.reporting.v1 import reports_pb2 as pb
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm.service_desk.v1.requests_pb2 import ServiceRequest
from crm_kit import ids
from crm_kit.testing import Client, Server, event, refused
from reporting import sight, summaries

pytestmark = pytest.mark.feature("IDN-07")


def rule(field: str, level: str, resource: str = "opportunity", *states: str) -> dict[str, Any]:
    return {"resource": resource, "field": field, "rule": level, "states": list(states)}


@pytest.fixture
def sold(server: Server, company: Any) -> Any:
    chance = random.Random(7)
    server.deliver("sales", *(event(company.opportunity(chance), "created") for _ in range(60)))
    return company


def test_every_group_and_measure_says_what_it_is_made_of() -> None:
    groups = {
        "opportunity": summaries.OPPORTUNITIES,
        "customer": summaries.CUSTOMERS,
        "service_request": summaries.SERVICE_REQUESTS,
    }
    lines = {"opportunity": pb.OpportunityFigures, "customer": pb.CountFigures, "service_request": pb.ServiceFigures}
    known = {"opportunity": Opportunity, "customer": Customer, "service_request": ServiceRequest}

    for resource, by in groups.items():
        assert set(sight.GROUPS[resource]) == set(by)
        measures = set(lines[resource].DESCRIPTOR.fields_by_name) - {"key", "label", "count"}
        assert set(sight.MEASURES[resource]) == measures
        named = {f for made in (sight.GROUPS, sight.MEASURES) for fields in made[resource].values() for f in fields}
        assert named <= set(known[resource].DESCRIPTOR.fields_by_name)


@pytest.mark.parametrize("level", ["hidden", "masked"])
def test_amounts_that_are_not_seen_are_not_added_up(server: Server, boss: Client, sold: Any, level: str) -> None:
    clerk = server.person(fields=[rule("won_amount", level), rule("expected_amount", level, "opportunity", "won")])

    every, seen = (who.GetOpportunitySummary(group_by="owner") for who in (boss, clerk))

    assert every.total.won_amount not in ("", "0.00")
    for line in (*seen.rows, seen.total):
        assert (line.won_amount, line.open_amount) == ("", "")
    assert {r.key: (r.count, r.won_count, r.win_rate) for r in seen.rows} == {
        r.key: (r.count, r.won_count, r.win_rate) for r in every.rows
    }
    # The order would tell which is the largest: it is by count instead.
    assert [r.count for r in seen.rows] == sorted((r.count for r in seen.rows), reverse=True)
    with refused("INVALID_ARGUMENT", "INVALID", "orderBy"):
        clerk.GetOpportunitySummary(group_by="owner", order_by="won_amount")


def test_nothing_is_grouped_or_bounded_by_what_is_not_seen(server: Server, sold: Any) -> None:
    rules = [rule("lines", "hidden"), rule("close_date", "masked"), rule("level", "masked", "customer")]
    clerk = server.person(fields=[*rules, rule("priority", "hidden", "service_request")])

    for ask in (
        lambda: clerk.GetOpportunitySummary(group_by="product"),
        lambda: clerk.GetOpportunitySummary(group_by="quarter"),
        lambda: clerk.GetCustomerSummary(group_by="level"),
        lambda: clerk.GetServiceSummary(group_by="priority"),
    ):
        with refused("INVALID_ARGUMENT", "INVALID", "groupBy"):
            ask()
    with refused("INVALID_ARGUMENT", "INVALID", "fromDate", "untilDate"):
        clerk.GetOpportunitySummary(group_by="owner", from_date="2017-01-01", until_date="2018-01-01")
    assert clerk.GetOpportunitySummary(group_by="owner").total.count
    assert not clerk.GetOpportunitySummary(group_by="owner").total.HasField("mean_cycle_days")


def test_what_came_of_them_is_not_told_where_the_state_is_not(server: Server, sold: Any) -> None:
    clerk = server.person(fields=[rule("state", "hidden")])

    total = clerk.GetOpportunitySummary(group_by="owner").total

    assert total.count
    assert not total.HasField("won_count")
    assert not total.HasField("win_rate")
    assert total.open_amount == total.won_amount == ""


def test_the_funnel_is_not_for_those_who_do_not_see_the_stages(server: Server, sold: Any) -> None:
    assert server.person().GetFunnel().steps
    with refused("PERMISSION_DENIED", "REPORT_OF_CLOSED_FIELDS"):
        server.person(fields=[rule("stage_history", "masked")]).GetFunnel()


def test_lines_name_customers_as_the_customers_would_show_themselves(server: Server, sold: Any) -> None:
    made = Customer(id=ids.uuid7(), name="宝山钢铁")
    server.deliver("customer", event(made, "created"))
    opportunity = sold.opportunity(random.Random(1))
    opportunity.customer_id = made.id
    opportunity.ClearField("delete_time")
    server.deliver("sales", event(opportunity, "created"))

    def name(*rules: dict[str, Any]) -> str:
        rows = server.person(fields=rules).GetOpportunitySummary(group_by="customer").rows
        return str(next(r.label for r in rows if r.key == made.id))

    assert name() == "宝山钢铁"
    assert name(rule("name", "masked", "customer")) == "宝***"
    assert name(rule("name", "hidden", "customer")) == made.id
