"""Customers and service requests, counted beside a computation of its own."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm.records.v1.event_pb2 import Event
from crm.records.v1.records_pb2 import DictionaryEntry
from crm.service_desk.v1.requests_pb2 import ServiceRequest
from crm_kit import ids
from crm_kit.testing import Client, Server, event, refused

pytestmark = pytest.mark.feature("RPT-01")

CUSTOMER_GROUPS = ("type", "level", "relation", "industry", "province", "region", "source", "owner")
START = datetime(2017, 1, 1, tzinfo=UTC)


def month(moment: Any) -> str:
    return f"{moment.ToDatetime() + timedelta(hours=8):%Y-%m}"


def customers(company: Any, chance: random.Random) -> list[Customer]:
    made = []
    for _ in range(80):
        one = Customer(id=ids.uuid7(), name="客户", create_time=START + timedelta(hours=chance.randrange(9000)))
        one.owner_id = chance.choice([*(s.user_id for s in company.sellers), ""])
        one.department_id = chance.choice([*company.departments, ""])
        for name in CUSTOMER_GROUPS[:-1]:
            setattr(one, name, chance.choice(["", "a", "b", "c"]))
        made.append(one)
    return made


def test_customers_by_every_field(server: Server, company: Any) -> None:
    server.sql("DELETE FROM fact_customer")
    everything = customers(company, random.Random(21))
    server.deliver("customer", *(event(c, "created") for c in everything))
    seller = company.sellers[1]

    for who, seen in (
        (company.boss, everything),
        (seller, [c for c in everything if c.owner_id == seller.user_id]),
    ):
        for group in (*CUSTOMER_GROUPS, "department", "month"):
            counted: dict[str, int] = defaultdict(int)
            for c in seen:
                home = company.homes.get(c.owner_id, "") if c.owner_id else c.department_id
                named = {"department": home, "month": month(c.create_time), "owner": c.owner_id}
                counted[named[group] if group in named else getattr(c, group)] += 1
            report = who.GetCustomerSummary(group_by=group)
            assert {r.key: r.count for r in report.rows} == counted, group
            assert report.total.count == len(seen)
            order = [r.key if group == "month" else (-r.count, r.key) for r in report.rows]
            assert order == sorted(order)


def test_entries_of_a_dictionary_are_named_by_their_own_service(server: Server, boss: Client) -> None:
    for service, zh, en in (("customer", "软件", "Software"), ("sales", "别的", "Other")):
        entry = DictionaryEntry(dictionary="industry", code="software", label_zh=zh, label_en=en)
        told = Event(id=ids.uuid7(), record_type="dictionary_entry", action="created", version=1)
        told.record_id = "industry:software"
        told.record.Pack(entry)
        server.deliver(service, told)
    server.deliver("customer", event(Customer(id=ids.uuid7(), name="客户", industry="software"), "created"))
    server.deliver("customer", event(Customer(id=ids.uuid7(), name="客户", industry="steel"), "created"))

    zh = boss.GetCustomerSummary(group_by="industry")
    en = boss.GetCustomerSummary(group_by="industry", metadata={"accept-language": "en"})

    assert [r.label for r in zh.rows] == ["软件", "steel"]
    assert ([r.label for r in en.rows], en.total.label) == (["Software", "steel"], "Total")


def requests(company: Any, chance: random.Random) -> list[ServiceRequest]:
    made = []
    for _ in range(80):
        created = START + timedelta(hours=chance.randrange(9000))
        one = ServiceRequest(id=ids.uuid7(), create_time=created)
        one.owner_id = chance.choice([s.user_id for s in company.sellers])
        one.customer_id = chance.choice(company.customers)
        one.kind, one.priority = chance.choice(["fault", "other"]), chance.choice(["low", "normal", "urgent"])
        one.state = chance.choice(["created", "assigned", "handled", "feedback", "archived"])
        if one.state in ("handled", "feedback", "archived"):
            one.handle_time.FromDatetime(created + timedelta(minutes=chance.randrange(9000)))
        if one.state in ("feedback", "archived"):
            one.satisfaction = chance.randrange(3, 6)
        made.append(one)
    return made


def check_requests(line: Any, members: list[ServiceRequest]) -> None:
    rated = [r.satisfaction for r in members if r.HasField("satisfaction")]
    handled = [r for r in members if r.HasField("handle_time")]
    hours = [(r.handle_time.ToDatetime() - r.create_time.ToDatetime()).total_seconds() / 3600 for r in handled]
    assert line.count == len(members)
    assert line.open_count == sum(r.state in ("created", "assigned", "handled") for r in members)
    assert line.HasField("mean_satisfaction") == bool(rated)
    assert not rated or line.mean_satisfaction == pytest.approx(sum(rated) / len(rated))
    assert line.HasField("mean_handling_hours") == bool(hours)
    assert not hours or line.mean_handling_hours == pytest.approx(sum(hours) / len(hours))


def test_service_requests_by_every_field(server: Server, company: Any) -> None:
    everything = requests(company, random.Random(22))
    server.deliver("service-desk", *(event(r, "created") for r in everything))
    below = {company.ann.user_id, company.sellers[0].user_id, company.sellers[1].user_id}

    for who, seen in ((company.boss, everything), (company.ann, [r for r in everything if r.owner_id in below])):
        for group in ("state", "kind", "priority", "owner", "customer", "month"):
            members = defaultdict(list)
            for r in seen:
                named = {"owner": r.owner_id, "customer": r.customer_id, "month": month(r.create_time)}
                members[named[group] if group in named else getattr(r, group)].append(r)
            report = who.GetServiceSummary(group_by=group)
            assert {r.key for r in report.rows} == set(members)
            for row in report.rows:
                check_requests(row, members[row.key])
            check_requests(report.total, seen)


def test_the_first_handling_counts_in_whatever_order_its_versions_come(server: Server, boss: Client) -> None:
    made = ServiceRequest(id=ids.uuid7(), state="handled", create_time=START)
    told = []
    for version, hours in ((2, 3), (3, 8), (4, 30)):
        made.handle_time.FromDatetime(START + timedelta(hours=hours))
        told.append(event(made, "handled", version))

    for one in (told[1], told[2], told[0]):
        server.deliver("service-desk", one)

    assert boss.GetServiceSummary(group_by="state").total.mean_handling_hours == pytest.approx(3)


def test_another_group_is_refused(boss: Client) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "groupBy"):
        boss.GetCustomerSummary(group_by="colour")
    with refused("INVALID_ARGUMENT", "INVALID", "groupBy"):
        boss.GetServiceSummary(group_by="colour")


def test_a_request_counts_for_whoever_made_it_and_while_it_is_nobodys_for_those_above(
    server: Server, company: Any
) -> None:
    """Just as the list of the service desk shows them."""
    seller, colleague = company.sellers[0], company.sellers[1]
    own = {"creator_id": seller.user_id, "create_time": START, "state": "created"}
    waiting = ServiceRequest(id=ids.uuid7(), department_id=company.east_one, **own)
    handled = ServiceRequest(id=ids.uuid7(), owner_id=company.bob.user_id, **own)
    server.deliver("service-desk", event(waiting, "created"), event(handled, "created"))

    def count(reader: Client) -> int:
        return int(reader.GetServiceSummary(group_by="state").total.count)

    assert (count(seller), count(company.ann), count(company.bob), count(colleague)) == (2, 1, 1, 0)
