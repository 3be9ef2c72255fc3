"""Roles and rights."""

import pytest

from crm_kit.testing import refused
from identity import builtin, rights

pytestmark = pytest.mark.feature("IDN-07")


def role(**fields):
    every = {"resource": "*", "scope": "self"}
    return {"code": "helper", "name": "助理", "rights": ["customer.read"], "scopes": [every], **fields}


def update(client, stored, **fields):
    return client.UpdateRole(role={"id": stored.id, **fields}, update_mask={"paths": list(fields)}, etag=stored.etag)


def by_code(admin, code):
    return next(r for r in admin.ListRoles(page_size=200, fields="*").roles if r.code == code)


def test_a_role_gives_its_rights_to_who_has_it_at_once(admin, hire, sign_in):
    made = admin.CreateRole(role=role())
    li = hire("li")
    session = sign_in("li")
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        session.ListRoles()

    admin.UpdateUser(user={"id": li.id, "role_ids": [made.id]}, update_mask={"paths": ["role_ids"]}, etag=li.etag)
    update(admin, made, rights=["role.read"])

    assert session.ListRoles().roles


def test_rights_resources_and_departments_must_exist(admin):
    wrong = role(
        rights=["customer.read", "customer.fly", "unicorn.read", "unicorn.*"],
        scopes=[{"resource": "unicorn", "scope": "all"}, {"resource": "*", "scope": "chosen"}],
    )

    with refused(
        "INVALID_ARGUMENT", "INVALID", "rights[1]", "rights[2]", "rights[3]", "scopes[0].resource",
        "scopes[1].departmentIds",
    ):  # fmt: skip
        admin.CreateRole(role=wrong)


def test_wildcards_are_rights(admin):
    assert admin.CreateRole(role=role(rights=["customer.*", "*"])).rights == ["customer.*", "*"]


def test_a_code_is_taken_once_and_never_changes(admin):
    made = admin.CreateRole(role=role())

    with refused("ALREADY_EXISTS", "EXISTS", "code"):
        admin.CreateRole(role=role())
    with refused("INVALID_ARGUMENT", "INVALID", "code"):
        update(admin, made, code="other")


def test_a_role_in_use_is_not_deleted(admin, hire):
    made = admin.CreateRole(role=role())
    hire("li", "helper")

    with refused("FAILED_PRECONDITION", "DEPENDED_ON") as refusal:
        admin.DeleteRole(id=made.id, etag=made.etag)

    assert "用户 1" in refusal.message


def test_an_unused_role_is_deleted(admin):
    made = admin.CreateRole(role=role())

    admin.DeleteRole(id=made.id, etag=made.etag)

    assert "helper" not in {r.code for r in admin.ListRoles(page_size=200, fields="code").roles}


def test_built_in_roles_are_edited_but_not_deleted(admin):
    trainer = by_code(admin, "trainer")
    assert trainer.built_in

    changed = update(admin, trainer, name="讲师")

    with refused("FAILED_PRECONDITION", "BUILT_IN_ROLE"):
        admin.DeleteRole(id=changed.id, etag=changed.etag)


def test_administrators_keep_what_is_needed_to_administer(admin):
    own = by_code(admin, "system_admin")

    with refused("FAILED_PRECONDITION", "ADMINISTRATORS_NEED"):
        update(admin, own, rights=["user.*", "customer.*"])
    with refused("FAILED_PRECONDITION", "ADMINISTRATORS_NEED"):
        update(admin, own, scopes=[{"resource": "*", "scope": "self"}])
    assert update(admin, own, rights=["user.*", "role.*", "department.*"]).etag == "2"


def test_nobody_makes_a_role_of_more_than_they_have(server):
    clerk = server.person(rights=["role.*", "customer.read"], scope="self")

    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        clerk.CreateRole(role=role(rights=["customer.delete"]))
    with refused("PERMISSION_DENIED", "SCOPE_NOT_HELD"):
        clerk.CreateRole(role=role(scopes=[{"resource": "customer", "scope": "all"}]))
    assert clerk.CreateRole(role=role()).rights == ["customer.read"]


@pytest.mark.parametrize(
    ("own", "given", "held"),
    [
        ("self", "subordinates", False),
        ("subordinates", "self", True),
        ("subordinates", "subordinates", True),
        ("subordinates", "department", False),
        ("department", "subordinates", False),
        ("department", "department_tree", False),
        ("department_tree", "department", True),
        ("department_tree", "all", False),
        ("all", "department_tree", True),
    ],
)
def test_a_scope_is_given_by_who_has_one_as_wide(server, own, given, held):
    clerk = server.person(rights=["role.*", "customer.read"], scope=own)
    wanted = role(scopes=[{"resource": "customer", "scope": given}])

    if held:
        assert clerk.CreateRole(role=wanted).scopes[0].scope == given
    else:
        with refused("PERMISSION_DENIED", "SCOPE_NOT_HELD"):
            clerk.CreateRole(role=wanted)


