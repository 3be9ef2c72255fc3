"""Nobody can give away more than they have: to people, by roles, by personal rights and by where they stand."""

import time

import pytest

from crm_kit.testing import refused

pytestmark = pytest.mark.feature("IDN-07")

STAFF = ["user.*", "role.read", "department.*"]
"""Rights of somebody who manages people and nothing else."""


def denial(right, end=None):
    return {"right": right, "denied": True, **({"end_time": {"seconds": int(end)}} if end else {})}


def test_nobody_changes_what_they_may_do_themselves(admin, employ, change, root_id, role_id):
    clerk = employ("clerk", [*STAFF, "customer.read"])
    boss = employ("boss", STAFF)
    north = admin.CreateDepartment(department={"name": "华北", "parent_id": root_id})
    change(admin, clerk.user_id, grants=[denial("customer.delete")])

    for fields in (
        {"grants": []},
        {"role_ids": []},
        {"department_id": north.id},
        {"manager_id": boss.user_id},
    ):
        with refused("PERMISSION_DENIED", "OWN_RIGHTS"):
            change(clerk, clerk.user_id, **fields)
    assert change(clerk, clerk.user_id, position="经理", department_id=root_id).position == "经理"


def test_an_administrator_of_the_system_changes_even_that(admin, change, root_id):
    north = admin.CreateDepartment(department={"name": "华北", "parent_id": root_id})

    assert change(admin, admin.user_id, department_id=north.id).department_id == north.id


def test_a_denial_is_lifted_only_by_who_has_the_right(admin, server, hire, change):
    li = hire("li")
    without, having = server.person(STAFF), server.person([*STAFF, "role.update"])
    soon, later = time.time() + 60, time.time() + 3600
    change(admin, li.id, grants=[denial("role.update", later)])

    for grants in ([], [denial("role.update", soon)], [denial("role.read", later)]):
        with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
            change(without, li.id, grants=grants)

    assert change(without, li.id, grants=[denial("role.update"), denial("role.read")])
    assert not change(having, li.id, grants=[denial("role.read")]).grants[1:]


def test_a_denial_of_ones_own_hinders_lifting_that_of_another(admin, employ, hire, change):
    li = hire("li", "trainer")
    clerk = employ("clerk", [*STAFF, "customer.*"])
    for person in (li.id, clerk.user_id):
        change(admin, person, grants=[denial("customer.delete")])

    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        change(clerk, li.id, grants=[])


def test_a_personal_right_is_not_given_to_who_reaches_further(admin, server, hire, employ, change):
    wide, near = hire("wide", "finance"), employ("near", ["task.read"], "self")
    scopes = [{"resource": "*", "scope": "self"}, {"resource": "user", "scope": "all"}]
    clerk = server.person([*STAFF, "customer.export"], scopes)
    grant = [{"right": "customer.export"}]

    with refused("PERMISSION_DENIED", "SCOPE_NOT_HELD"):
        change(clerk, wide.id, grants=grant)
    assert change(clerk, near.user_id, grants=grant).grants


def test_a_relative_scope_is_given_only_to_who_stands_within_reach(admin, server, hire, change, root_id):
    north = admin.CreateDepartment(department={"name": "华北", "parent_id": root_id})
    local = admin.CreateRole(
        role={
            "code": "local",
            "name": "本部门",
            "rights": ["customer.read"],
            "scopes": [{"resource": "*", "scope": "department"}],
        }
    )
    scopes = [{"resource": "*", "scope": "department_tree"}, {"resource": "user", "scope": "all"}]
    clerk = server.person([*STAFF, "customer.read"], scopes, department_id=north.id)
    near, far = hire("near", department_id=north.id), hire("far")

    with refused("PERMISSION_DENIED", "SCOPE_NOT_HELD"):
        change(clerk, far.id, role_ids=[local.id])
    assert change(clerk, near.id, role_ids=[local.id]).role_ids == [local.id]


def test_people_are_moved_only_by_who_reaches_all_that_moves(admin, employ, hire, change, root_id):
    north = admin.CreateDepartment(department={"name": "华北", "parent_id": root_id})
    everywhere = [{"resource": r, "scope": "all"} for r in ("user", "department")]
    boss = employ("boss", [*STAFF, "customer.read"], [{"resource": "*", "scope": "subordinates"}, *everywhere])
    deputy = hire("deputy", manager_id=boss.user_id)
    other = hire("other", manager_id=boss.user_id)
    stranger = hire("stranger", "account_manager")

    for fields in ({"manager_id": boss.user_id}, {"manager_id": deputy.id}, {"department_id": north.id}):
        with refused("PERMISSION_DENIED", "PLACE_NOT_HELD"):
            change(boss, stranger.id, **fields)
    with refused("PERMISSION_DENIED", "PLACE_NOT_HELD"):
        change(boss, other.id, department_id=north.id)
    assert change(boss, other.id, manager_id=deputy.id).manager_id == deputy.id


