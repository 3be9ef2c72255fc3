"""Customers leave a pool: claims within quota, capacity and cool-down, gifts of administrators, giving back by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import grpc
import pytest

from crm_kit import rpc
from crm_kit.testing import Client, Server, refused
from customer.customers import CUSTOMERS

RIGHTS = ["customer.*", "contact.*", "pool.read"]
pytestmark = pytest.mark.feature("CUS-10")


def outcomes(calls: Iterable[Callable[[], Any]], threads: int = 20) -> Counter[str]:
    """How often each answer came to calls made at once: "OK", or the code and the reason."""

    def one(call: Callable[[], Any]) -> str:
        try:
            call()
        except grpc.RpcError as error:
            return cast(Any, error).code().name
        return "OK"

    with ThreadPoolExecutor(threads) as workers:
        return Counter(workers.map(one, calls))


def people(server: Server, count: int, **more: Any) -> list[Client]:
    return [server.person(RIGHTS, "self", name=f"销售{i}", **more) for i in range(count)]


def ago(**time: float) -> datetime:
    return datetime.now(UTC) - timedelta(**time)


def test_of_two_who_claim_one_customer_at_once_one_gets_it(
    server: Server, boss: Client, pools: Any, measured: Any
) -> None:
    both = people(server, 2)
    pool = pools.make(member_user_ids=[p.user_id for p in both])
    won = Counter[str]()
    for _ in range(10):
        there = pools.put(pool)
        claims = [lambda p=p, c=there: p.ClaimCustomer(id=c.id, etag=c.etag) for p in both]
        won += outcomes(claims, 2)
        owners = {boss.GetCustomer(id=there.id).owner_id}
        assert len(owners & {p.user_id for p in both}) == 1
    assert won["OK"] == 10
    assert sum(won.values()) == 20
    measured(f"10 customers claimed twice at once: {dict(won)}")


def test_twenty_people_at_the_edge_of_their_quota_never_exceed_it(server: Server, pools: Any, measured: Any) -> None:
    twenty = people(server, 20)
    pool = pools.make(member_user_ids=[p.user_id for p in twenty], limits=[{"claims_per_day": 2}])
    there = [pools.put(pool) for _ in range(80)]
    tries = [(p, there[4 * i + k]) for k in range(4) for i, p in enumerate(twenty)]
    got = outcomes(lambda p=p, c=c: p.ClaimCustomer(id=c.id, etag=c.etag) for p, c in tries)
    held = Counter(r[0] for r in server.sql("SELECT owner_id::text FROM customer WHERE owner_id IS NOT NULL"))
    assert {held[p.user_id] for p in twenty} == {2}
    assert got == {"OK": 40, "RESOURCE_EXHAUSTED": 40}
    measured(f"20 people, 80 claims at once, 2 a day each: {dict(got)}, most held {max(held.values())}")


def test_a_department_never_holds_more_than_it_may(server: Server, pools: Any, measured: Any) -> None:
    east = server.department("华东")
    ten = people(server, 10, department_id=server.department("上海", east))
    limits = [{"department_id": east, "department_capacity": 7, "person_capacity": 3}]
    pool = pools.make(member_department_ids=[east], limits=limits)
    there = [pools.put(pool) for _ in range(20)]
    got = outcomes(
        lambda p=p, c=c: p.ClaimCustomer(id=c.id, etag=c.etag) for p, c in zip([*ten, *ten], there, strict=True)
    )
    held = server.sql("SELECT count(*) FROM customer WHERE owner_id IS NOT NULL")[0][0]
    assert (held, got) == (7, {"OK": 7, "FAILED_PRECONDITION": 13})
    measured(f"20 claims at once into a department for 7: {held} held")


def test_a_person_holds_no_more_than_they_may(server: Server, pools: Any) -> None:
    li = people(server, 1)[0]
    pool = pools.make(member_user_ids=[li.user_id], limits=[{"person_capacity": 2}])
    li.CreateCustomer(customer={"name": "自家"})
    one, two = pools.put(pool), pools.put(pool)
    li.ClaimCustomer(id=one.id, etag=one.etag)
    with refused("FAILED_PRECONDITION", "POOL_PERSON_FULL"):
        li.ClaimCustomer(id=two.id, etag=two.etag)


def test_the_limit_of_the_nearest_department_holds(server: Server, pools: Any) -> None:
    company = server.department("公司")
    east = server.department("华东", company)
    shanghai = server.department("上海", east)
    li, zhao = people(server, 1, department_id=shanghai)[0], people(server, 1, department_id=company)[0]
    limits = [{"claims_per_day": 0}, {"department_id": company, "claims_per_day": 1}]
    limits += [{"department_id": east, "claims_per_day": 2}]
    pool = pools.make(member_department_ids=[company], limits=limits)
    for who, many in ((li, 2), (zhao, 1)):
        for _ in range(many):
            there = pools.put(pool)
            who.ClaimCustomer(id=there.id, etag=there.etag)
        there = pools.put(pool)
        with refused("RESOURCE_EXHAUSTED", "POOL_CLAIMS_USED"):
            who.ClaimCustomer(id=there.id, etag=there.etag)


def test_yesterdays_claims_do_not_count(server: Server, pools: Any) -> None:
    li = people(server, 1)[0]
    pool = pools.make(member_user_ids=[li.user_id], limits=[{"claims_per_day": 1}])
    for _ in range(2):
        there = pools.put(pool)
        li.ClaimCustomer(id=there.id, etag=there.etag)
        server.sql("UPDATE pool_move SET day = day - 1")


def test_a_fresh_customer_and_the_former_owner_wait(server: Server, pools: Any) -> None:
    li, wang = people(server, 2)
    both = [li.user_id, wang.user_id]
    pool = pools.make(member_user_ids=both, fresh_days=2, former_owner_days=10)
    there = pools.put(pool, owner=li)
    with refused("FAILED_PRECONDITION", "POOL_FRESH"):
        wang.ClaimCustomer(id=there.id, etag=there.etag)
    server.sql("UPDATE customer SET pool_time = :then", then=ago(days=2))
    server.sql("UPDATE pool_move SET day = day - 2")
    with refused("FAILED_PRECONDITION", "POOL_FORMER_OWNER") as refusal:
        li.ClaimCustomer(id=there.id, etag=there.etag)
    assert "起可再领取" in refusal.message
    taken = wang.ClaimCustomer(id=there.id, etag=there.etag)
    wang.GiveBackCustomer(id=taken.id, etag=taken.etag, reason="no_answer")
    server.sql("UPDATE customer SET pool_time = :then", then=ago(days=2))
    assert li.ClaimCustomer(id=taken.id, etag=str(int(taken.etag) + 1)).owner_id == li.user_id


def test_only_members_claim_and_only_what_lies_in_a_pool(server: Server, boss: Client, pools: Any) -> None:
    li, stranger = people(server, 2)
    pool = pools.make(member_user_ids=[li.user_id])
    there = pools.put(pool)
    with refused("NOT_FOUND"):
        stranger.ClaimCustomer(id=there.id, etag=there.etag)
    with refused("PERMISSION_DENIED", "NOT_A_MEMBER"):
        boss.ClaimCustomer(id=there.id, etag=there.etag)
    with refused("ABORTED"):
        li.ClaimCustomer(id=there.id, etag="1")
    own = li.CreateCustomer(customer={"name": "自家"})
    with refused("FAILED_PRECONDITION", "NOT_IN_POOL"):
        li.ClaimCustomer(id=own.id, etag=own.etag)
    reader = server.person(["customer.read"], "self")
    with refused("PERMISSION_DENIED"):
        reader.ClaimCustomer(id=there.id, etag=there.etag)


def test_administrators_give_out_of_the_pool_and_members_do_not(server: Server, pools: Any) -> None:
    li, wang = people(server, 2)
    pool = pools.make(member_user_ids=[wang.user_id], administrator_user_ids=[li.user_id])
    there = pools.put(pool)
    with refused("PERMISSION_DENIED", "NOT_POOL_ADMINISTRATOR"):
        wang.GiveOutCustomer(id=there.id, etag=there.etag, owner_id=wang.user_id)
    with refused("INVALID_ARGUMENT", "INVALID", "ownerId"):
        li.GiveOutCustomer(id=there.id, etag=there.etag, owner_id=there.id)
    given = li.GiveOutCustomer(id=there.id, etag=there.etag, owner_id=wang.user_id)
    assert (given.owner_id, given.pool_id) == (wang.user_id, "")
    moves = li.ListPoolMoves(id=pool.id).moves
    assert [(m.kind, m.into, m.to_user_name, m.actor_name) for m in moves] == [
        ("assigned", False, "销售1", "销售0"),
        ("given_back", True, "", "总经理"),
    ]
    with refused("PERMISSION_DENIED", "NOT_POOL_ADMINISTRATOR"):
        wang.ListPoolMoves(id=pool.id)


def test_capacity_is_obeyed_when_a_manager_assigns_only_where_the_pool_says_so(
    server: Server, boss: Client, pools: Any
) -> None:
    li = people(server, 1)[0]
    limits = [{"person_capacity": 1}]
    loose = pools.make("宽", administrator_user_ids=[boss.user_id], limits=limits)
    li.CreateCustomer(customer={"name": "自家"})
    there = pools.put(loose)
    boss.GiveOutCustomer(id=there.id, etag=there.etag, owner_id=li.user_id)
    other = boss.CreateCustomer(customer={"name": "乙"})
    fields = {"id": loose.id, "capacity_on_assignment": True}
    boss.UpdatePool(pool=fields, update_mask={"paths": ["capacity_on_assignment"]}, etag=loose.etag)
    pools.settle()
    with refused("FAILED_PRECONDITION", "POOL_PERSON_FULL"):
        boss.AssignCustomer(id=other.id, etag=other.etag, owner_id=li.user_id)
    there = pools.put(loose)
    with refused("FAILED_PRECONDITION", "POOL_PERSON_FULL"):
        boss.GiveOutCustomer(id=there.id, etag=there.etag, owner_id=li.user_id)
    job = boss.BulkAssign(record_type="customer", ids=[other.id], owner_id=li.user_id)
    server.run_jobs()
    assert dict(boss.GetJob(record_type="customer", id=job.id).result)["failed"] == 1


def test_an_owner_gives_back_with_a_reason_and_every_move_is_kept(server: Server, boss: Client, pools: Any) -> None:
    li = people(server, 1)[0]
    pool = pools.make(member_user_ids=[li.user_id], return_reasons=["no_need", "other"])
    own = li.CreateCustomer(customer={"name": "自家"})
    with refused("INVALID_ARGUMENT", "INVALID", "reason"):
        li.GiveBackCustomer(id=own.id, etag=own.etag, reason="no_time")
    move = li.GiveBackCustomer(id=own.id, etag=own.etag, reason="no_need", note="再说")
    assert (move.pool_id, move.kind, move.reason_label, move.note) == (pool.id, "given_back", "客户无需求", "再说")
    assert (move.from_user_name, move.number, move.into) == ("销售0", own.number, True)
    events = [e.action for e in server.events("customer")]
    assert events == ["created", "given_back"]
    there = boss.GetCustomer(id=own.id)
    taken = li.ClaimCustomer(id=own.id, etag=there.etag)
    boss.GiveBackCustomer(id=own.id, etag=taken.etag, reason="other")
    kinds = [(m.kind, m.actor_name) for m in li.ListCustomerPoolMoves(id=own.id).moves]
    assert kinds == [("given_back", "总经理"), ("claimed", "销售0"), ("given_back", "销售0")]
    stranger = people(server, 1)[0]
    with refused("NOT_FOUND"):
        stranger.GiveBackCustomer(id=own.id, etag="4", reason="other")
    with refused("FAILED_PRECONDITION", "IN_A_POOL"):
        boss.GiveBackCustomer(id=own.id, etag="4", reason="other")
    figures = boss.GetPoolStatistics(id=pool.id)
    assert (figures.size, figures.came_in, figures.went_out) == (1, 2, 1)
    assert {(line.reason, line.count) for line in figures.incoming} == {("no_need", 1), ("other", 1)}


def test_who_gets_a_customer_by_any_other_way_takes_it_out_of_the_pool(
    server: Server, boss: Client, pools: Any
) -> None:
    pool = pools.make()
    there = pools.put(pool)
    assigned = boss.AssignCustomer(id=there.id, etag=there.etag, owner_id=boss.user_id)
    assert (assigned.pool_id, assigned.HasField("pool_time"), assigned.HasField("owner_time")) == ("", False, True)
    there = pools.put(pool)
    department = server.department("华东")
    assert boss.AssignCustomer(id=there.id, etag=there.etag, department_id=department).pool_id == ""
    assert [m.kind for m in boss.ListPoolMoves(id=pool.id).moves if not m.into] == ["taken_out", "assigned"]


def test_a_locked_customer_is_not_given_back_and_only_who_may_assign_locks(
    server: Server, boss: Client, pools: Any
) -> None:
    pools.make()
    li = server.person(["customer.read", "customer.create", "customer.update"], "self")
    own = li.CreateCustomer(customer={"name": "自家"})
    with refused("PERMISSION_DENIED"):
        li.ProtectCustomer(id=own.id, etag=own.etag, locked=True)
    locked = boss.ProtectCustomer(id=own.id, etag=own.etag, locked=True, protected_until="2030-01-01")
    assert (locked.locked, locked.protected_until) == (True, "2030-01-01")
    with refused("FAILED_PRECONDITION", "CUSTOMER_LOCKED"):
        li.GiveBackCustomer(id=own.id, etag=locked.etag, reason="other")


def test_what_was_noted_of_a_person_goes_when_the_person_is_erased(server: Server, boss: Client, pools: Any) -> None:
    pools.make()
    person = boss.CreateCustomer(customer={"name": "张三", "kind": "individual"})
    boss.GiveBackCustomer(id=person.id, etag=person.etag, reason="other", note="张三搬走了")
    with server.service.writer.begin() as connection:
        call = rpc.system_call(connection, "customer", server.service.organisation)
        CUSTOMERS.erase_besides(call, {"id": person.id}, {"id": person.id})
    move = boss.ListCustomerPoolMoves(id=person.id).moves[0]
    assert (move.reason, move.note) == ("other", "")
