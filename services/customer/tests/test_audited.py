"""What this service tells the audit trail without a line of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from crm.records.v1.audited_pb2 import Access
from crm_kit import contract
from crm_kit.testing import Client, Server, refused, running
from customer.app import SERVICE

pytestmark = pytest.mark.feature("IDN-09")


def told(server: Server) -> list[tuple[str, Access]]:
    found = []
    for event in server.events("access"):
        access = Access()
        event.record.Unpack(access)
        found.append((event.action, access))
    return found


def test_refused_access_is_told_by_every_service(server):
    reader = server.person(rights=["customer.read"])

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        reader.CreateCustomer(customer={"name": "上海钢铁"})

    ((action, access),) = told(server)
    assert (action, access.right) == ("refused", "customer.create")
    assert access.method == "crm.customer.v1.CustomerService.CreateCustomer"
    assert server.events("customer") == []


def test_an_export_of_a_person_names_the_person(server: Server, boss: Client) -> None:
    person = boss.CreateCustomer(customer={"name": "慕容雪", "kind": "individual"})

    boss.ExportPersonData(subject_type="customer", subject_id=person.id)

    ((action, access),) = told(server)
    assert (action, access.right) == ("export", "privacy_request.export")
    assert (access.record_type, access.record_id) == ("customer", person.id)


def test_what_was_revealed_is_told_by_its_field_and_so_is_what_was_refused(server: Server, boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "上海钢铁", "phone": "13812345678"})
    masked = [{"resource": "customer", "field": "phone", "rule": "masked"}]
    asked = {"record_type": "customer", "id": made.id, "field": "phone"}

    server.person(["customer.read", "customer.reveal"], fields=masked).RevealField(**asked)
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        server.person(["customer.read"], fields=masked).RevealField(**asked)

    assert [(action, a.record_id, a.field) for action, a in told(server)] == [
        ("reveal", made.id, "phone"),
        ("refused", made.id, "phone"),
    ]


def test_who_comes_into_a_team_and_goes_is_told_with_before_and_after(server: Server, boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "上海钢铁"})
    who = server.person(name="王同事").user_id
    place = {"record_type": "customer", "id": made.id, "user_id": who}

    stored = boss.PutTeamMember(**place, access="read")
    stored = boss.PutTeamMember(**place, access="write", end_time={"seconds": 4_000_000_000}, etag=stored.etag)
    boss.RemoveTeamMember(**place, etag=stored.etag)

    end = "2096-10-02T07:06:40Z"
    assert [
        (e.action, {c.field: (c.before.string_value or None, c.after.string_value or None) for c in e.changes})
        for e in server.events("team_member")
    ] == [
        ("added", {"userId": (None, who), "access": (None, "read")}),
        ("changed", {"userId": (who, who), "access": ("read", "write"), "endTime": (None, end)}),
        ("removed", {"userId": (who, None), "access": ("write", None), "endTime": (end, None)}),
    ]


@pytest.fixture(scope="module")
def audited() -> Iterator[Server]:
    """The same service, with an RPC that writes and one that reads audited."""
    plain = contract.rule

    def rule(method: Any) -> Any:
        found = plain(method)
        if method.name in ("CreateCustomer", "ListCustomers"):
            changed = type(found)()
            changed.CopyFrom(found)
            changed.audited = True
            return changed
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contract, "rule", rule)
        with running(dataclasses.replace(SERVICE, name="customer"), name="customer_audited") as server:
            yield server


def test_an_audited_write_is_told_with_what_it_did_and_again_when_its_answer_goes_out_again(audited):
    audited.reset()
    boss = audited.person()

    for _ in range(2):
        boss.CreateCustomer(customer={"name": "上海钢铁"}, metadata={"idempotency-key": "once-and-again"})
    with refused("INVALID_ARGUMENT"):
        boss.CreateCustomer(customer={})

    assert [(action, a.record_type) for action, a in told(audited)] == [("create", "customer")] * 2
    assert len(audited.events("customer")) == 1


def test_an_audited_read_is_told_with_its_condition_and_only_where_it_was_answered(audited):
    audited.reset()
    boss, stranger = audited.person(), audited.person(rights=["contact.read"])

    boss.ListCustomers(filter='name:"钢铁" AND phone = "13800138000"')
    with refused("INVALID_ARGUMENT"):
        boss.ListCustomers(filter="name ~")
    with refused("PERMISSION_DENIED"):
        stranger.ListCustomers()

    assert [(action, a.filter) for action, a in told(audited)] == [
        ("read", "name:*** AND phone = ***"),
        ("refused", ""),
    ]
