"""The relationship map: who is there, how they hang together, who moves the decider, and what is not shown to whom."""

from __future__ import annotations

from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused

pytestmark = pytest.mark.feature("CUS-03")

RIGHTS = ["customer.*", "contact.*", "relationship.*"]


@pytest.fixture
def company(boss: Client) -> Any:
    return boss.CreateCustomer(customer={"name": "甲公司"})


def person(client: Client, of: Any, name: str, **more: Any) -> Any:
    return client.CreateContact(contact={"customer_id": of.id, "name": name, **more})


def tie(client: Client, kind: str, one: Any, other: Any, **more: Any) -> Any:
    ends = {}
    for end, of in (("from", one), ("to", other)):
        is_contact = of.DESCRIPTOR.name == "Contact"
        ends[f"{end}_customer_id"] = of.customer_id if is_contact else of.id
        if is_contact:
            ends[f"{end}_contact_id"] = of.id
    return client.CreateRelationship(relationship={"kind": kind, **ends, **more})


def names(drawn: Any) -> dict[str, str]:
    return {node.id: node.name for node in drawn.nodes}


def told(drawn: Any) -> set[tuple[str, str, str]]:
    """Edges as sentences."""
    known = names(drawn)
    return {(known[e.from_id], e.label, known[e.to_id]) for e in drawn.edges}


def test_the_map_says_who_influences_the_decider_and_why_strongest_first(boss: Client, company: Any) -> None:
    chief = person(boss, company, "总经理", decision_role="decider", position="general_manager")
    engineer = person(boss, company, "总工", decision_role="influencer")
    buyer = person(boss, company, "采购")
    friend = person(boss, boss.CreateCustomer(customer={"name": "乙公司"}), "老友")
    tie(boss, "reports_to", buyer, engineer)
    tie(boss, "influences", engineer, chief, strength=4, reason="技术上信任他")
    tie(boss, "influences", buyer, chief, strength=1)
    tie(boss, "classmate", chief, friend, strength=5, reason="大学同窗")
    tie(boss, "influences", buyer, engineer, strength=5, reason="报价都经他手")

    drawn = boss.GetRelationshipMap(customer_id=company.id)

    (decider,) = drawn.deciders
    assert decider.name == "总经理"
    assert [(p.name, p.strength_percent) for p in decider.paths] == [("老友", 100), ("总工", 80), ("采购", 80)]
    by_buyer = decider.paths[2]
    assert [(s.label, s.strength, s.reason) for s in by_buyer.steps] == [
        ("影响", 5, "报价都经他手"),
        ("影响", 4, "技术上信任他"),
    ]
    assert [(s.from_id, s.to_id) for s in by_buyer.steps] == [(buyer.id, engineer.id), (engineer.id, chief.id)]


def test_a_superior_moves_a_subordinate_and_the_label_is_read_that_way(boss: Client, company: Any) -> None:
    chief, head = person(boss, company, "部长", decision_role="decider"), person(boss, company, "董事长")
    tie(boss, "reports_to", chief, head)

    for language, label in (("zh-CN", "领导"), ("en", "manages")):
        drawn = boss.GetRelationshipMap(customer_id=company.id, metadata={"accept-language": language})
        (path,) = drawn.deciders[0].paths
        assert (path.name, path.steps[0].label, path.strength_percent) == ("董事长", label, 60)


def test_related_customers_are_followed_one_or_two_steps(boss: Client, company: Any) -> None:
    parent = boss.CreateCustomer(customer={"name": "集团"})
    child = boss.CreateCustomer(customer={"name": "子公司", "parent_id": company.id})
    mask = {"paths": ["parent_id"]}
    boss.UpdateCustomer(customer={"id": company.id, "parent_id": parent.id}, update_mask=mask, etag=company.etag)
    supplier, far = (boss.CreateCustomer(customer={"name": n}) for n in ("供应商", "远方"))
    tie(boss, "supplies", supplier, company)
    tie(boss, "partner", supplier, far)
    stranger = person(boss, far, "无关的人")
    assert stranger.id

    near = boss.GetRelationshipMap(customer_id=company.id)
    wide = boss.GetRelationshipMap(customer_id=company.id, depth=2)

    assert told(near) == {
        ("甲公司", "下级单位", "集团"),
        ("子公司", "下级单位", "甲公司"),
        ("供应商", "供货给", "甲公司"),
    }
    assert told(wide) == {*told(near), ("供应商", "合作伙伴", "远方")}
    assert {n.name: n.distance for n in wide.nodes} == {"甲公司": 0, "集团": 1, "子公司": 1, "供应商": 1, "远方": 2}
    assert not wide.capped
    assert child.id in names(near)


def test_a_tie_that_does_not_hold_on_the_day_is_not_drawn(boss: Client, company: Any) -> None:
    other = boss.CreateCustomer(customer={"name": "旧伙伴"})
    tie(boss, "partner", company, other, valid_until="2025-06-30")

    assert told(boss.GetRelationshipMap(customer_id=company.id)) == set()
    assert len(boss.GetRelationshipMap(customer_id=company.id, day="2025-06-30").edges) == 1


