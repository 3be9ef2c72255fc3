"""Why somebody may, or may not, do something with a record: never other than what they are really answered."""

from __future__ import annotations

import random
from typing import Any

import pytest

from crm_kit.testing import Client, Server, gets_through, refused
from crm_kit.testing.company import Company

pytestmark = pytest.mark.feature("IDN-07")

RIGHTS = [f"{r}.{a}" for r in ("customer", "contact") for a in ("read", "update", "delete")] + ["customer.assign"]


def really(who: Client, kind: str, record_id: str, action: str) -> bool:
    """What somebody is answered who does it."""
    name, change = kind.title(), {"id": record_id, "name": "新"}
    return gets_through(
        {
            "read": lambda: getattr(who, f"Get{name}")(id=record_id),
            "update": lambda: getattr(who, f"Update{name}")(
                **{kind: change}, update_mask={"paths": ["name"]}, etag="999"
            ),
            "delete": lambda: getattr(who, f"Delete{name}")(id=record_id, etag="999"),
            "assign": lambda: who.AssignCustomer(id=record_id, etag="999", owner_id=who.user_id),
        }[action]
    )


def follows(steps: Any) -> bool:
    """What the links come to by the rule that the contract tells."""
    held = {kind: any(s.held for s in steps if s.kind == kind) for kind in {s.kind for s in steps}}
    reached = any(held.get(kind) for kind in ("owner", "scope", "creator", "team"))
    return held["account"] and held["right"] and reached


@pytest.mark.figure("R40")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_explanation_says_what_really_happens(server: Server, boss: Client, seed: int, measured: Any) -> None:
    chance = random.Random(seed)
    company = Company(server, chance, RIGHTS)
    customers, contacts = [], []
    for i in range(8):
        owner = chance.choice([*company.working, None])
        customer = {"name": f"客户{i}", "owner_id": owner.user_id if owner else ""}
        if not owner or chance.random() < 0.3:
            customer["department_id"] = chance.choice(company.departments)
        customers.append(boss.CreateCustomer(customer=customer).id)
        contacts.append(boss.CreateContact(contact={"customer_id": customers[-1], "name": "王芳"}).id)
    for customer_id in customers:
        for who in chance.sample(company.working, 3):
            access = chance.choice(["read", "write"])
            boss.PutTeamMember(record_type="customer", id=customer_id, user_id=who.user_id, access=access)
    server.service.organisation.forget()

    cases, yes, kinds = 0, 0, set()
    for who in company.people:
        for kind, ids in (("customer", customers), ("contact", contacts)):
            for record_id in chance.sample(ids, 5):
                action = chance.choice([a for r, _, a in (x.partition(".") for x in RIGHTS) if r == kind])
                for asked in {"read", action}:
                    said = boss.ExplainAccess(record_type=kind, id=record_id, user_id=who.user_id, right=asked)
                    case = f"{who.user_id} {kind} {asked}: {said}"
                    assert said.allowed == really(who, kind, record_id, asked) == follows(said.steps), case
                    assert all(s.text and "{" not in s.text for s in said.steps)
                    cases, yes = cases + 1, yes + said.allowed
                    kinds |= {s.kind for s in said.steps if s.held}

    assert cases * 3 >= 500
    assert yes > 20
    assert kinds >= {"account", "role", "right", "owner", "scope", "department", "team"}
    measured(f"{cases} explanations equal what happened, {yes} of them yes")


def told(asker: Client, record: Any, who: Client, right: str = "read", language: str = "zh-CN") -> Any:
    return asker.ExplainAccess(
        record_type="customer",
        id=record.id,
        user_id=who.user_id,
        right=right,
        metadata={"accept-language": language},
    )


def test_the_chain_from_the_role_over_the_line_of_reporting(server: Server, boss: Client) -> None:
    head = server.person(["customer.read"], "subordinates", name="张总监")
    lead = server.person(["customer.read"], "self", name="李主管", manager=head)
    seller = server.person(["customer.*"], "self", name="王销售", manager=lead)
    made = seller.CreateCustomer(customer={"name": "甲公司"})

    yes = told(boss, made, head)
    no = told(boss, made, lead)

    assert (yes.allowed, no.allowed) == (True, False)
    (line,) = [s for s in yes.steps if s.kind == "reporting_line"]
    assert line.held
    assert line.text == "汇报线：王销售 → 李主管 → 张总监"
    assert [(s.kind, s.held) for s in no.steps] == [
        ("account", True),
        ("role", True),
        ("right", True),
        ("owner", False),
        ("scope", False),
        ("team", False),
    ]
    english = told(boss, made, lead, "customer.delete", "en")
    assert english.text == "李主管 does not hold customer.delete on this record"
    assert [s.text for s in english.steps if s.kind == "role"] == ["No role gives customer.delete"]


