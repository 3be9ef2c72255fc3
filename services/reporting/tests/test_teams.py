"""Figures count what a person sees by the teams of records, exactly as the lists of the other services do."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm.records.v1.pool_pb2 import PoolShare
from crm.records.v1.team_pb2 import TeamMember
from crm.service_desk.v1.requests_pb2 import ServiceRequest
from crm_kit import ids
from crm_kit.testing import Client, event
from crm_kit.testing.suite import eventually

pytestmark = [pytest.mark.feature("IDN-07"), pytest.mark.feature("RPT-01")]

GROUPS = ("stage", "product", "customer", "owner", "manager", "region", "quarter")
SOURCES = {"customer": "customer", "opportunity": "sales", "service_request": "service-desk"}


def join(company: Any, kind: str, record_id: str, who: Client, action: str = "added", version: int = 1) -> None:
    member = TeamMember(id=f"{kind}:{record_id}:{who.user_id}", record_type=kind, record_id=record_id, access="read")
    member.user_id = who.user_id
    company.server.deliver(SOURCES[kind], event(member, action, version))


def test_opportunities_of_teams_are_counted_in_every_group_and_the_funnel(company: Any) -> None:
    chance = random.Random(8)
    everything = [company.opportunity(chance) for _ in range(120)]
    company.server.deliver("sales", *(event(o, "created") for o in everything))
    who = company.sellers[0]
    living = [o for o in everything if not o.HasField("delete_time")]
    own = {o.id for o in living if o.owner_id == who.user_id}
    others = chance.sample([o.id for o in living if o.owner_id != who.user_id], 20)

    for record_id in others:
        join(company, "opportunity", record_id, who)
    join(company, "opportunity", others[0], who, "removed", 2)
    join(company, "customer", others[1], who)

    seen = [o for o in living if o.id in own | set(others[1:])]
    assert len(seen) == len(own) + 19
    for group in GROUPS:
        report = who.GetOpportunitySummary(group_by=group)
        assert report.total.count == len(seen)
        if group != "product":
            assert sum(r.count for r in report.rows) == len(seen)
    entered = {s.stage: s.entered for s in who.GetFunnel().steps}
    for stage, count in entered.items():
        assert count == sum(any(s.stage == stage for s in o.stage_history) or o.stage == stage for o in seen)


def test_customers_and_service_requests_of_teams_are_counted(company: Any) -> None:
    who, other = company.sellers[0], company.sellers[1]
    customer = Customer(id=ids.uuid7(), name="甲公司", owner_id=other.user_id)
    request = ServiceRequest(id=ids.uuid7(), summary="报修", owner_id=other.user_id)
    company.server.deliver("customer", event(customer, "created"))
    company.server.deliver("service-desk", event(request, "created"))
    assert who.GetCustomerSummary(group_by="type").total.count == 0

    join(company, "customer", customer.id, who)
    join(company, "service_request", request.id, who)

    assert who.GetCustomerSummary(group_by="type").total.count == 1
    assert who.GetServiceSummary(group_by="state").total.count == 1
    assert company.sellers[2].GetCustomerSummary(group_by="type").total.count == 0


def test_figures_of_an_ended_place_are_gone(company: Any) -> None:
    who = company.sellers[0]
    customer = Customer(id=ids.uuid7(), name="甲公司", owner_id=company.sellers[1].user_id)
    company.server.deliver("customer", event(customer, "created"))
    member = TeamMember(id="x", record_type="customer", record_id=customer.id, user_id=who.user_id, access="write")
    member.end_time.FromDatetime(datetime.now(UTC) + timedelta(seconds=1.5))
    company.server.deliver("customer", event(member, "added"))
    assert who.GetCustomerSummary(group_by="type").total.count == 1

    assert eventually(lambda: who.GetCustomerSummary(group_by="type").total.count == 0)


@pytest.mark.feature("CUS-10")
def test_customers_of_a_public_pool_are_counted_for_its_members(company: Any) -> None:
    member, other = company.sellers[0], company.sellers[1]
    pool_id = ids.uuid7()
    share = PoolShare(id=pool_id, record_type="customer", name="公海", user_ids=[member.user_id], active=True)
    there = Customer(id=ids.uuid7(), name="甲公司", pool_id=pool_id)
    before = [who.GetCustomerSummary(group_by="type").total.count for who in (member, other)]
    company.server.deliver("customer", event(share, "changed"), event(there, "returned"))
    company.server.service.organisation.forget()
    after = [who.GetCustomerSummary(group_by="type").total.count for who in (member, other)]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 0]
    share.active = False
    company.server.deliver("customer", event(share, "changed", 2))
    company.server.service.organisation.forget()
    assert member.GetCustomerSummary(group_by="type").total.count == before[0]
