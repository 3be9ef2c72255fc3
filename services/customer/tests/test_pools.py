"""Who sees the customers of a public pool, on every way, and what the pool hides from them."""

from __future__ import annotations

from typing import Any

import pytest

from crm.records.v1.pool_pb2 import PoolShare
from crm_kit.testing import Client, Server, refused
from crm_kit.testing.refusal import gets_through

RIGHTS = ["customer.*", "contact.*", "demand.*", "interaction.*", "pool.read"]
pytestmark = pytest.mark.feature("CUS-10")


@pytest.fixture
def member(server: Server) -> Client:
    return server.person(RIGHTS, "self", name="成员")


@pytest.fixture
def stranger(server: Server) -> Client:
    return server.person(RIGHTS, "self", name="外人")


def ids_on_every_way(who: Client, customer_id: str) -> dict[str, bool]:
    """On which ways somebody comes upon a customer that is called 甲公司 and lies in 上海."""

    def found(ask: Any) -> bool:
        answers: list[str] = []
        allowed = gets_through(lambda: answers.extend(ask()))
        return allowed and customer_id in answers

    return {
        "read": found(lambda: [who.GetCustomer(id=customer_id).id]),
        "list": found(lambda: [c.id for c in who.ListCustomers().customers]),
        "filter": found(lambda: [c.id for c in who.ListCustomers(filter='city = "上海"').customers]),
        "search": found(lambda: [c.id for c in who.ListCustomers(search="甲公").customers]),
        "total": who.ListCustomers(count="exact").total == 1,
        "count": who.CountCustomers(group_by="city").total == 1,
        "export": "甲公司" in who.ExportRecords(record_type="customer", format="csv").data.decode("utf-8-sig"),
        "print": "甲公司" in who.PrintRecords(record_type="customer").data.decode(),
        "changes": found(
            lambda: [c.record_id for c in who.ListChanges(record_type="customer", id=customer_id).changes]
        ),
        "timeline": found(lambda: [who.ListTimeline(customer_id=customer_id) and customer_id]),
        "contacts": bool(who.ListContacts().contacts),
        "moves": found(lambda: [m.customer_id for m in who.ListCustomerPoolMoves(id=customer_id).moves]),
    }


def in_pool(pools: Any, boss: Client, pool: Any, **fields: Any) -> Any:
    made = boss.CreateCustomer(customer={"name": "甲公司", "city": "上海", **fields})
    boss.CreateContact(contact={"customer_id": made.id, "name": "王芳", "mobile": "13900139000"})
    boss.GiveBackCustomer(id=made.id, etag=made.etag, reason="no_time", pool_id=pool.id)
    return boss.GetCustomer(id=made.id)


def test_members_see_the_customers_of_their_pool_on_every_way_and_nobody_else_does(
    pools: Any, boss: Client, member: Client, stranger: Client
) -> None:
    pool = pools.make(member_user_ids=[member.user_id])
    customer = in_pool(pools, boss, pool)
    assert (customer.owner_id, customer.department_id, customer.pool_id) == ("", "", pool.id)
    assert set(ids_on_every_way(member, customer.id).values()) == {True}
    assert set(ids_on_every_way(stranger, customer.id).values()) == {False}


def test_people_are_members_by_their_department_those_below_and_their_role(
    server: Server, pools: Any, boss: Client
) -> None:
    east = server.department("华东")
    shanghai = server.department("上海", east)
    role = server.role(["customer.read"], "self")
    code = server.sql("SELECT code FROM org_role WHERE id = :id", id=role)[0][0]
    pool = pools.make(member_department_ids=[east], member_role_codes=[code])
    customer = in_pool(pools, boss, pool)
    below = server.person(RIGHTS, "self", department_id=shanghai)
    with_role = server.person(["task.read"], "self", also=[role])
    beside = server.person(RIGHTS, "self", department_id=server.department("华北"))
    assert below.GetCustomer(id=customer.id).name == with_role.GetCustomer(id=customer.id).name == "甲公司"
    with refused("NOT_FOUND"):
        beside.GetCustomer(id=customer.id)
    server.sql("UPDATE org_user SET department_id = :d WHERE id = :u", d=shanghai, u=beside.user_id)
    pools.settle()
    assert beside.GetCustomer(id=customer.id).name == "甲公司"


def test_a_member_looks_and_does_not_touch(pools: Any, boss: Client, member: Client) -> None:
    customer = in_pool(pools, boss, pools.make(member_user_ids=[member.user_id]))
    contact = member.ListContacts().contacts[0]
    change = {"id": customer.id, "name": "乙公司"}
    with refused("PERMISSION_DENIED", "IN_POOL"):
        member.UpdateCustomer(customer=change, update_mask={"paths": ["name"]}, etag=customer.etag)
    with refused("PERMISSION_DENIED", "IN_POOL"):
        member.DeleteCustomer(id=customer.id, etag=customer.etag)
    with refused("PERMISSION_DENIED", "IN_POOL"):
        member.AssignCustomer(id=customer.id, etag=customer.etag, owner_id=member.user_id)
    with refused("PERMISSION_DENIED", "IN_POOL"):
        member.CreateContact(contact={"customer_id": customer.id, "name": "李明"})
    with refused("PERMISSION_DENIED", "IN_POOL"):
        member.DeleteContact(id=contact.id, etag=contact.etag)


