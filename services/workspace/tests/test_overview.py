"""The part of a customer's overview that the workspace owns: what is still to be done about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm.records.v1.overview_pb2 import OverviewPart
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm.service_desk.v1.requests_pb2 import ServiceRequest
from crm.workspace.v1.tasks_pb2 import Task
from crm_kit import ids
from crm_kit.testing import Client, Server, event

pytestmark = pytest.mark.feature("CUS-15")
READS = ["task.read"]


def open_tasks(client: Client, customer_id: str) -> OverviewPart:
    part = client.GetOverview(id=customer_id).parts[0]
    assert part.code == "open_tasks"
    return part


def titles(part: OverviewPart) -> list[str]:
    return [Task.FromString(row.value).title for row in part.rows]


@pytest.fixture
def steel(boss: Client, task_of: Callable[..., Any], in_state: Callable[..., Any]) -> str:
    """A customer with two open tasks and one that is done."""
    about = {"record_type": "customer", "record_id": ids.uuid7()}
    now = datetime.now(UTC)
    task_of(boss, "写方案", due_time=now + timedelta(days=9), **about)
    task_of(boss, "打电话", due_time=now + timedelta(days=1), **about)
    in_state("done", **about)
    task_of(boss, "别的事", record_type="customer", record_id=ids.uuid7())
    return about["record_id"]


def test_what_is_open_the_most_urgent_first(boss: Client, steel: str) -> None:
    part = open_tasks(boss, steel)

    assert (part.state, titles(part), part.total) == ("shown", ["打电话", "写方案"], 2)


def test_only_what_one_reaches(server: Server, steel: str, task_of: Callable[..., Any]) -> None:
    seller = server.person([*READS, "task.create"], "self")
    task_of(seller, "我的", record_type="customer", record_id=steel)

    assert titles(open_tasks(seller, steel)) == ["我的"]
    assert open_tasks(server.person(["customer.read"]), steel) == OverviewPart(code="open_tasks", state="no_right")


def test_who_does_not_see_what_tasks_are_about_is_told_none(server: Server, steel: str) -> None:
    blind = server.person(READS, fields=[{"resource": "task", "field": "record_id", "rule": "hidden"}])

    assert open_tasks(blind, steel) == OverviewPart(code="open_tasks", state="no_right")


def test_what_is_to_be_done_about_the_customers_records_counts_too(
    server: Server, boss: Client, steel: str, task_of: Callable[..., Any]
) -> None:
    deal = Opportunity(id=ids.uuid7(), title="一期", customer_id=steel)
    fault = ServiceRequest(id=ids.uuid7(), summary="装不上", customer_id=ids.uuid7())
    server.deliver("sales", event(deal, "created"))
    server.deliver("service-desk", event(fault, "created"))
    task_of(boss, "谈价格", record_type="opportunity", record_id=deal.id)
    task_of(boss, "派人", record_type="service_request", record_id=fault.id)
    assert titles(open_tasks(boss, steel)) == ["打电话", "写方案", "谈价格"]

    fault.customer_id = steel
    moved = event(fault, "updated", 2)
    moved.changes.add(field="customerId")
    server.deliver("service-desk", moved)

    assert set(titles(open_tasks(boss, steel))) == {"打电话", "写方案", "谈价格", "派人"}
    assert open_tasks(boss, steel).total == 4