def test_who_manages_people_everywhere_moves_them(admin, server, hire, change, root_id):
    north = admin.CreateDepartment(department={"name": "华北", "parent_id": root_id})
    clerk, boss, li = server.person(STAFF), hire("boss"), hire("li", "account_manager")

    moved = change(clerk, li.id, manager_id=boss.id, department_id=north.id)

    assert (moved.manager_id, moved.department_id) == (boss.id, north.id)


def test_an_import_moves_nobody_either(employ, hire, root_id):
    scopes = [{"resource": "*", "scope": "self"}, {"resource": "user", "scope": "all"}]
    clerk = employ("clerk", STAFF, scopes)
    hire("li", "account_manager")
    row = {"username": "li", "name": "李雷", "department_id": root_id, "manager_id": clerk.user_id}

    assert [r.outcome for r in clerk.ImportUsers(users=[row]).results] == ["failed"]


def test_a_department_is_moved_only_by_who_reaches_it_with_every_right(admin, employ, root_id):
    north, south = (admin.CreateDepartment(department={"name": n, "parent_id": root_id}) for n in ("华北", "华南"))
    scopes = [{"resource": "*", "scope": "department_tree"}, {"resource": "department", "scope": "all"}]
    clerk = employ("clerk", [*STAFF, "customer.read"], scopes, department_id=north.id)

    with refused("PERMISSION_DENIED", "PLACE_NOT_HELD"):
        clerk.UpdateDepartment(
            department={"id": south.id, "parent_id": north.id}, update_mask={"paths": ["parent_id"]}, etag=south.etag
        )


def test_a_department_gets_a_manager_only_by_who_reaches_it_with_every_right(admin, employ, hire, root_id):
    north, south = (admin.CreateDepartment(department={"name": n, "parent_id": root_id}) for n in ("华北", "华南"))
    scopes = [{"resource": "*", "scope": "department_tree"}, {"resource": "department", "scope": "all"}]
    clerk = employ("clerk", [*STAFF, "customer.read"], scopes, department_id=north.id)
    friend = hire("friend", department_id=north.id)

    def manage(department):
        change = {"id": department.id, "manager_id": friend.id}
        return clerk.UpdateDepartment(department=change, update_mask={"paths": ["manager_id"]}, etag=department.etag)

    with refused("PERMISSION_DENIED", "PLACE_NOT_HELD"):
        manage(south)
    assert manage(north).manager_id == friend.id


def test_a_role_that_reaches_below_lends_what_its_holder_manages(admin, employ, hire, change, root_id):
    north, south = (admin.CreateDepartment(department={"name": n, "parent_id": root_id}) for n in ("华北", "华南"))
    clerk = employ("clerk", [*STAFF, "customer.read"], "subordinates")
    scopes = [{"resource": "*", "scope": "subordinates"}]
    below = admin.CreateRole(role={"code": "lead", "name": "主管", "rights": ["customer.read"], "scopes": scopes})
    li, wang = (hire(name, manager_id=clerk.user_id) for name in ("li", "wang"))
    for department, manager in ((north, clerk.user_id), (south, li.id)):
        admin.UpdateDepartment(
            department={"id": department.id, "manager_id": manager},
            update_mask={"paths": ["manager_id"]},
            etag=department.etag,
        )

    with refused("PERMISSION_DENIED", "SCOPE_NOT_HELD"):
        change(clerk, li.id, role_ids=[below.id])
    assert change(clerk, wang.id, role_ids=[below.id]).role_ids == [below.id]


def test_nobody_keeps_out_or_lets_in_a_mightier_person(admin, server, hire):
    clerk = server.person(STAFF)
    second = hire("second", "system_admin")

    for act in (clerk.DeactivateUser, clerk.DeleteUser):
        with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
            act(id=second.id, etag=second.etag)
    out = admin.DeactivateUser(id=second.id, etag=second.etag)
    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        clerk.ActivateUser(id=second.id, etag=out.etag)
    admin.DeleteUser(id=second.id, etag=out.etag)
    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        clerk.RestoreUser(id=second.id)


