"""Teams in sales: of opportunities, and of customers that live elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm.records.v1.team_pb2 import TeamMember
from crm_kit import ids
from crm_kit.testing import Client, Server, event, refused
from crm_kit.testing.suite import eventually

pytestmark = pytest.mark.feature("IDN-07")

RIGHTS = ["opportunity.*", "customer.read"]


@pytest.fixture
def told(server: Server) -> Callable[..., None]:
    """The customer service announced who belongs to a customer's team."""

    def announce(customer_id: str, who: Client, action: str = "added", version: int = 1, **more: Any) -> None:
        member = TeamMember(id=f"customer:{customer_id}:{who.user_id}", record_type="customer", record_id=customer_id)
        member.user_id, member.access = who.user_id, more.pop("access", "read")
        if "end_time" in more:
            member.end_time.FromDatetime(more["end_time"])
        server.deliver("customer", event(member, action, version))

    return announce


def test_a_customer_of_whose_team_one_is_can_be_pointed_at(
    server: Server, customer: Callable[..., str], make: Callable[..., Any], told: Callable[..., None]
) -> None:
    owner, seller = server.person(RIGHTS, "self"), server.person(RIGHTS, "self")
    customer_id = customer(owner=owner)
    with refused("INVALID_ARGUMENT", "INVALID", "customerId"):
        make(seller, customer_id=customer_id)

    told(customer_id, seller)
    assert make(seller, customer_id=customer_id).customer_id == customer_id

    told(customer_id, seller, "removed", 2)
    told(customer_id, seller, "added", 1)  # comes late
    with refused("INVALID_ARGUMENT", "INVALID", "customerId"):
        make(seller, customer_id=customer_id)


def test_the_place_in_another_services_team_ends_by_itself(
    server: Server, customer: Callable[..., str], make: Callable[..., Any], told: Callable[..., None]
) -> None:
    seller = server.person(RIGHTS, "self")
    customer_id = customer(owner=server.person())
    told(customer_id, seller, end_time=datetime.now(UTC) + timedelta(seconds=1.5))
    assert make(seller, customer_id=customer_id).customer_id == customer_id

    def refuses() -> bool:
        try:
            make(seller, customer_id=customer_id)
        except Exception as error:
            return "INVALID_ARGUMENT" in str(error)
        return False

    assert eventually(refuses)


def test_the_team_of_a_customer_is_not_that_of_its_opportunities(
    server: Server, customer: Callable[..., str], make: Callable[..., Any], told: Callable[..., None]
) -> None:
    owner, seller = server.person(RIGHTS, "self"), server.person(RIGHTS, "self")
    customer_id = customer(owner=owner)
    told(customer_id, seller)
    opportunity = make(owner, customer_id=customer_id)

    with refused("NOT_FOUND"):
        seller.GetOpportunity(id=opportunity.id)


def test_a_member_of_an_opportunitys_team_moves_it_on(
    server: Server, make: Callable[..., Any], change: Callable[..., Any]
) -> None:
    owner, partner = server.person(RIGHTS, "self"), server.person(RIGHTS, "self", name="售前")
    opportunity = make(owner, expected_amount="1000.00")
    owner.PutTeamMember(record_type="opportunity", id=opportunity.id, user_id=partner.user_id, access="write")
    server.service.organisation.forget()

    changed = change(partner, opportunity, expected_amount="2000.00")

    assert [g.count for g in partner.SummarizeOpportunities(group_by="state").groups] == [1]
    assert owner.GetOpportunity(id=opportunity.id).expected_amount == "2000.00"
    with refused("PERMISSION_DENIED", "BEYOND_TEAM"):
        partner.AssignOpportunity(id=opportunity.id, etag=changed.etag, owner_id=partner.user_id)
    with refused("PERMISSION_DENIED", "BEYOND_TEAM"):
        change(partner, changed, owner_id=partner.user_id)


def test_whoever_views_as_somebody_changes_nothing_here(server: Server, make: Callable[..., Any]) -> None:
    seller, admin = server.person(RIGHTS, "self"), server.person()
    opportunity = make(seller)
    view = server.viewing(admin, seller)

    assert [o.id for o in view.ListOpportunities().opportunities] == [opportunity.id]
    for step in (
        lambda: make(view),
        lambda: view.DeleteOpportunity(id=opportunity.id, etag="1"),
        lambda: view.LoseOpportunity(id=opportunity.id, etag="1"),
        lambda: view.PutTeamMember(record_type="opportunity", id=opportunity.id, user_id=admin.user_id, access="write"),
    ):
        with refused("PERMISSION_DENIED", "VIEW_ONLY"):
            step()
    server.sql("UPDATE org_user SET active = false WHERE id = :id", id=admin.user_id)
    server.service.organisation.forget()
    with refused("UNAUTHENTICATED", "ACCOUNT_DISABLED"):
        view.ListOpportunities()


def test_an_ended_session_ends_what_is_viewed_with_it(server: Server, make: Callable[..., Any]) -> None:
    seller, admin = server.person(RIGHTS, "self"), server.person()
    make(seller)
    view = server.viewing(admin, seller)
    assert len(view.ListOpportunities().opportunities) == 1

    server.sql("INSERT INTO org_ended_session (id) VALUES (:id)", id=admin.session_id)

    def refuses() -> bool:
        try:
            view.ListOpportunities()
        except Exception as error:
            return "UNAUTHENTICATED" in str(error)
        return False

    assert eventually(refuses)
    assert len(seller.ListOpportunities().opportunities) == 1
    assert ids.uuid7() > admin.session_id
