"""What names two customers, or is reached by two ways: seen, written and taken out of the bin as the rules say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused

SOON = datetime(2027, 3, 2, 1, tzinfo=UTC)


def customer(by: Client, name: str, **more: Any) -> Any:
    return by.CreateCustomer(customer={"name": name, **more})


@pytest.mark.feature("CUS-05")
def test_a_dismissal_is_seen_and_taken_back_by_whoever_reaches_both_customers(server: Server, boss: Client) -> None:
    rights = ["customer.*", "duplicate_dismissal.*"]
    person = server.person(rights, "self")
    pairs = [(customer(person, f"自有{n}"), customer(boss, f"他人{n}")) for n in range(2)]
    pairs[1] = (pairs[1][1], pairs[1][0])
    for one, other in pairs:
        said = boss.CreateDuplicateDismissal(duplicate_dismissal={"customer_id": one.id, "other_id": other.id})
        with refused("NOT_FOUND"):
            person.GetDuplicateDismissal(id=said.id)
        with refused("NOT_FOUND"):
            person.DeleteDuplicateDismissal(id=said.id, etag=said.etag)
    assert not person.ListDuplicateDismissals().duplicate_dismissals
    everywhere = server.person(rights)
    assert len(everywhere.ListDuplicateDismissals().duplicate_dismissals) == 2
    for mine in person.ListCustomers().customers:
        boss.DeleteCustomer(id=mine.id, etag="1")
    assert not everywhere.ListDuplicateDismissals().duplicate_dismissals


@pytest.mark.feature("CUS-03")
def test_a_tie_does_not_come_back_to_a_customer_or_a_contact_that_is_gone(boss: Client) -> None:
    one, other = customer(boss, "甲公司"), customer(boss, "乙公司")
    contact = boss.CreateContact(contact={"customer_id": one.id, "name": "李工"})
    ends = {"from_customer_id": one.id, "to_customer_id": other.id}
    partner = boss.CreateRelationship(relationship={"kind": "partner", **ends})
    moved = boss.CreateRelationship(relationship={"kind": "influences", **ends, "from_contact_id": contact.id})
    for tie in (partner, moved):
        boss.DeleteRelationship(id=tie.id, etag="1")
    boss.DeleteContact(id=contact.id, etag="1")

    with refused("INVALID_ARGUMENT", "", "fromContactId"):
        boss.RestoreRelationship(id=moved.id)
    boss.DeleteCustomer(id=other.id, etag="1")
    with refused("INVALID_ARGUMENT", "", "toCustomerId"):
        boss.RestoreRelationship(id=partner.id)
    boss.RestoreCustomer(id=other.id)
    assert boss.RestoreRelationship(id=partner.id).id == partner.id


@pytest.mark.feature("CUS-14")
def test_a_guest_does_not_come_back_onto_a_list_when_the_customer_is_gone(boss: Client) -> None:
    guest = customer(boss, "甲公司")
    event = boss.CreateCustomerEvent(customer_event={"title": "答谢会", "kind": "banquet", "start_time": SOON})
    invited = boss.CreateCustomerEventParticipant(
        customer_event_participant={"event_id": event.id, "customer_id": guest.id}
    )
    boss.DeleteCustomerEventParticipant(id=invited.id, etag="1")
    boss.DeleteCustomer(id=guest.id, etag="1")

    with refused("INVALID_ARGUMENT", "", "customerId"):
        boss.RestoreCustomerEventParticipant(id=invited.id)


@pytest.mark.feature("CUS-13")
def test_whoever_goes_there_takes_a_visit_out_of_the_bin_without_reaching_the_customer(
    server: Server, boss: Client
) -> None:
    goes = server.person(["visit.*"], "self")
    company = customer(boss, "甲公司")
    visit = boss.CreateVisit(
        visit={"customer_id": company.id, "subject": "回访", "plan_start": SOON, "owner_id": goes.user_id}
    )
    goes.DeleteVisit(id=visit.id, etag="1")
    boss.DeleteCustomer(id=company.id, etag="1")

    with refused("INVALID_ARGUMENT", "", "customerId"):
        goes.RestoreVisit(id=visit.id)
    boss.RestoreCustomer(id=company.id)
    assert goes.RestoreVisit(id=visit.id).subject == "回访"


@pytest.mark.feature("CUS-03")
def test_who_sees_a_tie_by_a_team_at_one_end_is_told_so(server: Server, boss: Client) -> None:
    person = server.person(["customer.*", "relationship.*"], "self")
    own, others = customer(person, "甲公司"), customer(boss, "乙公司")
    ends = {"from_customer_id": own.id, "to_customer_id": others.id}
    tie = boss.CreateRelationship(relationship={"kind": "partner", **ends})
    with refused("NOT_FOUND"):
        person.DeleteRelationship(id=tie.id, etag="1")
    boss.PutTeamMember(record_type="customer", id=others.id, user_id=person.user_id, access="read")
    server.service.organisation.forget()

    assert person.GetRelationship(id=tie.id).kind == "partner"
    with refused("PERMISSION_DENIED", "BEYOND_TEAM"):
        person.DeleteRelationship(id=tie.id, etag="1")


@pytest.mark.feature("CUS-17")
def test_a_standing_is_not_overruled_where_the_field_is_closed_in_the_state_of_the_customer(
    server: Server, boss: Client
) -> None:
    rule = {"resource": "customer", "field": "lifecycle", "rule": "read_only", "states": ["approved"]}
    clerk = server.person(["customer.read", "customer.update"], fields=[rule])
    company = customer(boss, "甲公司")
    said = {"customer_id": company.id, "topic": "lifecycle", "value": "not_needed", "note": "同行"}
    clerk.OverruleStanding(**said)
    boss.ApproveCustomer(id=company.id, etag=boss.GetCustomer(id=company.id).etag)

    with refused("INVALID_ARGUMENT", "", "value"):
        clerk.OverruleStanding(**said)
