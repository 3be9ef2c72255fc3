"""Customers are given away by rules: when they are made, in bulk, with the reason kept."""

from __future__ import annotations

from typing import Any

import pytest

from crm.records.v1.acts_pb2 import Act
from crm_kit.testing import Client, Server, refused

pytestmark = [pytest.mark.feature("CUS-09")]


@pytest.fixture
def people(server: Server) -> list[Client]:
    return [server.person(["customer.read", "customer.update"], "self", name=n) for n in ("甲", "乙", "丙")]


def rule(boss: Client, strategy: str, *people: Client, **fields: Any) -> Any:
    named = [p.user_id for p in people]
    given = {"name": "规则", "strategy": strategy, "user_ids": named, "active": True, **fields}
    return boss.CreateAllocationRule(allocation_rule=given)


def made(person: Client, count: int, *, allocate: bool = True, **fields: Any) -> list[Any]:
    return [person.CreateCustomer(customer={"name": f"客户{i}", **fields}, allocate=allocate) for i in range(count)]


def run(server: Server, person: Client, **selection: Any) -> dict[str, Any]:
    job = person.AllocateCustomers(**selection)
    server.run_jobs()
    done = person.GetJob(record_type="customer", id=job.id)
    assert done.state == "done", done.reason
    return {**dict(done.result), "act": job.id}


def test_the_first_active_rule_whose_condition_a_customer_meets_counts(
    server: Server, boss: Client, people: list[Client]
) -> None:
    one, two, three = people
    rule(boss, "fixed", three, position=300)
    rule(boss, "fixed", one, position=1, condition='region = "east" AND industry = "software"')
    rule(boss, "fixed", two, position=2, condition='region = "east"')
    rule(boss, "fixed", boss, position=0, active=False)
    owners = [
        made(boss, 1, region=region, industry=industry)[0].owner_id
        for region, industry in (("east", "software"), ("east", "retail"), ("north", "software"))
    ]
    assert owners == [one.user_id, two.user_id, three.user_id]


def test_people_take_turns_and_those_who_left_are_passed_over(
    server: Server, boss: Client, people: list[Client]
) -> None:
    one, two, three = people
    rule(boss, "round_robin", *people)
    turns = [c.owner_id for c in made(boss, 4)]
    assert turns == [one.user_id, two.user_id, three.user_id, one.user_id]
    server.sql("UPDATE org_user SET active = false WHERE id = :id", id=two.user_id)
    assert [c.owner_id for c in made(boss, 2)] == [three.user_id, one.user_id]


def test_whoever_has_least_gets_the_next_one_up_to_a_limit(server: Server, boss: Client, people: list[Client]) -> None:
    one, two, three = people
    for owner, n in ((one, 3), (two, 1), (three, 2)):
        made(boss, n, allocate=False, owner_id=owner.user_id)
    rule(boss, "least_load", *people, capacity=3, position=1)
    got = [c.owner_id for c in made(boss, 3)]
    assert got == [two.user_id, two.user_id, three.user_id]
    assert [c.owner_id for c in made(boss, 1)] == [boss.user_id]  # nobody has room: it is whose it would be
    rule(boss, "department", department_id=server.department("储备"), position=2)
    assert [c.owner_id for c in made(boss, 1)] == [""]


def test_a_customer_goes_to_a_department_and_its_manager_gives_it_on(server: Server, boss: Client) -> None:
    manager = server.person(["customer.*"], "subordinates")
    department = server.department("东区", manager=manager)
    seller = server.person(["customer.read"], "self", manager=manager)
    elsewhere = server.person(["customer.read"], "self", department_id=server.department("西区"))
    rule(boss, "department", department_id=department, condition='region = "east"')
    customer = made(boss, 1, region="east")[0]
    assert (customer.owner_id, customer.department_id) == ("", department)
    seen = manager.GetCustomer(id=customer.id)
    with refused("INVALID_ARGUMENT", "", "ownerId"):
        manager.AssignCustomer(id=seen.id, etag=seen.etag, owner_id=elsewhere.user_id)
    assert manager.AssignCustomer(id=seen.id, etag=seen.etag, owner_id=seller.user_id).owner_id == seller.user_id
    assert seller.GetCustomer(id=customer.id).id == customer.id
    actions = [c.action for c in boss.ListChanges(record_type="customer", id=customer.id).changes]
    assert actions == ["created", "assigned", "assigned"]


def test_new_customers_that_nobody_owns_are_given_away_unasked_by_the_rules_for_that(
    server: Server, boss: Client, people: list[Client]
) -> None:
    one, two, _ = people
    department = server.department("总部")
    rule(boss, "fixed", one, position=1)
    rule(boss, "fixed", two, position=2, unowned=True)
    assert made(boss, 1, allocate=False, department_id=department)[0].owner_id == two.user_id
    assert made(boss, 1, allocate=False)[0].owner_id == boss.user_id


def test_whoever_makes_customers_needs_no_right_to_assign_them(
    server: Server, boss: Client, people: list[Client]
) -> None:
    rule(boss, "fixed", people[0])
    clerk = server.person(["customer.read", "customer.create"], "self")
    customer = made(clerk, 1)[0]
    assert customer.owner_id == people[0].user_id
    with refused("NOT_FOUND"):
        clerk.GetCustomer(id=customer.id)
    told = [e for e in server.events("customer") if e.record_id == customer.id]
    assert [(e.action, e.actor_id, e.bulk) for e in told] == [
        ("created", clerk.user_id, False),
        ("assigned", clerk.user_id, False),
    ]


