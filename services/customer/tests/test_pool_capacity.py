"""How many customers somebody may hold (库容), on every way on which a pool may have it obeyed."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import grpc
import pytest

from crm_kit.testing import Client, Server, refused
from crm_records.testing import Handing

RIGHTS = ["customer.*"]
ALL = {f"capacity_on_{way}": True for way in ("assignment", "creation", "handover")}
pytestmark = pytest.mark.feature("CUS-10")


@pytest.fixture
def li(server: Server) -> Client:
    return server.person(RIGHTS, name="李")


@pytest.fixture
def wang(server: Server) -> Client:
    return server.person(RIGHTS, name="王")


def make(pools: Any, person: int, **fields: Any) -> Any:
    """A pool for all that lets everybody hold so many."""
    return pools.make(limits=[{"person_capacity": person}], **fields)


def held(server: Server, person: Client) -> int:
    query = "SELECT count(*) FROM customer WHERE owner_id = :id AND delete_time IS NULL"
    return int(server.sql(query, id=person.user_id)[0][0])


def created(person: Client, count: int, **fields: Any) -> list[Any]:
    return [person.CreateCustomer(customer={"name": f"客户{i}", **fields}) for i in range(count)]


def test_a_new_customer_beyond_the_capacity_is_refused_only_where_the_pool_says_so(
    server: Server, li: Client, pools: Any
) -> None:
    pool = make(pools, 2, capacity_on_assignment=True, capacity_on_handover=True)
    created(li, 3)
    fields = {"id": pool.id, "capacity_on_creation": True}
    pools.boss.UpdatePool(pool=fields, update_mask={"paths": ["capacity_on_creation"]}, etag=pool.etag)
    pools.settle()
    with refused("FAILED_PRECONDITION", "POOL_PERSON_FULL") as refusal:
        li.CreateCustomer(customer={"name": "多一个"})
    assert refusal.message == "李的库容已满（2）"
    assert held(server, li) == 3
    department = server.department()
    assert pools.boss.CreateCustomer(customer={"name": "部门的", "department_id": department}).owner_id == ""


def test_of_twenty_created_at_once_for_one_place_one_succeeds(
    server: Server, li: Client, pools: Any, measured: Any
) -> None:
    make(pools, 4, capacity_on_creation=True)
    created(li, 3)

    def create(number: int) -> str:
        try:
            li.CreateCustomer(customer={"name": f"同时{number}"})
        except grpc.RpcError as error:
            return cast(Any, error).code().name
        return "OK"

    with ThreadPoolExecutor(20) as workers:
        got = Counter(workers.map(create, range(20)))
    assert (held(server, li), got) == (4, {"OK": 1, "FAILED_PRECONDITION": 19})
    measured(f"20 creations at once for one place: {dict(got)}")


def test_a_department_counts_what_its_people_hold_together(server: Server, pools: Any) -> None:
    east = server.department("华东")
    one, two = (server.person(RIGHTS, "self", name=n, department_id=east) for n in ("甲", "乙"))
    pools.make(limits=[{"department_id": east, "department_capacity": 2}], **ALL)
    there = created(one, 2)
    with refused("FAILED_PRECONDITION", "POOL_DEPARTMENT_FULL"):
        two.CreateCustomer(customer={"name": "第三个"})
    given = pools.boss.AssignCustomer(id=there[0].id, etag=there[0].etag, owner_id=two.user_id)
    assert given.owner_id == two.user_id


def test_an_import_stores_what_there_is_room_for_and_tells_each_other_row(
    server: Server, li: Client, wang: Client, pools: Any
) -> None:
    make(pools, 3, capacity_on_creation=True, capacity_on_assignment=True)
    created(li, 1)
    rows = [{"name": f"第{i}行", "external_id": f"x{i}"} for i in range(6)]
    rows[0]["name"] = ""
    answer = li.ImportCustomers(customers=rows)
    assert [r.outcome for r in answer.results] == ["failed", "created", "created", "failed", "failed", "failed"]
    assert [r.reason for r in answer.results[3:]] == ["李的库容已满（3）"] * 3
    again = li.ImportCustomers(customers=rows[1:])
    assert [r.outcome for r in again.results] == ["unchanged", "unchanged", "failed", "failed", "failed"]
    mine = [{"external_id": f"y{i}", "name": f"王{i}"} for i in range(3)]
    wang.ImportCustomers(customers=mine)
    boss = pools.boss
    boss.DeleteCustomer(id=answer.results[1].id, etag="1")
    taken = boss.ImportCustomers(customers=[{**row, "owner_id": li.user_id} for row in mine])
    assert [r.outcome for r in taken.results] == ["updated", "failed", "failed"]
    assert (held(server, li), held(server, wang)) == (3, 2)


def test_what_was_deleted_comes_back_where_there_is_room(server: Server, li: Client, pools: Any) -> None:
    make(pools, 2, capacity_on_creation=True)
    one, two = created(li, 2)
    li.DeleteCustomer(id=one.id, etag=one.etag)
    created(li, 1)
    with refused("FAILED_PRECONDITION", "POOL_PERSON_FULL"):
        li.RestoreCustomer(id=one.id)
    li.DeleteCustomer(id=two.id, etag=two.etag)
    assert li.RestoreCustomer(id=one.id).owner_id == li.user_id


def test_rules_of_allocation_pass_over_who_is_full(server: Server, li: Client, wang: Client, pools: Any) -> None:
    make(pools, 1, **ALL)
    boss = pools.boss
    created(boss, 1)
    rule = {"name": "轮流", "strategy": "round_robin", "user_ids": [li.user_id, wang.user_id], "active": True}
    boss.CreateAllocationRule(allocation_rule={**rule, "unowned": True})
    created(li, 1)
    made = boss.CreateCustomer(customer={"name": "分给王"}, allocate=True)
    assert made.owner_id == wang.user_id
    with refused("FAILED_PRECONDITION", "POOL_PERSON_FULL"):
        boss.CreateCustomer(customer={"name": "没人有余地"}, allocate=True)
    lead = boss.CreateCustomer(customer={"name": "没人要的线索", "department_id": server.department()})
    assert lead.owner_id == ""


def test_a_merge_and_an_undo_are_never_bounded(server: Server, li: Client, wang: Client, pools: Any) -> None:
    stays, goes = created(li, 1)[0], created(wang, 1)[0]
    boss = pools.boss
    spare = created(wang, 1)[0]
    job = boss.BulkAssign(record_type="customer", ids=[spare.id], owner_id=boss.user_id)
    server.run_jobs()
    make(pools, 0, **ALL)
    gone = [{"id": goes.id, "etag": goes.etag}]
    choices = [{"field": "owner_id", "from_id": goes.id}]
    merged = boss.MergeCustomers(id=stays.id, etag=stays.etag, merged=gone, choices=choices)
    assert boss.GetCustomer(id=stays.id).owner_id == wang.user_id
    for act in (merged.act_id, job.id):
        boss.UndoAct(record_type="customer", id=act)
        server.run_jobs()
    owners = [boss.GetCustomer(id=c.id).owner_id for c in (stays, goes, spare)]
    assert owners == [li.user_id, wang.user_id, wang.user_id]


@pytest.mark.feature("IDN-05")
def test_a_handover_gives_what_there_is_room_for_and_tells_why_the_rest_failed(
    server: Server, li: Client, wang: Client, pools: Any
) -> None:
    pool = make(pools, 3, capacity_on_handover=True)
    boss = pools.boss
    mine = created(li, 4)
    li.DeleteCustomer(id=mine[3].id, etag=mine[3].etag)
    created(wang, 1)
    handing = Handing(server, li, wang)
    handing.decide("created")
    handing.decide("started")
    assert (handing.part().moved, handing.part().failed, held(server, wang)) == (3, 1, 3)
    asked = {"handover_id": handing.record.id, "record_type": "customer", "outcome": "failed"}
    (failed,) = boss.ListHandoverItems(**asked).items
    assert (failed.record_id, failed.reason) == (mine[2].id, "王的库容已满（3）")
    limits = {"id": pool.id, "limits": [{"person_capacity": 4}]}
    boss.UpdatePool(pool=limits, update_mask={"paths": ["limits"]}, etag=pool.etag)
    pools.settle()
    handing.decide("started")
    assert (handing.part().moved, handing.part().failed, held(server, wang)) == (4, 0, 4)
    handing.decide("undo_started")
    assert (handing.part().undone, held(server, wang), held(server, li)) == (4, 1, 3)
