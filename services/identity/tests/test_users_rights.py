"""What users may: scopes, personal rights, who administers; nobody gives away more than they have."""

import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from crm_kit.testing import refused

pytestmark = pytest.mark.feature("IDN-05")


def user(root_id, username="li", **fields):
    return {"username": username, "name": "李雷", "department_id": root_id, **fields}


@pytest.mark.feature("IDN-07")
def test_an_administrator_of_users_cannot_make_themselves_mightier(server, admin, role_id, root_id):
    clerk = server.person(rights=["user.*", "department.read", "role.read"], name="人事")
    admin_id = admin.user_id
    peer = clerk.CreateUser(user=user(root_id))

    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        clerk.CreateUser(user=user(root_id, "spy", role_ids=[role_id("system_admin")]))
    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        clerk.UpdateUser(
            user={"id": peer.id, "grants": [{"right": "role.update"}]},
            update_mask={"paths": ["grants"]},
            etag=peer.etag,
        )
    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        clerk.SetPassword(id=admin_id, new_password="From-Below-9")


@pytest.mark.feature("IDN-07")
def test_a_personal_denial_wins_over_the_roles_at_once(admin, hire, sign_in):
    li = hire("li", "data_clerk")
    session = sign_in("li")
    assert session.ListDepartments(page_size=1).departments

    admin.UpdateUser(
        user={"id": li.id, "grants": [{"right": "department.read", "denied": True}]},
        update_mask={"paths": ["grants"]},
        etag=li.etag,
    )

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        session.ListDepartments()


@pytest.mark.feature("IDN-07")
def test_a_personal_right_holds_until_its_end(admin, hire, sign_in):
    li = hire("li", "trainer")
    session = sign_in("li")

    def grant_until(moment, etag):
        grant = {"right": "role.read", "end_time": {"seconds": int(moment)}}
        change = {"id": li.id, "grants": [grant]}
        return admin.UpdateUser(user=change, update_mask={"paths": ["grants"]}, etag=etag).etag

    etag = grant_until(time.time() + 3600, li.etag)
    assert session.ListRoles().roles

    grant_until(time.time() - 1, etag)

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        session.ListRoles()


def test_the_last_administrator_stays(admin, hire, role_id, sign_in):
    second = hire("second", "system_admin")
    other = sign_in("second")
    first = admin.GetUser(id=admin.user_id)
    gone = other.DeactivateUser(id=first.id, etag=first.etag)

    change = {"id": second.id, "role_ids": [role_id("trainer")]}
    with refused("FAILED_PRECONDITION", "LAST_ADMINISTRATOR"):
        other.UpdateUser(user=change, update_mask={"paths": ["role_ids"]}, etag=second.etag)
    change = {"id": second.id, "grants": [{"right": "user.update", "denied": True}]}
    with refused("FAILED_PRECONDITION", "LAST_ADMINISTRATOR"):
        other.UpdateUser(user=change, update_mask={"paths": ["grants"]}, etag=second.etag)

    other.ActivateUser(id=gone.id, etag=gone.etag)
    assert sign_in("admin").DeactivateUser(id=second.id, etag=second.etag).active is False


def test_two_administrators_cannot_put_each_other_out(admin, hire, sign_in):
    second = hire("second", "system_admin")
    other, first = sign_in("second"), admin.GetUser(id=admin.user_id)

    def put_out(pair):
        client, victim = pair
        try:
            client.DeactivateUser(id=victim.id, etag=victim.etag)
        except grpc.RpcError as error:
            return error.code().name
        return "OK"

    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(put_out, [(admin, second), (other, first)]))

    assert sorted(codes)[0] in ("FAILED_PRECONDITION", "OK", "UNAUTHENTICATED")
    assert codes.count("OK") == 1


def test_one_sees_oneself_and_the_people_of_ones_scope(server, admin, hire, sign_in, role_id):
    boss = hire("boss", "sales_manager")
    report = hire("report", "account_manager", manager_id=boss.id)
    stranger = hire("stranger", "account_manager")
    session = sign_in("boss")

    assert {u.username for u in session.ListUsers().users} == {"boss", "report"}
    assert session.GetUser(id=report.id).username == "report"
    with refused("NOT_FOUND"):
        session.GetUser(id=stranger.id)