def test_rows_of_an_import_are_given_away_and_each_taker_is_told_once(
    server: Server, boss: Client, people: list[Client]
) -> None:
    rule(boss, "round_robin", *people)
    rows = [{"name": f"导入{i}", "external_id": f"E{i}"} for i in range(7)]
    assert boss.ImportCustomers(customers=rows, allocate=True).created == 7
    assert {c.owner_id for c in boss.ListCustomers(fields="owner_id").customers} == {p.user_id for p in people}
    (told,) = server.events("act")
    given = {g.user_id: g.count for g in Act.FromString(told.record.value).given}
    assert (told.action, given) == ("given", dict(zip((p.user_id for p in people), (3, 2, 2), strict=True)))
    assert all(e.bulk for e in server.events("customer"))


def test_many_are_given_away_as_an_act_with_reasons_and_come_back(
    server: Server, boss: Client, people: list[Client]
) -> None:
    one, two, three = people
    east = made(boss, 230, allocate=False, region="east")
    west = made(boss, 1, allocate=False, region="south")
    made_by = rule(boss, "least_load", *people, condition='region = "east"')
    seen = boss.PreviewAllocation(everything=True)
    assert (seen.total, seen.unmatched, seen.capped) == (231, 1, False)
    assert {s.name: (s.count, s.holds) for s in seen.shares} == {"甲": (77, 0), "乙": (77, 0), "丙": (76, 0)}
    assert boss.GetCustomer(id=east[0].id).owner_id == boss.user_id
    result = run(server, boss, everything=True)
    assert (result["changed"], result["failed"]) == (230, 1)
    assert one.ListCustomers(count="exact").total == 77
    failed = boss.ListActItems(record_type="customer", id=result["act"], outcome="failed").items
    assert [(f.record_id, f.reason) for f in failed] == [(west[0].id, "没有适用的分配规则")]
    (kept,) = boss.ListAllocations(customer_id=east[0].id).allocations
    assert (kept.rule_id, kept.rule_version, kept.from_user_id) == (made_by.id, 1, boss.user_id)
    assert (kept.strategy, kept.why["load"], kept.act_id) == ("least_load", "held", result["act"])
    (told,) = server.events("act")
    given = {g.user_id: g.count for g in Act.FromString(told.record.value).given}
    assert given == {one.user_id: 77, two.user_id: 77, three.user_id: 76}
    boss.UndoAct(record_type="customer", id=result["act"])
    server.run_jobs()
    assert boss.ListCustomers(filter=f'owner_id = "{boss.user_id}"', count="exact").total == 231


def test_only_what_the_caller_may_assign_is_given_away(server: Server, boss: Client, people: list[Client]) -> None:
    lead = server.person([*("customer.read", "customer.create", "customer.assign")], "self")
    rule(boss, "fixed", people[0])
    mine, other = made(lead, 1, allocate=False)[0], made(boss, 1, allocate=False)[0]
    result = run(server, lead, ids=[mine.id, other.id])
    assert (result["changed"], result["failed"]) == (1, 1)
    assert boss.GetCustomer(id=other.id).owner_id == boss.user_id
    with refused("PERMISSION_DENIED"):
        people[0].AllocateCustomers(ids=[mine.id])
    with refused("NOT_FOUND"):
        lead.ListAllocations(customer_id=other.id)


def test_giving_many_to_one_tells_that_once(server: Server, boss: Client, people: list[Client]) -> None:
    customers = made(boss, 12, allocate=False)
    boss.BulkAssign(record_type="customer", ids=[c.id for c in customers], owner_id=people[0].user_id)
    server.run_jobs()
    (told,) = server.events("act")
    act = Act.FromString(told.record.value)
    assert (act.record_type, [(g.user_id, g.count) for g in act.given]) == ("customer", [(people[0].user_id, 12)])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"strategy": "department"}, "departmentId"),
        ({"strategy": "fixed"}, "userIds"),
        ({"strategy": "fixed", "condition": "region ~ east"}, "condition"),
        ({"strategy": "fixed", "condition": 'nonsense = "x"'}, "condition"),
        ({"strategy": "by_chance"}, "strategy"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(
    boss: Client, people: list[Client], wrong: dict[str, Any], field: str
) -> None:
    named = [people[0].user_id] if "condition" in wrong else []
    with refused("INVALID_ARGUMENT", "", field):
        boss.CreateAllocationRule(allocation_rule={"name": "规则", "user_ids": named, **wrong})


def test_a_changed_rule_decides_as_its_new_version(boss: Client, people: list[Client]) -> None:
    first = rule(boss, "fixed", people[0])
    boss.UpdateAllocationRule(
        allocation_rule={"id": first.id, "user_ids": [people[1].user_id]},
        update_mask={"paths": ["user_ids"]},
        etag=first.etag,
    )
    customer = made(boss, 1)[0]
    (kept,) = boss.ListAllocations(customer_id=customer.id).allocations
    assert (kept.to_user_id, kept.rule_version) == (people[1].user_id, 2)


def test_who_does_not_see_the_owner_is_not_told_it_by_the_reasons(
    server: Server, boss: Client, people: list[Client]
) -> None:
    rule(boss, "least_load", people[0])
    customer = made(boss, 1)[0]
    hidden = [{"resource": "customer", "field": "owner_id", "rule": "hidden"}]
    reader = server.person(["customer.*"], fields=hidden)

    (kept,) = reader.ListAllocations(customer_id=customer.id).allocations

    assert (kept.rule_name, kept.from_user_id, kept.to_user_id, len(kept.why)) == ("规则", "", "", 0)
