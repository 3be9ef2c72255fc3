"""The trail keeps no value that tells of a natural person: nobody could take it out of the chain later."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crm.customer.v1.contacts_pb2 import Contact
from crm.customer.v1.customers_pb2 import Customer
from crm.customer.v1.demands_pb2 import Demand
from crm.records.v1.event_pb2 import Event
from crm.workspace.v1.tasks_pb2 import Task
from crm_kit import ids
from crm_kit.testing import Server, event
from crm_records.testing import everywhere_in

pytestmark = [pytest.mark.feature("IDN-09"), pytest.mark.feature("IDN-13")]


def told(record: Any, **changes: tuple[Any, Any]) -> Event:
    record.id = ids.uuid7()
    made = event(record, "updated")
    for name, values in changes.items():
        change = made.changes.add(field=name.replace("__", "."))
        for value, target in zip(values, (change.before, change.after), strict=True):
            if value is None:
                target.null_value = 0
            else:
                target.string_value = value
    return made


def kept(server: Server, one: Event) -> dict[str, tuple[Any, Any]]:
    server.deliver("customer", one)
    (row,) = server.sql("SELECT changes FROM audit_entry WHERE id = :id", id=one.id)
    return {c["field"]: (c.get("before"), c.get("after")) for c in json.loads(row.changes)}


def test_of_a_contact_the_trail_knows_what_changed_and_not_to_what(server: Server) -> None:
    secrets = {"name": ("慕容雪", "慕容霜"), "pinyin": (None, "murongshuang"), "custom__hobby": ("古琴", None)}
    one = told(Contact(name="慕容霜"), customerId=("a", "b"), **secrets)

    assert kept(server, one) == {
        "customerId": ("a", "b"),
        "name": ("***", "***"),
        "pinyin": (None, "***"),
        "custom.hobby": ("***", None),
    }
    assert everywhere_in(server.sql, "慕容", "murong", "古琴") == []


@pytest.mark.parametrize(
    ("kind", "was", "shown"),
    [
        ("company", (), ("慕容雪", "慕容霜")),
        ("individual", (), ("***", "***")),
        ("company", ("individual", "company"), ("***", "***")),
    ],
    ids=["a company", "an individual", "was an individual"],
)
def test_of_a_customer_only_where_it_is_or_was_a_person(server: Server, kind: str, was: Any, shown: Any) -> None:
    changes = {"name": ("慕容雪", "慕容霜"), **({"kind": was} if was else {})}

    assert kept(server, told(Customer(kind=kind), **changes))["name"] == shown


def test_of_a_customer_whose_event_does_not_say_what_it_is_nothing_is_kept(server: Server) -> None:
    one = told(Customer(kind="company"), name=("慕容雪", "慕容霜"))
    one.ClearField("record")

    assert kept(server, one) == {"name": ("***", "***")}


def test_what_may_be_about_a_person_tells_nothing_either(server: Server) -> None:
    assert kept(server, told(Demand(), description=(None, "慕容雪要茶具"))) == {"description": (None, "***")}
    task = told(Task(), title=(None, "打电话"), recordTitle=(None, "慕容雪"))
    assert kept(server, task)["recordTitle"] == (None, "***")


def test_of_a_user_the_trail_keeps_the_roles_and_not_the_name(server: Server, hire: Any) -> None:
    made = hire("murong.xue", name="慕容雪")
    server.deliver("identity", *server.events())

    (row,) = server.sql("SELECT changes FROM audit_entry WHERE record_id = :id AND action = 'created'", id=made.id)
    told_of = {c["field"]: c.get("after") for c in json.loads(row.changes)}
    assert (told_of["name"], told_of["username"], told_of["departmentId"]) == ("***", "***", made.department_id)
    assert not server.sql("SELECT id FROM audit_entry WHERE changes LIKE '%慕容%' OR changes LIKE '%murong%'")
