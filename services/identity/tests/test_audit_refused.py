"""Refused access is told to the audit trail, whatever else the refusal rolled back, and never without bound."""

from __future__ import annotations

from typing import Any

import pytest

from crm.records.v1.audited_pb2 import Access
from crm_kit import audit
from crm_kit.testing import refused, token

pytestmark = pytest.mark.feature("IDN-09")


@pytest.fixture(autouse=True)
def nothing_counted_before(server):
    server.service.rpcs.refusals.flush()
    server.sql("DELETE FROM outbox WHERE subject LIKE '%.access.%'")


def told(server: Any) -> list[tuple[Any, Access]]:
    found = []
    for event in server.events("access"):
        access = Access()
        event.record.Unpack(access)
        found.append((event, access))
    return found


def test_a_refused_write_is_told_with_the_missing_right_and_changes_nothing(server, employ):
    clerk = employ("clerk", ["user.read"])
    before = server.sql("SELECT count(*) FROM change_log")

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        clerk.DeleteRole(id=clerk.user_id, etag="1", metadata={"x-forwarded-for": "10.0.0.9", "x-request-id": "r-1"})

    ((event, access),) = told(server)
    assert (event.action, event.actor_id, event.actor_name) == ("refused", clerk.user_id, "Clerk")
    assert (event.address, event.request_id, event.record_id) == ("10.0.0.9", "r-1", access.id)
    assert event.session_id
    assert (access.method, access.right) == ("crm.identity.v1.RoleService.DeleteRole", "role.delete")
    assert (access.reason, access.record_type, access.record_id) == ("RIGHT_MISSING", "role", clerk.user_id)
    assert server.sql("SELECT count(*) FROM change_log") == before


def test_a_refused_read_is_told(server, employ):
    clerk = employ("clerk", ["user.read"])

    with refused("PERMISSION_DENIED"):
        clerk.ListRoles()
    with refused("PERMISSION_DENIED"):
        clerk.DescribeRecord(record_type="role")

    assert [(a.method.rpartition(".")[2], a.right, a.record_type) for _, a in told(server)] == [
        ("ListRoles", "role.read", "role"),
        ("DescribeRecord", "role.read", "role"),
    ]


def test_a_refusal_in_the_middle_of_a_write_is_told_and_the_write_is_not_there(server, employ):
    clerk = employ("clerk", ["role.read", "role.create"])

    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        clerk.CreateRole(role={"code": "mighty", "name": "权贵", "rights": ["user.delete"]})

    ((_, access),) = told(server)
    assert (access.reason, access.right) == ("RIGHT_NOT_HELD", "user.delete")
    assert server.sql("SELECT 1 FROM role WHERE code = 'mighty'") == []


def test_who_must_change_the_password_first_is_told_when_refused(server, admin, hire):
    user = hire("new")

    client = server.client(token(user.id, user.id, pending="password_change"))
    with refused("PERMISSION_DENIED", "PASSWORD_CHANGE_REQUIRED"):
        client.ListRoles()

    assert [(e.actor_id, a.reason) for e, a in told(server)] == [(user.id, "PASSWORD_CHANGE_REQUIRED")]


def test_other_refusals_and_those_of_nobody_are_not_told(server, admin):
    with refused("NOT_FOUND"):
        admin.GetRole(id="01900000-0000-7000-8000-000000000001")
    with refused("INVALID_ARGUMENT"):
        admin.CreateRole(role={})
    with refused("UNAUTHENTICATED"):
        server.nobody.ListRoles()

    assert told(server) == []


def test_a_refusal_that_cannot_be_told_is_a_refusal_all_the_same(server, employ):
    clerk = employ("clerk", ["user.read"])
    server.sql("ALTER TABLE outbox RENAME TO outbox_away")
    try:
        with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
            clerk.ListRoles()
    finally:
        server.sql("ALTER TABLE outbox_away RENAME TO outbox")


def test_a_flood_of_refusals_is_told_one_by_one_up_to_a_bound_and_the_rest_as_a_number(server, employ):
    clerk, other = employ("clerk", ["user.read"]), employ("other", ["user.read"])

    for _ in range(audit.TOLD + 30):
        with refused("PERMISSION_DENIED"):
            clerk.ListRoles()
    with refused("PERMISSION_DENIED"):
        clerk.ListDepartments()
    with refused("PERMISSION_DENIED"):
        other.ListRoles()
    assert len(told(server)) == audit.TOLD + 1
    server.service.rpcs.refusals.flush()  # as a minute later, and as at the end of the process

    *ones, (event, rest) = told(server)
    assert [a.count for _, a in ones] == [1] * (audit.TOLD + 1)
    assert (rest.count, event.actor_id, event.action) == (31, clerk.user_id, "refused")
    assert (rest.method, rest.right, rest.reason) == ("", "", "RIGHT_MISSING")  # they were not all the same


def test_what_is_counted_is_told_without_anybody_asking(server, employ, monkeypatch):
    monkeypatch.setattr(audit, "MINUTE", 0.2)
    monkeypatch.setattr(audit, "TOLD", 0)
    clerk = employ("clerk", ["user.read"])

    with refused("PERMISSION_DENIED"):
        clerk.ListRoles()

    from crm_kit.testing.suite import eventually

    assert eventually(lambda: [a.count for _, a in told(server)] == [1])


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ('phone = "13800138000" AND name = "李"', "phone = *** AND name = ***"),
        ("phone=13800138000", "phone=***"),
        ('email = "li@example.com" OR remarks = null', "email = *** OR remarks = null"),
        ('close_date < "2026-12-31" AND (amount > 150000)', "close_date < *** AND (amount > ***)"),
    ],
)
def test_a_condition_is_told_without_its_values(condition, kept):
    assert audit.masked(condition) == kept


def test_what_is_no_id_is_not_taken_into_the_trail_as_one(server, employ):
    clerk = employ("clerk", ["user.read"])

    with refused("PERMISSION_DENIED"):
        clerk.DeleteRole(id="13800138000 张三" * 1000, etag="1")

    assert [a.record_id for _, a in told(server)] == [""]
