"""The inbox shows titles of records as each reader would see them on the records themselves; tasks have rules, too."""

from __future__ import annotations

from typing import Any

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit import ids
from crm_kit.testing import Server, event, refused

pytestmark = pytest.mark.feature("IDN-07")


def rule(resource: str, field: str, level: str) -> dict[str, Any]:
    return {"resource": resource, "field": field, "rule": level}


@pytest.mark.parametrize(("level", "shown"), [("masked", "上***"), ("hidden", "")])
def test_a_title_in_the_inbox_obeys_the_rules_of_its_record(server: Server, level: str, shown: str) -> None:
    reader = server.person([], "self", fields=[rule("customer", "name", level)])
    given = Customer(id=ids.uuid7(), owner_id=reader.user_id, name="上海宝钢")
    other = Opportunity(id=ids.uuid7(), owner_id=reader.user_id, title="年度广告")
    server.deliver("customer", event(given, "created"))
    server.deliver("sales", event(other, "created"))

    entries = {n.record_type: n for n in reader.ListNotifications().notifications}

    assert entries["customer"].record_title == shown
    assert entries["customer"].body == f"系统将“{shown}”分配给您"
    assert entries["opportunity"].record_title == "年度广告"
    # Which row it is about is not known before it is read: nobody asks for titles while one kind is closed to them.
    for asked in ({"filter": 'record_title:"宝钢"'}, {"filter": 'recordTitle="上海宝钢"'}):
        with refused("INVALID_ARGUMENT", "BAD_FILTER"):
            reader.ListNotifications(**asked)
    with refused("INVALID_ARGUMENT", "BAD_ORDER"):
        reader.ListNotifications(order_by="record_title")


def test_a_verb_of_a_task_brings_no_closed_field(server: Server) -> None:
    clerk = server.person(["task.*", "task_comment.*"], fields=[rule("task", "result", "read_only")])
    made = clerk.CreateTask(task={"title": "回访"})

    with refused("INVALID_ARGUMENT", "INVALID", "result"):
        clerk.CompleteTask(id=made.id, etag=made.etag, result="完成")
    assert clerk.CompleteTask(id=made.id, etag=made.etag).state == "done"