def test_a_draft_shows_nothing_and_neither_does_a_pool_that_was_taken_out_of_use(
    pools: Any, boss: Client, member: Client
) -> None:
    pool = pools.make(member_user_ids=[member.user_id])
    customer = in_pool(pools, boss, pool)
    assert member.GetCustomer(id=customer.id).id == customer.id
    draft = boss.DeactivatePool(id=pool.id, etag=pool.etag)
    pools.settle()
    with refused("NOT_FOUND"):
        member.GetCustomer(id=customer.id)
    with refused("FAILED_PRECONDITION", "POOL_NOT_EMPTY"):
        boss.DeletePool(id=pool.id, etag=draft.etag)
    boss.ActivatePool(id=pool.id, etag=draft.etag)
    pools.settle()
    assert member.GetCustomer(id=customer.id).id == customer.id


def test_hidden_fields_are_neither_shown_nor_found_by_nor_compared(pools: Any, boss: Client, member: Client) -> None:
    hidden = ["mobile", "remarks", "employees", "contact"]
    pool = pools.make(member_user_ids=[member.user_id], hidden_fields=hidden)
    there = in_pool(pools, boss, pool, mobile="13800138000", remarks="要紧的", employees=7, website="a.example")
    own = member.CreateCustomer(
        customer={"name": "自家", "city": "上海", "mobile": "13800138000", "remarks": "要紧的", "employees": 7}
    )

    def found(**query: Any) -> list[str]:
        return [c.id for c in member.ListCustomers(**query).customers]

    seen = member.GetCustomer(id=there.id)
    assert (seen.mobile, seen.remarks, seen.HasField("employees"), seen.website) == ("", "", False, "a.example")
    listed = {c.id: c for c in member.ListCustomers(fields="name,mobile,remarks").customers}
    assert (listed[there.id].mobile, listed[there.id].remarks, listed[there.id].pool_id) == ("", "", "")
    assert (listed[own.id].mobile, listed[own.id].remarks) == ("13800138000", "要紧的")
    assert {*found(filter='city = "上海"')} == {*found(search="公司"), own.id} == {there.id, own.id}
    assert found(filter='remarks = "要紧的"') == found(filter="employees = 7") == [own.id]
    assert found(filter="employees = null") == []
    assert found(filter='mobile = "13800138000"') == found(search="13800138000") == [own.id]
    assert found(search="王芳") == found(search="13900139000") == []
    assert found(order_by="employees") == [own.id]
    assert list(member.ListContacts().contacts) == []
    exported = member.ExportRecords(record_type="customer", format="csv", fields="name,mobile,remarks")
    assert exported.data.decode("utf-8-sig").count("要紧的") == 1
    told = [
        c.field for change in member.ListChanges(record_type="customer", id=there.id).changes for c in change.changes
    ]
    assert "website" in told
    assert not {"mobile", "remarks", "employees"} & {*told}
    assert boss.GetCustomer(id=there.id).remarks == "要紧的"


@pytest.mark.parametrize(("hidden", "seen"), [((), True), (("trade_entry",), False)])
def test_the_trade_of_a_customer_is_seen_in_a_pool_unless_it_hides_it(
    server: Server, pools: Any, boss: Client, hidden: tuple[str, ...], seen: bool
) -> None:
    member = server.person([*RIGHTS, "trade_entry.read"], "self")
    customer = in_pool(pools, boss, pools.make(member_user_ids=[member.user_id], hidden_fields=hidden))
    order = {"customer_id": customer.id, "kind": "order", "date": "2026-03-01", "amount": "500"}
    made = boss.CreateTradeEntry(trade_entry=order)

    assert [e.id for e in member.ListTradeEntries().trade_entries] == [made.id] * seen
    assert gets_through(lambda: member.GetTradeEntry(id=made.id)) == seen
    assert gets_through(lambda: member.GetTradeFigures(customer_id=customer.id)) == seen
    taken = member.ClaimCustomer(id=customer.id, etag=boss.GetCustomer(id=customer.id).etag)
    assert member.GetTradeFigures(customer_id=taken.id, from_date="2026-01-01").order_amount == "500.00"


def test_what_is_taken_is_seen_in_full(pools: Any, boss: Client, member: Client) -> None:
    pool = pools.make(member_user_ids=[member.user_id], hidden_fields=["mobile", "contact"])
    there = in_pool(pools, boss, pool, mobile="13800138000")
    taken = member.ClaimCustomer(id=there.id, etag=there.etag)
    assert (taken.mobile, taken.owner_id, taken.pool_id) == ("13800138000", member.user_id, "")
    assert [c.name for c in member.ListContacts().contacts] == ["王芳"]


