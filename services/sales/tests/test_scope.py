"""Who sees which opportunities: their owner and the managers above, in every list, read, sum and verb."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused

RIGHTS = ["opportunity.*", "pipeline.read", "product.read"]
pytestmark = pytest.mark.feature("SAL-10")


@pytest.fixture
def manager(server: Server) -> Client:
    return server.person(RIGHTS, "subordinates", name="张主管")


@pytest.fixture
def seller(server: Server, manager: Client) -> Client:
    return server.person(RIGHTS, "self", name="李销售", manager=manager)


@pytest.fixture
def stranger(server: Server) -> Client:
    return server.person(RIGHTS, "self", name="外人")


def test_a_sales_person_sees_the_own_ones_and_a_manager_those_of_subordinates(
    seller: Client, manager: Client, stranger: Client, make: Callable[..., Any]
) -> None:
    made = make(seller, expected_amount="10")

    for person in (seller, manager):
        assert [o.id for o in person.ListOpportunities().opportunities] == [made.id]
        assert [g.count for g in person.SummarizeOpportunities(group_by="state").groups] == [1]
        assert person.GetOpportunity(id=made.id).owner_id == seller.user_id
    assert list(stranger.ListOpportunities(search="广告", count="exact").opportunities) == []
    assert list(stranger.SummarizeOpportunities(group_by="state").groups) == []


def test_what_lies_outside_the_scope_is_not_found_whatever_one_does(
    seller: Client, stranger: Client, make: Callable[..., Any], change: Callable[..., Any]
) -> None:
    made = make(seller)
    asked = {"id": made.id, "etag": made.etag}

    for step in (
        lambda: stranger.GetOpportunity(id=made.id),
        lambda: change(stranger, made, title="我的"),
        lambda: stranger.DeleteOpportunity(**asked),
        lambda: stranger.AssignOpportunity(**asked, owner_id=stranger.user_id),
        lambda: stranger.MoveOpportunity(**asked, stage="proposal"),
        lambda: stranger.WinOpportunity(**asked),
        lambda: stranger.LoseOpportunity(**asked, lost_reason="price"),
        lambda: stranger.ListChanges(record_type="opportunity", id=made.id),
        lambda: stranger.ListActions(record_type="opportunity", id=made.id),
    ):
        with refused("NOT_FOUND", "NOT_FOUND"):
            step()

    assert seller.GetOpportunity(id=made.id) == made


def test_the_waiting_ones_of_a_department_are_seen_by_who_leads_it(server: Server, make: Callable[..., Any]) -> None:
    department = server.department("华东")
    leader = server.person(RIGHTS, "department", department_id=department)
    other = server.person(RIGHTS, "department", department_id=server.department("华南"))

    made = make(leader, department_id=department)

    assert [o.id for o in leader.ListOpportunities().opportunities] == [made.id]
    assert list(other.ListOpportunities().opportunities) == []
    with refused("INVALID_ARGUMENT", "INVALID", "departmentId"):
        make(other, department_id=department)


def test_a_manager_hands_one_on_within_the_own_reach_only(
    seller: Client, manager: Client, stranger: Client, server: Server, make: Callable[..., Any]
) -> None:
    colleague = server.person(RIGHTS, "self", manager=manager)
    made = make(seller)

    with refused("INVALID_ARGUMENT", "INVALID", "ownerId"):
        manager.AssignOpportunity(id=made.id, etag=made.etag, owner_id=stranger.user_id)
    given = manager.AssignOpportunity(id=made.id, etag=made.etag, owner_id=colleague.user_id)

    assert colleague.GetOpportunity(id=made.id) == given
    with refused("NOT_FOUND"):
        seller.GetOpportunity(id=made.id)


def test_the_catalogue_and_the_pipelines_have_no_owner(boss: Client, stranger: Client) -> None:
    made = boss.CreateProduct(product={"name": "广告位"})

    assert stranger.GetProduct(id=made.id).name == "广告位"
    assert len(stranger.ListPipelines().pipelines) == 1
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        stranger.CreateProduct(product={"name": "另一个"})
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        stranger.ListPriceLists()