def test_who_reaches_further_is_mightier_too(admin, server, employ, hire):
    wide = employ("wide", ["customer.read"])
    scopes = [{"resource": "*", "scope": "self"}, {"resource": "user", "scope": "all"}]
    clerk = server.person([*STAFF, "customer.read"], scopes)
    etag = admin.GetUser(id=wide.user_id).etag

    for act in (clerk.DeactivateUser, clerk.DeleteUser):
        with refused("PERMISSION_DENIED", "SCOPE_NOT_HELD"):
            act(id=wide.user_id, etag=etag)
    weak = hire("weak")
    assert clerk.DeactivateUser(id=weak.id, etag=weak.etag).active is False


@pytest.mark.parametrize(
    "change",
    [
        {"rights": []},
        {"field_rules": [{"resource": "customer", "field": "name", "rule": "hidden"}]},
        {"policy": {"allowed_addresses": ["10.255.255.255/32"]}},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("code", ["system_admin", "executive"])
def test_nobody_weakens_a_role_that_is_more_than_they_have(admin, employ, role_id, code, change):
    clerk = employ("clerk", ["role.read", "role.update"], "all")
    role = admin.GetRole(id=role_id(code))

    with refused("PERMISSION_DENIED"):
        clerk.UpdateRole(role={"id": role.id, **change}, update_mask={"paths": list(change)}, etag=role.etag)
    assert admin.GetRole(id=role.id) == role


@pytest.mark.parametrize(
    "change",
    [
        {"field_rules": [{"resource": "customer", "field": "name", "rule": "hidden"}]},
        {"policy": {"allowed_addresses": ["10.255.255.255/32"]}},
    ],
    ids=["fields", "policy"],
)
def test_the_administrators_role_stays_without_limits(admin, role_id, change):
    role = admin.GetRole(id=role_id("system_admin"))

    with refused("FAILED_PRECONDITION", "ADMINISTRATORS_UNLIMITED"):
        admin.UpdateRole(role={"id": role.id, **change}, update_mask={"paths": list(change)}, etag=role.etag)


@pytest.mark.parametrize(
    "change", [{"grants": [{"right": "*", "denied": True}]}, {"role_ids": []}], ids=["denial", "roles"]
)
def test_nobody_takes_rights_from_a_person_who_has_more(admin, hire, employ, change):
    boss = hire("boss", "system_admin")
    clerk = employ("clerk", ["user.read", "user.update"])

    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        clerk.UpdateUser(user={"id": boss.id, **change}, update_mask={"paths": list(change)}, etag=boss.etag)


@pytest.mark.feature("IDN-04")
def test_nobody_gives_the_account_of_a_mightier_person_to_somebody_at_a_provider(server, admin, hire, employ):
    boss = hire("boss", "system_admin", email="boss@example.com")
    clerk = employ("clerk", ["user.read", "user.update", "user.import"])

    def change(etag, **fields):
        return clerk.UpdateUser(user={"id": boss.id, **fields}, update_mask={"paths": list(fields)}, etag=etag)

    changed = change(boss.etag, email="other@example.com")  # no provider matches by it: it is only an address
    provider = {"name": "P", "issuer": "https://id.example.com", "client_id": "crm", "match_by": "email"}
    admin.CreateIdentityProvider(
        identity_provider={**provider, "redirect_uris": ["https://crm.example.com/back"], "enabled": True}
    )

    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        change(changed.etag, email="mine@example.com")
    result = clerk.ImportUsers(users=[{"username": "boss", "name": "Boss", "email": "mine@example.com"}]).results[0]
    assert result.outcome == "failed"
    assert admin.GetUser(id=boss.id).email == "other@example.com"


def test_nobody_raises_the_limits_of_their_own_role(server, employ):
    clerk = employ("clerk", ["role.read", "role.update", "user.export"])
    server.sql("UPDATE role SET policy = '{\"exportRows\": 1}' WHERE code = 'of_clerk'")
    server.sql("UPDATE org_role SET policy = '{\"exportRows\": 1}' WHERE code = 'of_clerk'")
    server.service.organisation.forget()
    role = clerk.ListRoles(filter="code=of_clerk").roles[0]

    with refused("PERMISSION_DENIED"):
        clerk.UpdateRole(
            role={"id": role.id, "policy": {"export_rows": 100_000}}, update_mask={"paths": ["policy"]}, etag=role.etag
        )
