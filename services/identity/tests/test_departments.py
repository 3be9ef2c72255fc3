"""The organisation tree."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from crm_kit.testing import refused

pytestmark = pytest.mark.feature("IDN-06")


@pytest.fixture
def found(admin, root_id):
    """Make a department."""

    def make(name, parent_id=root_id, **fields):
        return admin.CreateDepartment(department={"name": name, "parent_id": parent_id, **fields})

    return make


def move(admin, department, parent):
    change = {"id": department.id, "parent_id": parent.id}
    return admin.UpdateDepartment(department=change, update_mask={"paths": ["parent_id"]}, etag=department.etag)


def test_a_department_does_not_come_to_stand_below_itself(admin, found):
    north = found("华北")
    beijing = found("北京", north.id)

    for parent in (north, beijing):
        with refused("INVALID_ARGUMENT", "INVALID", "parentId") as refusal:
            move(admin, north, parent)
        assert refusal.fields["parentId"] == "上级部门不能是自己或自己的下级"


def test_two_moves_at_once_make_no_cycle(admin, found):
    for _ in range(5):
        a, b = found("甲"), found("乙")

        def try_to(pair):
            try:
                move(admin, *pair)
            except grpc.RpcError as error:
                return error.code().name
            return "OK"

        with ThreadPoolExecutor(2) as pool:
            codes = list(pool.map(try_to, [(a, b), (b, a)]))
        assert sorted(codes) == ["INVALID_ARGUMENT", "OK"]


def test_a_department_with_people_or_departments_below_is_not_deleted(admin, found, hire):
    north = found("华北")
    found("北京", north.id)
    hire("li", department_id=north.id)

    with refused("FAILED_PRECONDITION", "DEPENDED_ON") as refusal:
        admin.DeleteDepartment(id=north.id, etag=north.etag)

    assert refusal.message == "还有记录依赖它：下级部门 1, 人员 1"


def test_an_empty_department_goes_to_the_recycle_bin_and_back(server, admin, found):
    north = found("华北")

    admin.DeleteDepartment(id=north.id, etag=north.etag)

    with refused("INVALID_ARGUMENT", "INVALID", "parentId"):
        found("北京", north.id)
    assert admin.RestoreDepartment(id=north.id).name == "华北"
    assert [e.action for e in server.events("department")] == ["created", "deleted", "restored"]


def test_what_is_restored_must_still_have_its_place(admin, found, root_id):
    north = found("华北")
    beijing = found("北京", north.id)
    li = admin.CreateUser(user={"username": "li", "name": "李雷", "department_id": north.id})
    admin.DeleteUser(id=li.id, etag=li.etag)
    admin.DeleteDepartment(id=beijing.id, etag=beijing.etag)
    admin.DeleteDepartment(id=north.id, etag=north.etag)

    with refused("INVALID_ARGUMENT", "INVALID", "departmentId"):
        admin.RestoreUser(id=li.id)
    with refused("INVALID_ARGUMENT", "INVALID", "parentId"):
        admin.RestoreDepartment(id=beijing.id)

    admin.RestoreDepartment(id=north.id)
    assert admin.RestoreUser(id=li.id).department_id == north.id


def test_nobody_joins_a_department_while_it_is_deleted(admin, root_id, found):
    for attempt in range(5):
        north = found(f"部门{attempt}")

        def delete(north=north):
            try:
                admin.DeleteDepartment(id=north.id, etag=north.etag)
            except grpc.RpcError as error:
                return error.code().name
            return "OK"

        def join(north=north, attempt=attempt):
            try:
                admin.CreateUser(user={"username": f"u{attempt}", "name": "新人", "department_id": north.id})
            except grpc.RpcError as error:
                return error.code().name
            return "OK"

        with ThreadPoolExecutor(2) as pool:
            deleted, joined = pool.submit(delete), pool.submit(join)
        assert sorted([deleted.result(), joined.result()])[1] == "OK"
        assert (deleted.result() == "OK") != (joined.result() == "OK")


def test_a_moved_person_sees_with_the_new_department_at_once(server, admin, root_id, found, hire, sign_in):
    north, south = found("华北"), found("华南")
    role = admin.CreateRole(
        role={
            "code": "local",
            "name": "本部门",
            "rights": ["user.read"],
            "scopes": [{"resource": "*", "scope": "department"}],
        }
    )
    hire("northern", department_id=north.id)
    hire("southern", department_id=south.id)
    me = hire("me", department_id=north.id)
    me = admin.UpdateUser(user={"id": me.id, "role_ids": [role.id]}, update_mask={"paths": ["role_ids"]}, etag=me.etag)
    session = sign_in("me")
    assert {u.username for u in session.ListUsers().users} == {"northern", "me"}

    admin.UpdateUser(
        user={"id": me.id, "department_id": south.id}, update_mask={"paths": ["department_id"]}, etag=me.etag
    )

    assert {u.username for u in session.ListUsers().users} == {"southern", "me"}


def test_departments_are_imported_by_their_external_key(admin, root_id):
    rows = [{"name": "华北", "parent_id": root_id, "external_id": "N"}, {"name": "华南", "external_id": "S"}]

    first = admin.ImportDepartments(departments=rows)
    rows[1]["name"] = "华南大区"
    again = admin.ImportDepartments(departments=rows)

    assert first.created == 2
    assert (again.unchanged, again.updated) == (1, 1)
