"""Viewing as somebody else: what they see, nothing done in their name, and the end of it."""

from __future__ import annotations

import grpc
import pytest

from crm.identity.v1.keys_pb2 import Session
from crm_kit.testing import refused
from crm_kit.testing.suite import eventually

pytestmark = pytest.mark.feature("IDN-07")


@pytest.fixture
def look(server):
    """Begin to view as somebody; the client that looks."""

    def begin(admin, user_id):
        said = admin.ViewAs(id=user_id)
        client = server.client(said.access_token, said.user_id)
        client.said = said
        return client

    return begin


def test_an_administrator_sees_what_the_person_sees(server, admin, hire, sign_in, look):
    li = hire("li", "account_manager")
    own = sign_in("li")

    view = look(admin, li.id)

    me, seen = own.GetMe(), view.GetMe()
    assert (seen.username, list(seen.rights), seen.acting_id) == ("li", list(me.rights), admin.user_id)
    assert me.acting_id == ""
    assert [d.id for d in view.ListDepartments().departments] == [d.id for d in own.ListDepartments().departments]
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        view.ListUsers()
    assert 0 < view.said.expires_in <= 15 * 60
    assert "refresh_token" not in view.said.DESCRIPTOR.fields_by_name
    told = [e for e in server.events("session") if e.action == "viewed_as"]
    session = Session()
    told[0].record.Unpack(session)
    assert [(e.actor_id, session.user_id) for e in told] == [(admin.user_id, li.id)]


def test_whoever_looks_changes_nothing(admin, hire, look, root_id):
    li = hire("li", "system_admin")
    view = look(admin, li.id)

    for step in (
        lambda: view.CreateDepartment(department={"name": "新部门", "parent_id": root_id}),
        lambda: view.DeactivateUser(id=li.id, etag="1"),
        lambda: view.ChangePassword(old_password="a", new_password="b"),
        lambda: view.Logout(),
        lambda: view.ViewAs(id=hire("wang").id),
        lambda: view.PutTeamMember(record_type="user", id=li.id, user_id=li.id, access="read"),
    ):
        with refused("PERMISSION_DENIED", "VIEW_ONLY"):
            step()
    assert view.GetMe().username == "li"


def test_as_whom_nobody_views(server, admin, hire, employ, look):
    helper = employ("helper", ["user.*", "customer.read"])
    seller, quit_, client = hire("seller", "account_manager"), hire("quit"), hire("client")
    admin.DeactivateUser(id=quit_.id, etag=admin.GetUser(id=quit_.id).etag)
    server.sql("UPDATE org_user SET client = true WHERE id = :id", id=client.id)

    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        look(helper, seller.id)
    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        look(helper, admin.user_id)
    with refused("FAILED_PRECONDITION", "VIEW_AS_SELF"):
        look(admin, admin.user_id)
    with refused("FAILED_PRECONDITION", "ACCOUNT_NOT_ACTIVE"):
        look(admin, quit_.id)
    with refused("FAILED_PRECONDITION", "VIEW_AS_CLIENT"):
        look(admin, client.id)
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        look(employ("clerk", ["user.read"]), seller.id)
    assert look(helper, hire("plain").id).GetMe().username == "plain"


def test_nobody_views_beyond_their_scope(hire, employ, look):
    narrow = employ("narrow", ["user.*"], "subordinates")
    other, own = hire("other"), hire("own", manager_id=narrow.user_id)

    with refused("NOT_FOUND"):
        look(narrow, other.id)
    assert look(narrow, own.id).GetMe().username == "own"


def ended(view):
    def refuses():
        try:
            view.GetMe()
        except grpc.RpcError as error:
            return error.code().name == "UNAUTHENTICATED"
        return False

    return eventually(refuses, 20)


def test_it_ends_with_either_account_and_with_the_administrators_session(admin, hire, sign_in, look):
    li, second = hire("li"), hire("second", "system_admin")
    other = sign_in("second")
    of_session, of_viewer, of_viewed = look(sign_in("second"), li.id), look(other, li.id), look(admin, li.id)
    assert of_session.GetMe().id == li.id

    other.ChangePassword(old_password="Right-Horse-7", new_password="Right-Horse-8")  # ends every other session
    assert ended(of_session)
    assert of_viewer.GetMe().id == of_viewed.GetMe().id == li.id

    admin.DeactivateUser(id=second.id, etag=admin.GetUser(id=second.id).etag)
    assert ended(of_viewer)
    assert of_viewed.GetMe().id == li.id

    admin.DeactivateUser(id=li.id, etag=admin.GetUser(id=li.id).etag)
    assert ended(of_viewed)


def test_it_ends_when_the_administrator_may_no_longer_look(admin, employ, hire, look):
    helper = employ("helper", ["user.*", "department.read"])
    view = look(helper, hire("plain").id)
    assert view.GetMe().username == "plain"
    role = next(r for r in admin.ListRoles(fields="*").roles if r.code == "of_helper")

    admin.UpdateRole(role={"id": role.id, "rights": ["user.read"]}, update_mask={"paths": ["rights"]}, etag=role.etag)

    def refuses():
        try:
            view.GetMe()
        except grpc.RpcError as error:
            return error.code().name == "PERMISSION_DENIED"
        return False

    assert eventually(refuses, 20)
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        view.GetMe()


def test_it_is_for_where_the_role_of_the_administrator_may_be_used(admin, employ, hire, look):
    helper = employ("helper", ["user.*"])
    view = look(helper, hire("plain").id)
    role = next(r for r in admin.ListRoles(fields="*").roles if r.code == "of_helper")
    admin.UpdateRole(
        role={"id": role.id, "policy": {"allowed_addresses": ["10.0.0.0/8"]}},
        update_mask={"paths": ["policy"]},
        etag=role.etag,
    )
    inside, outside = ({"x-forwarded-for": address} for address in ("10.1.2.3", "192.0.2.9"))

    def refuses():
        try:
            view.GetMe(metadata=outside)
        except grpc.RpcError as error:
            return error.code().name == "PERMISSION_DENIED"
        return False

    assert eventually(refuses, 20)
    with refused("PERMISSION_DENIED", "OUTSIDE_POLICY"):
        view.GetMe(metadata=outside)
    assert view.GetMe(metadata=inside).username == "plain"


def test_a_token_to_look_with_is_kept_for_no_repeat(server, admin, hire):
    li = hire("li")
    again = {"idempotency-key": "look-once-1"}

    first, second = (admin.ViewAs(id=li.id, metadata=again) for _ in range(2))

    kept = server.sql("SELECT count(*) FROM idempotency_key WHERE key = 'look-once-1'")
    assert kept[0][0] == 0
    for said in (first, second):
        assert server.client(said.access_token, said.user_id).GetMe().username == "li"
    assert [e.action for e in server.events("session")].count("viewed_as") == 2