def test_the_chain_from_a_department_to_whoever_manages_it(server: Server, boss: Client) -> None:
    head = server.person(["customer.read"], "subordinates", name="赵总监")
    stranger = server.person(["customer.read"], "subordinates", name="外人")
    nanjing = server.department("南京", server.department("华东", manager=head))
    made = boss.CreateCustomer(customer={"name": "甲公司"})
    made = boss.AssignCustomer(id=made.id, etag=made.etag, department_id=nanjing)

    yes, no = told(boss, made, head), told(boss, made, stranger, language="en")

    assert (yes.allowed, no.allowed) == (True, False)
    assert [(s.held, s.text) for s in yes.steps if s.kind == "department"] == [
        (True, "没有负责人的记录归管理其部门“华东 / 南京”或其上级部门的人：赵总监")
    ]
    assert [s.text for s in no.steps if s.kind == "department"] == [
        "What is nobody's lies with whoever manages its department, 华东 / 南京, or one above it, not with this person:"
        " 赵总监"
    ]


def test_it_moves_along_with_people_and_teams(server: Server, boss: Client) -> None:
    east, west = server.department("华东"), server.department("西部")
    head = server.person(["customer.read", "customer.update"], "department", name="主任", department_id=east)
    seller = server.person(["customer.*"], "self", name="王销售", department_id=west)
    made = seller.CreateCustomer(customer={"name": "甲公司"})
    assert not told(boss, made, head).allowed

    server.sql("UPDATE org_user SET department_id = :d WHERE id = :id", d=east, id=seller.user_id)
    server.service.organisation.forget()
    assert told(boss, made, head).allowed
    assert head.GetCustomer(id=made.id).id == made.id

    server.sql("UPDATE org_user SET department_id = :d WHERE id = :id", d=west, id=seller.user_id)
    seller.PutTeamMember(record_type="customer", id=made.id, user_id=head.user_id, access="read")
    server.service.organisation.forget()
    read, update = told(boss, made, head), told(boss, made, head, "update")
    assert (read.allowed, update.allowed) == (True, False)
    assert (read.steps[-1].text, read.steps[-1].held) == ("在相关团队中（只读）", True)
    assert (update.steps[-1].kind, update.steps[-1].held) == ("team", False)


def test_denials_and_disabled_accounts_are_named(server: Server, boss: Client) -> None:
    who = server.person(["customer.*"], "all", name="王销售")
    made = boss.CreateCustomer(customer={"name": "甲公司"})
    denial = '[{"right": "customer.update", "denied": true, "endTime": "2099-12-31T16:00:00Z"}]'
    server.sql("UPDATE org_user SET grants = CAST(:g AS jsonb) WHERE id = :id", g=denial, id=who.user_id)

    said = told(boss, made, who, "update")

    assert not said.allowed
    assert [s.text for s in said.steps if s.kind == "denial"] == ["个人被禁止 customer.update，至 2100-01-01 00:00"]
    server.sql("UPDATE org_user SET active = false WHERE id = :id", id=who.user_id)
    assert not told(boss, made, who).allowed
    assert not told(boss, made, who).steps[0].held


def test_who_may_ask_and_about_what(server: Server, boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "甲公司"})
    clerk, auditor = server.person(["customer.*"], "all"), server.person(["role.read"], "all")
    narrow = server.person(["role.read", "customer.read"], "self")

    assert boss.ExplainAccess(record_type="customer", id=made.number, user_id=clerk.user_id).allowed
    for asker in (clerk, auditor):
        with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
            told(asker, made, clerk)
    with refused("NOT_FOUND"):
        told(narrow, made, clerk)
    with refused("NOT_FOUND"):
        narrow.ExplainAccess(record_type="customer", id=made.number, user_id=clerk.user_id)
    with refused("INVALID_ARGUMENT", "INVALID", "right"):
        told(boss, made, clerk, "contact.read")
    for wrong in ({"id": "KH0"}, {"user_id": made.id}, {"user_id": "x"}, {"record_type": "unicorn"}):
        with refused("NOT_FOUND"):
            boss.ExplainAccess(**{"record_type": "customer", "id": made.id, "user_id": clerk.user_id, **wrong})