def test_a_large_map_is_capped_and_says_so(boss: Client, company: Any) -> None:
    for i in range(5):
        person(boss, company, f"联系人{i}")

    drawn = boss.GetRelationshipMap(customer_id=company.id, max_nodes=4)

    assert (len(drawn.nodes), drawn.capped) == (4, True)
    assert drawn.nodes[0].id == company.id
    whole = boss.GetRelationshipMap(customer_id=company.id, max_nodes=6)
    assert (len(whole.nodes), whole.capped) == (6, False)
    with refused("INVALID_ARGUMENT", "INVALID", "depth"):
        boss.GetRelationshipMap(customer_id=company.id, depth=3)


@pytest.fixture
def tied_abroad(boss: Client, server: Server) -> tuple[Any, Any, Any]:
    """A seller's customer with a friend at another's; also a partner of it, behind which there is more."""
    seller_role = server.role(RIGHTS, "self")
    seller = server.person([], also=[seller_role])
    own = seller.CreateCustomer(customer={"name": "自家"})
    mine = person(seller, own, "李明", decision_role="decider")
    theirs = boss.CreateCustomer(customer={"name": "别家"})
    friend = person(boss, theirs, "王芳")
    behind = boss.CreateCustomer(customer={"name": "背后"})
    tie(boss, "classmate", friend, mine, strength=5, reason="不可告人")
    tie(boss, "partner", own, theirs)
    tie(boss, "partner", theirs, behind)
    tie(boss, "related_company", own, behind, valid_until="2025-01-01")
    return seller, own, theirs


def test_of_a_customer_out_of_reach_nothing_is_told(tied_abroad: tuple[Any, Any, Any]) -> None:
    seller, own, _ = tied_abroad

    drawn = seller.GetRelationshipMap(customer_id=own.id, depth=2)

    assert {n.name for n in drawn.nodes} == {"自家", "李明"}
    assert list(drawn.edges) == []
    assert list(drawn.deciders[0].paths) == []
    for word in ("别家", "王芳", "不可告人", "背后"):
        assert word not in str(drawn)


def test_who_has_the_brief_view_knows_the_name_and_nothing_behind_it(
    server: Server, tied_abroad: tuple[Any, Any, Any]
) -> None:
    seller, own, theirs = tied_abroad
    brief = server.role(["customer_brief.read"], "all")
    server.sql("UPDATE org_user SET role_ids = role_ids || CAST(:r AS uuid) WHERE id = :u", r=brief, u=seller.user_id)
    server.service.organisation.forget()

    drawn = seller.GetRelationshipMap(customer_id=own.id, depth=2)

    assert {(n.name, n.brief) for n in drawn.nodes} == {("自家", False), ("李明", False), ("别家", True)}
    assert told(drawn) == {("自家", "合作伙伴", "别家"), ("别家", "同学", "李明")}
    assert [(p.name, p.steps[0].reason, p.steps[0].strength) for p in drawn.deciders[0].paths] == [("别家", "", 0)]
    assert all((e.reason, e.relationship_id, e.strength) == ("", "", 0) for e in drawn.edges)
    for word in ("王芳", "不可告人", "背后"):
        assert word not in str(drawn)
    with refused("NOT_FOUND"):
        seller.GetRelationshipMap(customer_id=theirs.id)


def test_who_may_not_read_contacts_sees_no_people(boss: Client, server: Server, company: Any) -> None:
    a, b = person(boss, company, "王芳"), person(boss, company, "李明")
    tie(boss, "friend", a, b)
    partner = boss.CreateCustomer(customer={"name": "乙公司"})
    tie(boss, "partner", company, partner)
    clerk = server.person(["customer.read", "relationship.read"], "all")

    drawn = clerk.GetRelationshipMap(customer_id=company.id)

    assert {n.kind for n in drawn.nodes} == {"customer"}
    assert told(drawn) == {("甲公司", "合作伙伴", "乙公司")}
    assert "王芳" not in str(drawn)


def test_the_map_obeys_field_rules(boss: Client, server: Server, company: Any) -> None:
    chief, helper = person(boss, company, "总经理", decision_role="decider"), person(boss, company, "助理")
    tie(boss, "influences", helper, chief, strength=5, reason="亲信")
    fields = [
        {"resource": "contact", "field": "decision_role", "rule": "hidden"},
        {"resource": "relationship", "field": "reason", "rule": "hidden"},
        {"resource": "relationship", "field": "strength", "rule": "hidden"},
        {"resource": "contact", "field": "name", "rule": "masked"},
    ]
    reader = server.person(RIGHTS, "all", fields=fields)

    drawn = reader.GetRelationshipMap(customer_id=company.id)

    assert list(drawn.deciders) == []
    assert {(e.reason, e.strength) for e in drawn.edges} == {("", 0)}
    assert "总经理" not in str(drawn)


def test_what_ties_people_is_not_told_to_who_does_not_see_it(boss: Client, server: Server, company: Any) -> None:
    chief, rival = person(boss, company, "总经理", decision_role="decider"), person(boss, company, "副总")
    tie(boss, "influences", rival, chief, valid_from="2026-01-01")
    fields = [{"resource": "relationship", "field": name, "rule": "hidden"} for name in ("kind", "valid_from")]
    reader = server.person(RIGHTS, "all", fields=fields)

    drawn = reader.GetRelationshipMap(customer_id=company.id)

    (edge,) = drawn.edges
    assert (edge.kind, edge.label, edge.inverse_label, edge.directed, edge.hierarchy) == ("", "", "", False, False)
    assert [list(d.paths) for d in drawn.deciders] == [[]]
    with refused("INVALID_ARGUMENT", "INVALID", "day"):
        reader.GetRelationshipMap(customer_id=company.id, day="2025-01-01")
