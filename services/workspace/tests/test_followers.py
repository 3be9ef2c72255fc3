"""Followers find changes of a record in the inbox, and whoever is given many records is told once."""

from __future__ import annotations

from typing import Any

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm.records.v1.acts_pb2 import Act
from crm.records.v1.following_pb2 import Follower
from crm_kit import ids
from crm_kit.testing import Client, Server, event

pytestmark = [pytest.mark.feature("CUS-09"), pytest.mark.feature("WSP-04")]


def changed(customer: Customer, action: str = "updated", actor: str = "", **fields: Any) -> Any:
    made = event(customer, action, 2)
    made.actor_id, made.actor_name, made.bulk = actor, "王总", fields.get("bulk", False)
    return made


def follow(server: Server, person: Client, customer: Customer, action: str = "added", version: int = 1) -> None:
    who = Follower(record_type="customer", record_id=customer.id, user_id=person.user_id)
    who.id = f"customer:{customer.id}:{person.user_id}"
    who.follow_time.GetCurrentTime()
    server.deliver("customer", event(who, action, version))


def inbox(person: Client) -> list[str]:
    return [n.body for n in person.ListNotifications().notifications]


@pytest.fixture
def follower(server: Server) -> Client:
    return server.person(["customer.read", "notification.read"], "all")


@pytest.fixture
def customer(boss: Client) -> Customer:
    return Customer(id=ids.uuid7(), name="上海宝钢", owner_id=boss.user_id)


def test_a_follower_is_told_of_changes_and_of_the_end(server: Server, follower: Client, customer: Customer) -> None:
    follow(server, follower, customer)
    told = changed(customer)
    server.deliver("customer", told, told, changed(customer, "deleted"))
    assert sorted(inbox(follower)) == ["王总删除了“上海宝钢”", "王总更新了“上海宝钢”"]


def test_not_of_what_they_did_themselves_nor_of_one_among_many(
    server: Server, follower: Client, customer: Customer
) -> None:
    follow(server, follower, customer)
    server.deliver("customer", changed(customer, actor=follower.user_id), changed(customer, bulk=True))
    assert inbox(follower) == []


def test_whoever_ended_it_or_no_longer_reads_the_record_is_told_nothing(
    server: Server, follower: Client, customer: Customer
) -> None:
    seller = server.person(["customer.read"], "self")
    for person in (seller, follower):
        follow(server, person, customer)
    follow(server, follower, customer, "removed", 2)
    follow(server, follower, customer, "added", 1)  # an older event that comes late
    server.deliver("customer", changed(customer))
    assert (inbox(seller), inbox(follower)) == ([], [])
    customer.owner_id = seller.user_id
    server.deliver("customer", changed(customer))
    assert inbox(seller) == ["王总更新了“上海宝钢”"]


def test_whoever_gets_a_record_is_told_that_and_not_that_it_changed(
    server: Server, follower: Client, customer: Customer
) -> None:
    follow(server, follower, customer)
    customer.owner_id = follower.user_id
    given = changed(customer, "assigned")
    given.changes.add(field="ownerId")
    server.deliver("customer", given)
    assert inbox(follower) == ["王总将“上海宝钢”分配给您"]


def test_whoever_is_given_many_is_told_once_how_many(server: Server, boss: Client, follower: Client) -> None:
    act = Act(id=ids.uuid7(), record_type="customer", kind="allocate")
    for person, n in ((follower, 12), (boss, 3)):
        act.given.add(user_id=person.user_id, count=n)
    told = event(act, "given")
    told.actor_id, told.actor_name = boss.user_id, "王总"
    server.deliver("customer", told, told)
    (found,) = follower.ListNotifications().notifications
    assert (found.title, found.body, found.records) == ("12 条客户记录已分配给您", "王总将 12 条客户记录分配给您", 12)
    assert inbox(boss) == []
