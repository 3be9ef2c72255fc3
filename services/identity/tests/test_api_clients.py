"""API clients: what they are given, their secrets, their tokens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.api import field_behavior_pb2

from crm_kit import contract
from crm_kit.testing import Client, Server, refused
from identity.tries import ACCOUNT

pytestmark = pytest.mark.feature("IDN-08")

ALL = [{"resource": "*", "scope": "all"}]
READER = {"name": "ERP", "rights": ["user.read", "department.read"], "scopes": ALL}
HERE, THERE = {"x-forwarded-for": "10.1.2.3"}, {"x-forwarded-for": "192.0.2.9"}


@pytest.fixture
def make(admin: Client) -> Callable[..., Any]:
    """A client made by the administrator: the answer with its secret."""

    def made(**fields: Any) -> Any:
        return admin.CreateApiClient(api_client={**READER, **fields})

    return made


@pytest.fixture
def ask(server: Server) -> Callable[..., Any]:
    """A token for a client and a secret."""

    def token(client_id: str, secret: str, metadata: dict[str, str] | None = None) -> Any:
        asked = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        return server.nobody.IssueToken(**asked, metadata=metadata)

    return token


@pytest.fixture
def enter(server: Server, ask: Callable[..., Any]) -> Callable[[Any], Client]:
    """The client that an answer of CreateApiClient tells of, with a token."""

    def client(made: Any) -> Client:
        return server.client(ask(made.api_client.id, made.secret).access_token, made.api_client.id)

    return client


def now() -> datetime:
    return datetime.now(UTC)


def stored(server: Server) -> str:
    """Everything that the database holds, as text."""
    tables = [name for (name,) in server.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    return "\n".join(str(server.sql(f'SELECT t::text FROM "{name}" t')) for name in tables)


def test_a_client_does_what_it_has_rights_for_and_nothing_else(make, enter) -> None:
    erp = enter(make())

    assert [u.username for u in erp.ListUsers().users] == ["admin"]
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        erp.ListRoles()
    me = erp.GetMe()
    assert (me.name, list(me.rights)) == ("ERP", ["department.read", "user.read"])


def test_the_secret_is_told_once_and_stored_nowhere(server, admin, make, ask) -> None:
    metadata = {"idempotency-key": "once-and-only"}
    made = admin.CreateApiClient(api_client=READER, metadata=metadata)
    again = admin.CreateApiClient(api_client=READER, metadata=metadata)

    assert (again.api_client, again.secret) == (made.api_client, "")
    assert admin.GetApiClient(id=made.api_client.id) == made.api_client
    assert made.api_client.client_id == made.api_client.id
    assert made.secret not in stored(server)
    assert all(made.secret.encode() not in e.SerializeToString() for e in server.events())
    assert ask(made.api_client.id, made.secret).expires_in == 900


def test_a_token_belongs_to_a_session_and_ends_with_it(server, make, enter) -> None:
    erp = enter(make())
    erp.ListUsers()

    erp.Logout()

    with refused("UNAUTHENTICATED", "BAD_TOKEN"):
        erp.ListUsers()
    opened, closed = server.events("session")[-2:]
    assert (opened.action, opened.actor_name, closed.action) == ("opened", "ERP", "closed")


@pytest.mark.parametrize("end", ["DeactivateApiClient", "DeleteApiClient", "RotateApiClientSecret"])
def test_disabling_deleting_and_rotating_end_every_token_at_once(admin, make, ask, enter, end) -> None:
    made = make()
    erp = enter(made)
    erp.ListUsers()

    getattr(admin, end)(id=made.api_client.id, etag=made.api_client.etag)

    with refused("UNAUTHENTICATED"):
        erp.ListUsers()
    with refused("UNAUTHENTICATED", "CLIENT_REFUSED"):
        ask(made.api_client.id, made.secret)


def test_a_disabled_client_is_let_in_again(admin, make, ask) -> None:
    client = (made := make()).api_client
    client = admin.DeactivateApiClient(id=client.id, etag=client.etag)
    with refused("FAILED_PRECONDITION", "CLIENT_NOT_ACTIVE"):
        admin.DeactivateApiClient(id=client.id, etag=client.etag)

    client = admin.ActivateApiClient(id=client.id, etag=client.etag)

    assert ask(client.id, made.secret).access_token
    with refused("FAILED_PRECONDITION", "CLIENT_ACTIVE"):
        admin.ActivateApiClient(id=client.id, etag=client.etag)


def test_with_an_overlap_both_secrets_work_and_tokens_live_on(server, admin, make, ask, enter) -> None:
    first = make()
    erp = enter(first)

    second = admin.RotateApiClientSecret(id=first.api_client.id, etag=first.api_client.etag, overlap_hours=24)

    assert second.secret != first.secret
    assert second.api_client.overlap_end_time.ToDatetime(UTC) > now() + timedelta(hours=23)
    erp.ListUsers()
    for secret in (first.secret, second.secret):
        assert ask(first.api_client.id, secret).access_token
    server.sql("UPDATE client_secret SET end_time = now() WHERE end_time IS NOT NULL")
    with refused("UNAUTHENTICATED", "CLIENT_REFUSED"):
        ask(first.api_client.id, first.secret)
    assert ask(first.api_client.id, second.secret).access_token


def test_a_third_secret_drives_out_the_first_and_what_it_opened(server, admin, make, ask, enter) -> None:
    first = make()
    erp = enter(first)
    second = admin.RotateApiClientSecret(id=first.api_client.id, etag="1", overlap_hours=168)
    third = admin.RotateApiClientSecret(id=first.api_client.id, etag="2", overlap_hours=168)

    with refused("UNAUTHENTICATED"):
        erp.ListUsers()
    with refused("UNAUTHENTICATED", "CLIENT_REFUSED"):
        ask(first.api_client.id, first.secret)
    assert ask(first.api_client.id, second.secret).access_token
    assert ask(first.api_client.id, third.secret).access_token
    assert server.sql("SELECT count(*) FROM client_secret")[0][0] == 2


@pytest.mark.parametrize("hours", [-1, 169])
def test_an_overlap_lasts_a_week_at_most(admin, make, hours) -> None:
    made = make()
    with refused("INVALID_ARGUMENT", "INVALID", "overlapHours"):
        admin.RotateApiClientSecret(id=made.api_client.id, etag="1", overlap_hours=hours)
    assert admin.GetApiClient(id=made.api_client.id).etag == "1"


def test_a_token_ends_no_later_than_the_client_and_the_secret(server, admin, make, ask) -> None:
    short = make(end_time=now() + timedelta(minutes=5))
    assert 0 < ask(short.api_client.id, short.secret).expires_in <= 300

    made = make()
    admin.RotateApiClientSecret(id=made.api_client.id, etag="1", overlap_hours=1)
    server.sql("UPDATE client_secret SET end_time = now() + interval '1 minute' WHERE end_time IS NOT NULL")
    assert 0 < ask(made.api_client.id, made.secret).expires_in <= 60


def test_an_expired_client_gets_nothing(admin, make, ask, enter) -> None:
    made = make()
    erp = enter(made)
    change = {"id": made.api_client.id, "end_time": now()}
    admin.UpdateApiClient(api_client=change, update_mask={"paths": ["end_time"]}, etag="1")

    with refused("UNAUTHENTICATED", "CLIENT_ENDED"):
        ask(made.api_client.id, made.secret)
    with refused("UNAUTHENTICATED", "CLIENT_ENDED"):
        erp.ListUsers()


def test_a_client_calls_and_asks_for_tokens_from_its_own_addresses_only(server, make, ask) -> None:
    made = make(allowed_addresses=["10.1.0.0/16", "2001:db8::1"])
    with refused("PERMISSION_DENIED", "CLIENT_ADDRESS_NOT_ALLOWED"):
        ask(made.api_client.id, made.secret, THERE)
    erp = server.client(ask(made.api_client.id, made.secret, HERE).access_token)

    assert erp.ListUsers(metadata=HERE).users
    for elsewhere in (THERE, {}, {"x-forwarded-for": "10.1.2.3, 192.0.2.9"}, {"x-forwarded-for": "::ffff:192.0.2.9"}):
        with refused("PERMISSION_DENIED", "CLIENT_ADDRESS_NOT_ALLOWED"):
            erp.ListUsers(metadata=elsewhere)
    assert erp.ListUsers(metadata={"x-forwarded-for": "::ffff:10.1.9.9"}).users


def test_who_calls_too_fast_is_told_when_to_call_again(make, enter) -> None:
    erp = enter(make(rate_per_minute=3))
    for _ in range(3):
        erp.ListUsers()

    with refused("RESOURCE_EXHAUSTED", "TOO_MANY_REQUESTS") as refusal:
        erp.ListUsers()

    assert 0 < refusal.retry_after <= 20


def test_wrong_secrets_lock_the_place_they_come_from_but_not_the_client(make, ask, measured) -> None:
    made = make()
    for _ in range(ACCOUNT):
        with refused("UNAUTHENTICATED", "CLIENT_REFUSED"):
            ask(made.api_client.id, "crm_guessed", THERE)

    with refused("RESOURCE_EXHAUSTED", "TOO_MANY_TRIES"):
        ask(made.api_client.id, made.secret, THERE)
    assert ask(made.api_client.id, made.secret, HERE).access_token
    measured(f"{ACCOUNT} wrong secrets from one address, then it waits; the client itself gets its token elsewhere")


def test_a_secret_is_good_for_its_own_client_only(server, make, ask) -> None:
    one, other = make(), make(name="other")

    for client_id, secret in (
        (other.api_client.id, one.secret),
        ("admin", one.secret),
        (one.api_client.id, one.secret + "x"),
    ):
        with refused("UNAUTHENTICATED", "CLIENT_REFUSED"):
            ask(client_id, secret)
    assert [e.action for e in server.events("session")[-3:]] == ["refused"] * 3


def test_what_is_missing_in_a_request_for_a_token_is_named(server) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "grantType", "clientId", "clientSecret"):
        server.nobody.IssueToken()
    with refused("INVALID_ARGUMENT", "UNSUPPORTED_GRANT_TYPE"):
        server.nobody.IssueToken(grant_type="password", client_id="a", client_secret="b")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": ""}, "name"),
        ({"rights": ["user.fly"]}, "rights[0]"),
        ({"scopes": [{"resource": "user", "scope": "self"}]}, "scopes[0].scope"),
        ({"scopes": [{"resource": "user", "scope": "subordinates"}]}, "scopes[0].scope"),
        ({"scopes": [{"resource": "user", "scope": "department"}]}, "departmentId"),
        ({"scopes": [{"resource": "moon", "scope": "all"}]}, "scopes[0].resource"),
        ({"allowed_addresses": ["10.0.0.1/8"]}, "allowedAddresses[0]"),
        ({"allowed_addresses": ["anywhere"]}, "allowedAddresses[0]"),
        ({"rate_per_minute": 0}, "ratePerMinute"),
        ({"certificate_sha256": "ab:cd"}, "certificateSha256"),
        ({"department_id": "01890000-0000-7000-8000-000000000000"}, "departmentId"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(server, make, fields, path) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", path):
        make(**fields)
    assert server.sql("SELECT count(*) FROM api_client")[0][0] == 0
    assert server.sql("SELECT count(*) FROM client_secret")[0][0] == 0


def test_without_a_scope_a_client_reaches_no_record(make, enter) -> None:
    erp = enter(make(scopes=[]))

    assert list(erp.ListUsers().users) == []


def test_nobody_gives_a_client_more_than_they_have(employ, admin) -> None:
    rights = ["api_client.create", "api_client.update", "api_client.delete", "api_client.read", "user.read"]
    clerk = employ("clerk", rights, "department")
    for more in (
        {"rights": ["role.read"]},
        {"rights": ["user.*"]},
        {"rights": ["*"]},
        {"rights": ["user.read"], "scopes": ALL},
    ):
        with refused("PERMISSION_DENIED"):
            clerk.CreateApiClient(api_client={"name": "more", "scopes": [], **more})

    here = clerk.GetMe().department_id
    scopes = [{"resource": "user", "scope": "chosen", "department_ids": [here]}]
    made = clerk.CreateApiClient(api_client={"name": "as much", "rights": ["user.read"], "scopes": scopes})
    assert made.secret


def test_nobody_takes_over_a_client_that_has_more_than_they_do(employ, make, server) -> None:
    rights = ["api_client.create", "api_client.update", "api_client.delete", "api_client.read", "user.read"]
    clerk = employ("clerk", rights)
    client = make(rights=["user.read", "role.read"]).api_client

    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        clerk.RotateApiClientSecret(id=client.id, etag="1")
    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        clerk.DeactivateApiClient(id=client.id, etag="1")
    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        clerk.DeleteApiClient(id=client.id, etag="1")
    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        clerk.UpdateApiClient(
            api_client={"id": client.id, "rights": ["user.read"]}, update_mask={"paths": ["rights"]}, etag="1"
        )
    assert server.sql("SELECT version FROM api_client") == [(1,)]


def test_a_client_manages_no_clients(make, enter) -> None:
    erp = enter(make(rights=["api_client.*"], allowed_addresses=[]))

    with refused("PERMISSION_DENIED", "CLIENT_MANAGES_CLIENT"):
        erp.CreateApiClient(api_client={"name": "another", "rights": ["api_client.read"], "scopes": ALL})


def test_a_client_is_no_person(admin, make, enter, root_id) -> None:
    made = make(rights=["user.*", "department.*"])
    erp = enter(made)

    assert [p.name for p in admin.ListPeople().people] == [u.name for u in admin.ListUsers().users] == ["系统管理员"]
    with refused("NOT_FOUND"):
        admin.GetPerson(id=made.api_client.id)
    with refused("INVALID_ARGUMENT", "INVALID", "managerId"):
        admin.CreateDepartment(department={"name": "甲", "parent_id": root_id, "manager_id": made.api_client.id})
    with refused("INVALID_ARGUMENT", "INVALID", "managerId"):
        erp.CreateDepartment(department={"name": "甲", "parent_id": root_id, "manager_id": made.api_client.id})
    with refused("PERMISSION_DENIED", "PEOPLE_ONLY"):
        erp.ChangePassword(old_password="x", new_password="Another-Horse-8")


def test_what_a_client_changes_is_told_under_its_name(server, admin, make, enter, root_id) -> None:
    erp = enter(make(rights=["department.*"]))
    made = erp.CreateDepartment(department={"name": "乙", "parent_id": root_id})

    event = server.events("department")[-1]
    change = admin.ListChanges(record_type="department", id=made.id).changes[0]
    assert (event.actor_name, change.actor_name) == ("ERP", "ERP")
    assert made.creator_id == event.actor_id == change.actor_id


def test_a_department_with_a_client_is_not_deleted(admin, make, root_id) -> None:
    made = admin.CreateDepartment(department={"name": "丙", "parent_id": root_id})
    make(department_id=made.id)

    with refused("FAILED_PRECONDITION", "DEPENDED_ON"):
        admin.DeleteDepartment(id=made.id, etag=made.etag)


def test_a_changed_right_acts_in_the_next_call(admin, make, enter) -> None:
    made = make()
    erp = enter(made)
    erp.ListUsers()
    change = {"id": made.api_client.id, "rights": ["role.read"]}

    admin.UpdateApiClient(api_client=change, update_mask={"paths": ["rights"]}, etag="1")

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        erp.ListUsers()
    assert erp.ListRoles().roles


def test_a_fingerprint_as_openssl_writes_it_is_understood(make, enter) -> None:
    made = make(certificate_sha256=":".join(["AB"] * 32))

    assert made.api_client.certificate_sha256 == "ab" * 32
    with refused("UNAUTHENTICATED", "CLIENT_CERTIFICATE_WRONG"):
        enter(made).ListUsers()


SIGNED_IN = [
    method
    for service in contract.services("crm.identity.v1").values()
    for method in service.methods
    if contract.rule(method).signed_in
]
OF_PEOPLE = {
    "ChangePassword",
    "GetSecondFactor",
    "EnrolSecondFactor",
    "ConfirmSecondFactor",
    "DisableSecondFactor",
    "RegenerateRecoveryCodes",
}


@pytest.mark.parametrize("method", SIGNED_IN, ids=lambda m: m.name)
def test_what_everybody_signed_in_may_call_answers_or_refuses_a_client(make, enter, method) -> None:
    erp = enter(make())
    required = [f for f in method.input_type.fields if field_behavior_pb2.REQUIRED in contract.behaviour(f)]
    fields = {f.name: "x" for f in required} | {
        f.name: erp.user_id for f in method.input_type.fields if f.name in ("id", "user_id")
    }

    try:
        getattr(erp, method.name)(**fields)
        code, reason = "OK", ""
    except grpc.RpcError as error:
        code, reason = error.code().name, dict(error.trailing_metadata())["grpc-status-details-bin"]

    assert code not in ("INTERNAL", "UNKNOWN"), reason
    if method.name in OF_PEOPLE:
        assert code == "PERMISSION_DENIED"
        assert b"PEOPLE_ONLY" in reason


def test_every_rpc_of_ones_own_account_is_among_them() -> None:
    assert {m.name for m in SIGNED_IN} >= OF_PEOPLE
