"""A role's limits of address and hours, and what changes of the organisation do, as a service other than identity."""

import grpc
import pytest

from crm.identity.v1.keys_pb2 import Session
from crm.identity.v1.users_pb2 import User
from crm_kit.testing import event, refused
from crm_kit.testing.suite import eventually

OFFICE = {"allowedAddresses": ["10.0.0.0/8"]}
INSIDE, OUTSIDE = {"x-forwarded-for": "10.1.1.1"}, {"x-forwarded-for": "203.0.113.5"}


@pytest.mark.feature("IDN-12")
def test_a_role_may_be_used_only_from_its_addresses(server, boss):
    mine = boss.CreateCustomer(customer={"name": "一"})
    clerk = server.person(["customer.read"], policy=OFFICE)

    assert clerk.GetCustomer(id=mine.id, metadata=INSIDE).name == "一"
    for elsewhere in (OUTSIDE, {}, {"x-forwarded-for": "nonsense"}):
        with refused("PERMISSION_DENIED", "OUTSIDE_POLICY") as refusal:
            clerk.GetCustomer(id=mine.id, metadata=elsewhere)
    assert refusal.message == "当前地址或时段不允许使用您的角色"


@pytest.mark.feature("IDN-12")
def test_of_two_roles_the_one_that_may_be_used_stays_with_its_own_rights_and_scope(server, boss):
    theirs = boss.CreateCustomer(customer={"name": "别人的"})
    at_home = server.role(["customer.read", "customer.create"], "self")
    clerk = server.person(["customer.read", "customer.delete"], policy=OFFICE, also=[at_home])
    own = clerk.CreateCustomer(customer={"name": "自己的"}, metadata=OUTSIDE)

    assert {c.name for c in clerk.ListCustomers(metadata=INSIDE).customers} == {"别人的", "自己的"}
    assert {c.name for c in clerk.ListCustomers(metadata=OUTSIDE).customers} == {"自己的"}
    with refused("NOT_FOUND"):
        clerk.GetCustomer(id=theirs.id, metadata=OUTSIDE)
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        clerk.DeleteCustomer(id=own.id, etag=own.etag, metadata=OUTSIDE)
    clerk.DeleteCustomer(id=own.id, etag=own.etag, metadata=INSIDE)


@pytest.mark.feature("IDN-12")
@pytest.mark.parametrize(("hours", "permitted"), [(("00:00", "24:00"), True), (("00:00", "00:00"), False)])
def test_a_role_may_be_used_only_in_its_hours(server, hours, permitted):
    start, end = hours
    clerk = server.person(["customer.read"], policy={"allowedHours": [{"start": start, "end": end}]})

    if permitted:
        assert clerk.ListCustomers().customers == []
    else:  # written by nobody who checks: it permits nothing
        with refused("PERMISSION_DENIED", "OUTSIDE_POLICY"):
            clerk.ListCustomers()


def code(client):
    try:
        client.ListCustomers()
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


@pytest.mark.figure("R45")
def test_a_disabled_person_an_ended_session_and_a_taken_right_are_refused_within_two_seconds(server, measured):
    disabled, ended, robbed = (server.person(["customer.read"]) for _ in range(3))
    assert [code(p) for p in (disabled, ended, robbed)] == ["OK"] * 3

    server.deliver(
        "identity",
        event(User(id=disabled.user_id, username="a", name="a", active=False), "deactivated", 2),
        event(User(id=robbed.user_id, username="b", name="b", active=True), "updated", 2),
        event(Session(id=ended.session_id, user_id=ended.user_id), "closed", 2),
    )

    assert eventually(lambda: code(disabled) == "UNAUTHENTICATED", 2)
    assert eventually(lambda: code(ended) == "UNAUTHENTICATED", 2)
    assert eventually(lambda: code(robbed) == "PERMISSION_DENIED", 2)
    measured("customer: 3 of 3 refused within 2 s of the event")


@pytest.mark.figure("R45")
def test_another_process_of_the_service_forgets_within_two_seconds_too(server, measured):
    """The event was applied by another process: this one hears nothing and lives on what it kept."""
    robbed = server.person(["customer.read"])
    assert code(robbed) == "OK"

    server.sql("UPDATE org_user SET role_ids = '{}' WHERE id = :id", id=robbed.user_id)

    assert eventually(lambda: code(robbed) == "PERMISSION_DENIED", 2)
    measured("customer: a process that was told nothing refuses within 2 s")
