"""Customer events: planned, held, closed with an effect; who takes part, and their timelines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused

pytestmark = pytest.mark.feature("CUS-14")

RIGHTS = ["customer.*", "contact.*", "customer_event.*", "customer_event_participant.*", "interaction.read"]
START = datetime(2026, 5, 1, 18, tzinfo=UTC)


@pytest.fixture
def customer(boss: Client) -> Any:
    return boss.CreateCustomer(customer={"name": "甲公司"})


@pytest.fixture
def contact(boss: Client, customer: Any) -> Any:
    return boss.CreateContact(contact={"customer_id": customer.id, "name": "王芳"})


def arrange(client: Client, **more: Any) -> Any:
    return client.CreateCustomerEvent(
        customer_event={"title": "春季答谢宴", "kind": "banquet", "start_time": START, **more}
    )


def invite(client: Client, event: Any, customer: Any, **more: Any) -> Any:
    return client.CreateCustomerEventParticipant(
        customer_event_participant={"event_id": event.id, "customer_id": customer.id, **more}
    )


def mark(client: Client, participant: Any, status: str) -> Any:
    return client.UpdateCustomerEventParticipant(
        customer_event_participant={"id": participant.id, "status": status},
        update_mask={"paths": ["status"]},
        etag=participant.etag,
    )


def test_an_event_goes_from_plan_to_effect(boss: Client, server: Server) -> None:
    made = arrange(boss, plan="包间三桌", place="渝北饭店", budget="8000", end_time=START + timedelta(hours=3))

    held = boss.HoldCustomerEvent(id=made.id, etag=made.etag, cost="7650.50")
    with refused("INVALID_ARGUMENT", "INVALID", "effect"):
        boss.CloseCustomerEvent(id=made.id, etag=held.etag)
    closed = boss.CloseCustomerEvent(id=made.id, etag=held.etag, effect="两家续签")

    assert [e.state for e in (made, held, closed)] == ["planned", "held", "closed"]
    assert (closed.budget, closed.cost, closed.currency, closed.effect) == ("8000.00", "7650.50", "CNY", "两家续签")
    assert [e.action for e in server.events("customer_event")] == ["created", "held", "closed"]
    with refused("FAILED_PRECONDITION", "EVENT_CLOSED"):
        boss.UpdateCustomerEvent(
            customer_event={"id": made.id, "cost": "1"}, update_mask={"paths": ["cost"]}, etag=closed.etag
        )
    with refused("FAILED_PRECONDITION", "EVENT_WAS_HELD"):
        boss.DeleteCustomerEvent(id=made.id, etag=closed.etag)


def test_states_follow_one_another(boss: Client) -> None:
    made = arrange(boss)
    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        boss.CloseCustomerEvent(id=made.id, etag=made.etag, effect="x")
    with refused("INVALID_ARGUMENT", "INVALID", "cancelReason"):
        boss.CancelCustomerEvent(id=made.id, etag=made.etag)
    cancelled = boss.CancelCustomerEvent(id=made.id, etag=made.etag, cancel_reason="天气")
    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        boss.HoldCustomerEvent(id=made.id, etag=cancelled.etag)
    closed = boss.CloseCustomerEvent(id=made.id, etag=cancelled.etag, effect="改为秋季")
    assert (closed.state, closed.cancel_reason) == ("closed", "天气")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"end_time": START - timedelta(hours=1)}, "endTime"),
        ({"currency": "YUAN"}, "currency"),
        ({"currency": "12A"}, "currency"),
        ({"budget": "-1"}, "budget"),
        ({"kind": "nonsense"}, "kind"),
        ({"title": ""}, "title"),
    ],
)
def test_what_makes_no_sense_is_refused(boss: Client, more: dict[str, Any], field: str) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", field):
        arrange(boss, **more)


def test_customers_and_their_people_are_invited_confirm_and_come(boss: Client, customer: Any, contact: Any) -> None:
    made = arrange(boss)
    whole, person = invite(boss, made, customer), invite(boss, made, customer, contact_id=contact.id, companions=1)
    assert (whole.status, whole.contact_name) == ("invited", "")
    assert (person.customer_name, person.contact_name, person.companions) == ("甲公司", "王芳", 1)

    confirmed = mark(boss, person, "confirmed")
    with refused("INVALID_ARGUMENT", "INVALID", "status"):
        mark(boss, confirmed, "attended")
    held = boss.HoldCustomerEvent(id=made.id, etag=made.etag)
    came = mark(boss, confirmed, "attended")
    assert came.status == "attended"

    listed = boss.ListCustomerEventParticipants(filter=f'event_id = "{made.id}"', order_by="status")
    assert [p.status for p in listed.customer_event_participants] == ["attended", "invited"]
    boss.CloseCustomerEvent(id=made.id, etag=held.etag, effect="好")
    with refused("FAILED_PRECONDITION", "EVENT_CLOSED"):
        mark(boss, came, "absent")
    with refused("FAILED_PRECONDITION", "EVENT_CLOSED"):
        invite(boss, made, boss.CreateCustomer(customer={"name": "晚到"}))
    with refused("FAILED_PRECONDITION", "EVENT_CLOSED"):
        boss.DeleteCustomerEventParticipant(id=whole.id, etag=whole.etag)


def test_nobody_is_on_the_list_twice_nor_under_a_wrong_customer(boss: Client, customer: Any, contact: Any) -> None:
    made, other = arrange(boss), boss.CreateCustomer(customer={"name": "乙公司"})
    invite(boss, made, customer)
    gone = invite(boss, made, customer, contact_id=contact.id)

    with refused("ALREADY_EXISTS"):
        invite(boss, made, customer)
    with refused("ALREADY_EXISTS"):
        invite(boss, made, customer, contact_id=contact.id)
    with refused("INVALID_ARGUMENT", "INVALID", "contactId"):
        invite(boss, made, other, contact_id=contact.id)
    boss.DeleteCustomerEventParticipant(id=gone.id, etag=gone.etag)
    assert invite(boss, made, customer, contact_id=contact.id).id != gone.id


def test_an_event_stands_on_the_timeline_of_each_who_takes_part(boss: Client, customer: Any, contact: Any) -> None:
    other, outside = (boss.CreateCustomer(customer={"name": n}) for n in ("乙公司", "丙公司"))
    made = arrange(boss)
    person = invite(boss, made, customer, contact_id=contact.id)
    invite(boss, made, other)
    boss.HoldCustomerEvent(id=made.id, etag=made.etag)
    mark(boss, person, "attended")

    def lines(of: Any) -> list[tuple[str, str, str, str]]:
        entries = boss.ListTimeline(customer_id=of.id).entries
        return [(e.record_type, e.record_id, e.action, e.title) for e in entries]

    assert lines(customer) == [("customer_event", made.id, "attended", "春季答谢宴")]
    assert lines(other) == [("customer_event", made.id, "invited", "春季答谢宴")]
    assert lines(outside) == []


def test_who_may_not_read_events_reads_none_on_a_timeline(boss: Client, server: Server, customer: Any) -> None:
    invite(boss, arrange(boss), customer)
    reader = server.person(["customer.read", "interaction.read"], "all")

    assert list(reader.ListTimeline(customer_id=customer.id).entries) == []


def test_an_event_is_seen_by_its_owner_the_managers_above_and_whoever_sees_to_it(server: Server) -> None:
    manager = server.person(RIGHTS, "subordinates")
    seller = server.person(RIGHTS, "self", manager=manager)
    helper, stranger = server.person(RIGHTS, "self"), server.person(RIGHTS, "self")
    made = arrange(seller, responsible_ids=[helper.user_id])
    own = invite(seller, made, seller.CreateCustomer(customer={"name": "自家"}))

    for who in (seller, manager, helper):
        assert who.GetCustomerEvent(id=made.id).title == "春季答谢宴"
        assert who.GetCustomerEventParticipant(id=own.id).customer_name == "自家"
    for step in (
        lambda: stranger.GetCustomerEvent(id=made.id),
        lambda: stranger.HoldCustomerEvent(id=made.id, etag=made.etag),
        lambda: stranger.CancelCustomerEvent(id=made.id, etag=made.etag, cancel_reason="x"),
        lambda: stranger.CloseCustomerEvent(id=made.id, etag=made.etag, effect="x"),
        lambda: stranger.DeleteCustomerEvent(id=made.id, etag=made.etag),
        lambda: stranger.GetCustomerEventParticipant(id=own.id),
        lambda: mark(stranger, own, "confirmed"),
        lambda: stranger.DeleteCustomerEventParticipant(id=own.id, etag=own.etag),
    ):
        with refused("NOT_FOUND"):
            step()
    assert list(stranger.ListCustomerEvents().customer_events) == []
    assert list(stranger.ListCustomerEventParticipants().customer_event_participants) == []


def test_one_invites_only_whom_one_reaches(server: Server, customer: Any, contact: Any) -> None:
    seller = server.person(RIGHTS, "self")
    made = arrange(seller)

    with refused("INVALID_ARGUMENT", "INVALID", "customerId", "contactId"):
        invite(seller, made, customer, contact_id=contact.id)


def test_who_takes_part_is_not_deleted_and_an_event_goes_with_its_list(boss: Client, customer: Any) -> None:
    made = arrange(boss)
    invite(boss, made, customer)

    with refused("FAILED_PRECONDITION", "DEPENDED_ON"):
        boss.DeleteCustomer(id=customer.id, etag=customer.etag)
    boss.DeleteCustomerEvent(id=made.id, etag=made.etag)
    assert list(boss.ListTimeline(customer_id=customer.id).entries) == []


def test_a_list_in_the_recycle_bin_forbids_nothing_and_comes_back_to_customers_that_are_there(
    boss: Client, customer: Any
) -> None:
    made = arrange(boss)
    invite(boss, made, customer)
    boss.DeleteCustomerEvent(id=made.id, etag=made.etag)

    boss.DeleteCustomer(id=customer.id, etag=customer.etag)

    with refused("FAILED_PRECONDITION", "PART_OF_DELETED"):
        boss.RestoreCustomerEvent(id=made.id)
    boss.RestoreCustomer(id=customer.id)
    boss.RestoreCustomerEvent(id=made.id)
    (listed,) = boss.ListCustomerEventParticipants().customer_event_participants
    assert listed.customer_id == customer.id
    with refused("FAILED_PRECONDITION", "DEPENDED_ON"):
        boss.DeleteCustomer(id=customer.id, etag=boss.GetCustomer(id=customer.id).etag)