def test_chosen_departments_are_among_ones_own(server, admin, root_id):
    other = admin.CreateDepartment(department={"name": "华北", "parent_id": root_id})
    clerk = server.person(rights=["role.*", "customer.read"], scope="department", department_id=root_id)

    def chosen(department_id):
        return [{"resource": "customer", "scope": "chosen", "department_ids": [department_id]}]

    with refused("PERMISSION_DENIED", "SCOPE_NOT_HELD"):
        clerk.CreateRole(role=role(scopes=chosen(other.id)))
    assert clerk.CreateRole(role=role(scopes=chosen(root_id)))


def test_a_scope_taken_away_does_not_widen_a_role(server, admin):
    every, own = {"resource": "*", "scope": "all"}, {"resource": "customer", "scope": "self"}
    made = admin.CreateRole(role=role(scopes=[every, own]))
    clerk = server.person(rights=["role.*", "customer.read"], scope="self")

    with refused("PERMISSION_DENIED", "SCOPE_NOT_HELD"):
        update(clerk, made, scopes=[every])
    with refused("PERMISSION_DENIED", "SCOPE_NOT_HELD"):  # it is more than they have: they do not change it at all
        update(clerk, made, scopes=[own])


def test_a_narrow_scope_of_the_giver_is_not_evaded_by_one_for_everything(server):
    every, own = {"resource": "*", "scope": "all"}, {"resource": "customer", "scope": "self"}
    clerk = server.person(rights=["role.*", "customer.read"], scope=[every, own])

    with refused("PERMISSION_DENIED", "SCOPE_NOT_HELD"):
        clerk.CreateRole(role=role(scopes=[every]))
    assert clerk.CreateRole(role=role(scopes=[every, own]))


def test_a_right_is_not_added_to_a_role_that_reaches_further(server, admin):
    every = {"resource": "*", "scope": "all"}
    made = admin.CreateRole(role=role(scopes=[every]))
    clerk = server.person(rights=["role.*", "customer.delete"], scope="self")

    with refused("PERMISSION_DENIED"):
        update(clerk, made, rights=["customer.read", "customer.delete"])


def test_the_scope_of_one_role_is_not_given_with_the_right_of_another(server):
    clerk = server.person(["role.*", "customer.read"], "all", also=[server.role(["customer.delete"], "self")])
    every = [{"resource": "*", "scope": "all"}]

    with refused("PERMISSION_DENIED", "SCOPE_NOT_HELD"):
        clerk.CreateRole(role=role(rights=["customer.delete"], scopes=every))
    assert clerk.CreateRole(role=role(scopes=every))


def test_the_list_of_rights_is_made_from_the_contract(admin):
    listed = {r.right: r for r in admin.ListRights().rights}

    assert listed["customer.update"].label_zh == "客户 · 修改"
    assert {"customer.assign", "customer.configure", "customer.export", "user.import", "report.read"} <= set(listed)
    assert {"session.read", "session.delete", "password_policy.update"} <= set(listed)


def test_every_right_and_resource_of_the_built_in_roles_exists():
    named = {r for one in builtin.ROLES for r in one.rights if r != "*"}
    scoped = {r for one in builtin.ROLES for r in one.scopes}

    assert sorted(r for r in named if not rights.exists(r)) == []
    assert scoped <= rights.resources()


def test_the_built_in_roles_divide_the_work(admin):
    may = {one.code: set(one.rights) for one in builtin.ROLES}

    assert set(may) == {
        "system_admin", "executive", "sales_manager", "account_manager", "marketing", "service_agent", "finance",
        "data_clerk", "reviewer", "channel_manager", "trainer",
    }  # fmt: skip
    assert {"customer.delete", "opportunity.approve", "customer.export", "report.print"} <= may["executive"]
    assert not [r for r in may["executive"] if r.endswith(".configure") or r in ("user.update", "role.update")]
    kept = {"contact.delete", "demand.delete", "interaction.delete", "task_comment.delete"}
    kept |= {"relationship.delete", "customer_event_participant.delete"}
    kept |= {"occasion.delete", "care_plan.delete", "segment.delete"}
    restricted = ("export", "print", "delete", "import")
    assert {r for r in may["account_manager"] if r.rpartition(".")[2] in restricted} == kept
    assert "customer_brief.read" in may["account_manager"]
    assert {"customer.assign", "opportunity.approve"} <= may["sales_manager"]