def test_what_everybody_knows_of_a_customer_cannot_be_hidden(boss: Client) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "hiddenFields[0]"):
        boss.CreatePool(pool={"name": "公海", "hidden_fields": ["name"]})


def test_details_are_seen_by_who_opens_a_customer_and_each_different_one_counts(
    pools: Any, boss: Client, member: Client
) -> None:
    limits = [{"views_per_day": 2}]
    pool = pools.make(member_user_ids=[member.user_id], limits=limits, hidden_fields=["mobile"])
    made = [in_pool(pools, boss, pool, address=f"路{i}号", mobile="13800138000") for i in range(3)]
    assert [member.GetCustomer(id=c.id).address for c in made] == ["", "", ""]
    assert list(member.ListContacts().contacts) == []
    asked = (
        lambda: member.ListCustomerPoolMoves(id=made[0].id).moves,
        lambda: member.ListChanges(record_type="customer", id=made[0].id).changes,
        lambda: [member.GetReturnTerms(id=made[0].id)],
        lambda: [member.ListAllocations(customer_id=made[0].id)],
        lambda: [member.ListTeam(record_type="customer", id=made[0].id)],
        lambda: [member.ListFollowers(record_type="customer", id=made[0].id)],
    )
    for ask in asked:
        with refused("NOT_FOUND"):
            ask()
    opened = member.ViewPoolCustomer(id=made[0].id)
    assert (opened.address, opened.mobile) == ("路0号", "")
    assert member.ViewPoolCustomer(id=made[0].id).address == "路0号"
    assert member.ViewPoolCustomer(id=made[1].id).address == "路1号"
    with refused("RESOURCE_EXHAUSTED", "POOL_VIEWS_USED"):
        member.ViewPoolCustomer(id=made[2].id)
    pools.settle()
    assert all(ask() for ask in asked)
    assert [member.GetCustomer(id=c.id).address for c in made] == ["路0号", "路1号", ""]
    assert {c.customer_id for c in member.ListContacts().contacts} == {made[0].id, made[1].id}
    assert boss.ViewPoolCustomer(id=made[2].id).address == "路2号"
    other = boss.CreateCustomer(customer={"name": "乙"})
    boss.AssignCustomer(id=made[0].id, etag=made[0].etag, owner_id=boss.user_id)
    with refused("NOT_FOUND"):
        member.GetCustomer(id=made[0].id)
    with refused("NOT_FOUND"):
        member.ViewPoolCustomer(id=other.id)
    assert {c.customer_id for c in member.ListContacts().contacts} == {made[1].id}


def test_the_pool_is_a_link_of_the_explanation(pools: Any, boss: Client, member: Client, stranger: Client) -> None:
    pool = pools.make("东区公海", member_user_ids=[member.user_id])
    customer = in_pool(pools, boss, pool)

    def explained(who: Client, right: str) -> tuple[bool, list[tuple[bool, str, str]]]:
        told = boss.ExplainAccess(record_type="customer", id=customer.id, user_id=who.user_id, right=right)
        return told.allowed, [(s.held, s.id, s.text) for s in told.steps if s.kind == "pool"]

    inside, outside = "在公海“东区公海”中，此人是其成员", "在公海“东区公海”中，此人不是其成员"
    assert explained(member, "read") == (True, [(True, pool.id, inside)])
    short = f"{inside}，但成员身份不给予 customer.update"
    assert explained(member, "update") == (False, [(False, pool.id, short)])
    assert explained(stranger, "read") == (False, [(False, pool.id, outside)])


def test_other_services_are_told_who_looks_into_a_pool(server: Server, pools: Any, member: Client) -> None:
    pool = pools.make(member_user_ids=[member.user_id], hidden_fields=["mobile"])
    told = [PoolShare.FromString(e.record.value) for e in server.events("pool_share")]
    assert [(s.id, s.active, list(s.user_ids), list(s.hidden)) for s in told] == [
        (pool.id, False, [member.user_id], ["mobile"]),
        (pool.id, True, [member.user_id], ["mobile"]),
    ]
    server.sql("DELETE FROM pool_share")
    server.deliver("customer", *server.events("pool_share"))
    assert server.sql("SELECT active, version FROM pool_share") == [(True, 2)]


def test_rules_and_limits_are_checked(boss: Client) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "returnRules[0]"):
        boss.CreatePool(pool={"name": "公海", "return_rules": [{"warning_days": 3}]})
    twice = [{"no_deal_days": 3, "levels": ["a"]}, {"no_deal_days": 4, "levels": ["a"]}]
    with refused("INVALID_ARGUMENT"):
        boss.CreatePool(pool={"name": "公海", "return_rules": twice})
    with refused("INVALID_ARGUMENT"):
        boss.CreatePool(pool={"name": "公海", "return_rules": [{"no_deal_days": 3, "levels": ["nosuch"]}]})
    with refused("INVALID_ARGUMENT"):
        boss.CreatePool(pool={"name": "公海", "filter": "nosuch = 1"})
    with refused("INVALID_ARGUMENT"):
        boss.CreatePool(pool={"name": "公海", "limits": [{}, {}]})
