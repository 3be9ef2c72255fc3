"""Customers and contacts were merged elsewhere: opportunities follow, and come back when that is taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm.customer.v1.contacts_pb2 import Contact
from crm.customer.v1.customers_pb2 import Customer
from crm_kit import ids
from crm_kit.testing import Client, Server, event, refused
from crm_records.testing import DECIDER, merged

pytestmark = [pytest.mark.feature("CUS-05")]

Make = Callable[..., Any]


def into(customer_id: str) -> Customer:
    return Customer(id=customer_id, name="甲公司", region="east")


def many(server: Server, boss: Client, make: Make, customer_id: str, count: int) -> None:
    """As many opportunities of a customer, made of one."""
    one = make(boss, customer_id=customer_id)
    columns = [
        n for (n,) in server.sql("SELECT column_name FROM information_schema.columns WHERE table_name = 'opportunity'")
    ]
    rest = ", ".join(f'"{c}"' for c in columns if c not in ("id", "number"))
    server.sql(
        f"INSERT INTO opportunity (id, number, {rest}) SELECT uuidv7(), 'X' || n, {rest}"
        " FROM opportunity, generate_series(2, :count) n WHERE id = :id",
        id=one.id,
        count=count,
    )


def of(server: Server, customer_id: str) -> int:
    return int(server.sql("SELECT count(*) FROM opportunity WHERE customer_id = :id", id=customer_id)[0][0])


def test_opportunities_follow_a_merge_and_come_back(
    server: Server, boss: Client, customer: Callable[..., str], make: Make
) -> None:
    stays, goes, act_id = customer("甲公司"), customer("甲有限公司"), ids.uuid7()
    sold, other = make(boss, customer_id=goes), make(boss, customer_id=customer("乙公司"))
    binned = make(boss, customer_id=goes)
    boss.DeleteOpportunity(id=binned.id, etag=binned.etag)
    server.deliver("customer", merged(into(stays), act_id, [goes]))
    server.run_jobs()
    now = boss.GetOpportunity(id=sold.id)
    assert (now.customer_id, now.customer_name) == (stays, "甲公司")
    assert boss.RestoreOpportunity(id=binned.id).customer_id == stays
    assert boss.GetOpportunity(id=other.id).etag == other.etag
    change = boss.ListChanges(record_type="opportunity", id=sold.id).changes[-1]
    assert (change.action, change.actor_id, change.actor_name) == ("relinked", DECIDER, "总经理")
    told = [e for e in server.events("opportunity") if e.record_id == sold.id][-1]
    assert (told.action, told.bulk) == ("relinked", True)
    server.deliver("customer", merged(into(stays), act_id, [goes], "unmerged", 10))
    server.run_jobs()
    assert boss.GetOpportunity(id=sold.id).customer_id == goes
    kept = boss.ListActItems(record_type="opportunity", id=act_id, outcome="kept").items
    assert [k.record_id for k in kept] == [binned.id]  # it was restored in between
    assert boss.GetOpportunity(id=binned.id).customer_id == stays


def test_a_merge_that_is_told_again_moves_nothing_again(
    server: Server, boss: Client, customer: Callable[..., str], make: Make
) -> None:
    stays, goes, act_id = customer("甲公司"), customer("甲有限公司"), ids.uuid7()
    sold = make(boss, customer_id=goes)
    first, back = merged(into(stays), act_id, [goes]), merged(into(stays), act_id, [goes], "unmerged", 10)
    for told in (first, back):
        server.deliver("customer", told)
        server.run_jobs()
    server.sql("DELETE FROM inbox")  # long ago: the marks of events are forgotten, and the jobs with them
    server.sql("DELETE FROM job")
    server.deliver("customer", first, back)
    assert server.run_jobs() == 0
    assert boss.GetOpportunity(id=sold.id).customer_id == goes


def test_merges_in_a_chain_are_followed_in_their_order_by_many_rows_and_a_killed_process(
    server: Server, boss: Client, customer: Callable[..., str], make: Make
) -> None:
    first, second, third = customer("一"), customer("二"), customer("三")
    many(server, boss, make, first, 450)
    acts = ids.uuid7(), ids.uuid7()
    server.deliver(
        "customer", merged(into(second), acts[0], [first]), merged(into(third), acts[1], [second], version=3)
    )
    server.run_jobs(3)  # and the process is killed
    assert of(server, third) == 0
    server.run_jobs()
    assert (of(server, first), of(server, second), of(server, third)) == (0, 0, 450)
    server.deliver("customer", merged(into(third), acts[1], [second], "unmerged", 10))
    server.run_jobs()
    assert (of(server, second), of(server, third)) == (450, 0)
    server.deliver("customer", merged(into(second), acts[0], [first], "unmerged", 10))
    server.run_jobs()
    assert of(server, first) == 450


def test_a_merge_and_its_undoing_that_arrive_together_leave_all_as_it_was(
    server: Server, boss: Client, customer: Callable[..., str], make: Make
) -> None:
    stays, goes, act_id = customer("甲公司"), customer("甲有限公司"), ids.uuid7()
    many(server, boss, make, goes, 250)
    both = merged(into(stays), act_id, [goes]), merged(into(stays), act_id, [goes], "unmerged", 10)
    server.deliver("customer", *both)
    server.run_jobs()
    assert (of(server, goes), of(server, stays)) == (250, 0)


def test_the_part_of_a_service_is_taken_back_with_the_merge_only(
    server: Server, boss: Client, customer: Callable[..., str], make: Make
) -> None:
    stays, goes, act_id = customer("甲公司"), customer("甲有限公司"), ids.uuid7()
    make(boss, customer_id=goes)
    server.deliver("customer", merged(into(stays), act_id, [goes]))
    server.run_jobs()
    assert not boss.GetAct(record_type="opportunity", id=act_id).undoable
    with refused("FAILED_PRECONDITION", "ACT_FOLLOWS"):
        boss.UndoAct(record_type="opportunity", id=act_id)


def test_nothing_new_is_made_for_a_customer_that_went(
    server: Server, boss: Client, customer: Callable[..., str], make: Make
) -> None:
    goes = customer("甲有限公司")
    gone = Customer(id=goes, name="甲有限公司")
    gone.delete_time.GetCurrentTime()
    server.deliver("customer", event(gone, "deleted", 2))
    with refused("INVALID_ARGUMENT", "", "customerId"):
        make(boss, customer_id=goes)


def test_contacts_in_opportunities_follow_too(
    server: Server, boss: Client, customer: Callable[..., str], make: Make
) -> None:
    stays, goes, act_id = ids.uuid7(), ids.uuid7(), ids.uuid7()
    sold = make(boss, customer_id=customer(), contact_ids=[goes, stays])
    server.deliver("customer", merged(Contact(id=stays, name="王芳"), act_id, [goes]))
    server.run_jobs()
    assert list(boss.GetOpportunity(id=sold.id).contact_ids) == [stays]
    server.deliver("customer", merged(Contact(id=stays, name="王芳"), act_id, [goes], "unmerged", 10))
    server.run_jobs()
    assert list(boss.GetOpportunity(id=sold.id).contact_ids) == [goes, stays]
