"""Field rules of roles: which make sense, and that nobody opens to others what is closed to them."""

import pytest

from crm_kit.testing import refused
from identity import builtin, field_rules

pytestmark = pytest.mark.feature("IDN-07")

STAFF = ["user.*", "role.*", "department.read", "customer.read", "customer.update"]


def rule(field, level, resource="customer", **more):
    return {"resource": resource, "field": field, "rule": level, **more}


def role(*rules, rights=("customer.read",), code="clerk"):
    scopes = [{"resource": "*", "scope": "self"}]
    return {"code": code, "name": "职员", "rights": rights, "scopes": scopes, "field_rules": rules}


@pytest.fixture
def head(server):
    """Somebody who manages people and roles, and sees phone numbers masked."""
    return server.person(STAFF, fields=[rule("phone", "masked"), rule("level", "required")])


def test_rules_are_kept_by_the_contracts_names(admin):
    made = admin.CreateRole(role=role(rule("bankAccount", "masked"), rule("custom.size", "hidden", states=["new"])))

    kept = [(r.field, r.rule, list(r.states)) for r in admin.GetRole(id=made.id).field_rules]
    assert kept == [("bank_account", "masked", []), ("custom.size", "hidden", ["new"])]


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (rule("phone", "hidden", "nothing"), "fieldRules[1].resource"),
        (rule("phone", "hidden", "customer_brief"), "fieldRules[1].resource"),
        (rule("nothing", "hidden"), "fieldRules[1].field"),
        (rule("custom.size", "hidden", "product_category"), None),
        (rule("custom.size", "hidden", "notification"), "fieldRules[1].field"),
        (rule("custom.", "hidden"), "fieldRules[1].field"),
        (rule("id", "masked"), "fieldRules[1].field"),
        (rule("etag", "hidden"), "fieldRules[1].field"),
        (rule("number", "required"), "fieldRules[1].field"),
        (rule("custom", "required"), "fieldRules[1].field"),
        (rule("phone", "secret"), "fieldRules[1].rule"),
    ],
)
def test_a_rule_that_can_never_hold_is_refused(admin, wrong, path):
    wanted = role(rule("phone", "masked"), wrong)

    if path is None:
        assert len(admin.CreateRole(role=wanted).field_rules) == 2
    else:
        with refused("INVALID_ARGUMENT", "INVALID", path):
            admin.CreateRole(role=wanted)


def test_nobody_makes_a_role_that_opens_what_is_closed_to_them(head):
    with refused("PERMISSION_DENIED", "FIELD_NOT_HELD"):
        head.CreateRole(role=role())
    with refused("PERMISSION_DENIED", "FIELD_NOT_HELD"):
        head.CreateRole(role=role(rule("phone", "read_only")))
    with refused("PERMISSION_DENIED", "FIELD_NOT_HELD"):
        head.CreateRole(role=role(rule("phone", "masked"), rule("phone", "optional", states=["new"])))
    head.CreateRole(role=role(rule("phone", "masked")))
    head.CreateRole(role=role(rule("phone", "hidden"), code="less"))
    head.CreateRole(role=role(rights=["department.read"], code="none"))


def test_nobody_loosens_a_role_beyond_their_own_sight(admin, head):
    made = admin.CreateRole(role=role(rule("phone", "masked")))
    bare = admin.CreateRole(role=role(rights=["department.read"], code="bare"))

    def change(one, **fields):
        return head.UpdateRole(role={"id": one.id, **fields}, update_mask={"paths": list(fields)}, etag=one.etag)

    with refused("PERMISSION_DENIED", "FIELD_NOT_HELD"):
        change(made, field_rules=[])
    with refused("PERMISSION_DENIED", "FIELD_NOT_HELD"):
        change(bare, rights=["department.read", "customer.read"])
    assert change(made, field_rules=[rule("phone", "hidden")]).etag == "2"


def test_nobody_hands_out_a_role_that_shows_more(admin, head, hire, change, role_id):
    opened = admin.CreateRole(role=role(code="opened"))
    closed = admin.CreateRole(role=role(rule("phone", "masked"), code="closed"))
    li = hire("li")

    with refused("PERMISSION_DENIED", "FIELD_NOT_HELD"):
        change(head, li.id, role_ids=[opened.id])
    assert change(head, li.id, role_ids=[closed.id]).role_ids == [closed.id]
    with refused("PERMISSION_DENIED", "FIELD_NOT_HELD"):
        change(head, li.id, role_ids=[closed.id, opened.id])


def test_a_personal_right_and_a_lifted_denial_open_fields_too(admin, head, hire, change):
    plain = admin.CreateRole(role=role(rights=["department.read"], code="plain"))
    opened = admin.CreateRole(role=role(code="opened"))
    li, wang = hire("li"), hire("wang")
    change(admin, li.id, role_ids=[plain.id])
    change(admin, wang.id, role_ids=[opened.id], grants=[{"right": "customer.read", "denied": True}])

    with refused("PERMISSION_DENIED", "FIELD_NOT_HELD"):
        change(head, li.id, grants=[{"right": "customer.read"}])
    with refused("PERMISSION_DENIED", "FIELD_NOT_HELD"):
        change(head, wang.id, grants=[])
    assert change(head, li.id, position="职员").position == "职员"


def test_taking_a_role_away_must_not_open_a_field(admin, head, hire, change):
    """Without a role that lets read, the right given to the person alone holds by all of them."""
    plain = admin.CreateRole(role=role(rights=["department.read"], code="plain"))
    closed = admin.CreateRole(role=role(rule("phone", "masked"), code="closed"))
    li = hire("li")
    change(admin, li.id, role_ids=[plain.id, closed.id], grants=[{"right": "customer.read"}])

    with refused("PERMISSION_DENIED", "FIELD_NOT_HELD"):
        change(head, li.id, role_ids=[plain.id])


def test_nobody_sets_the_password_of_who_sees_more(admin, server, head, hire, change):
    opened = admin.CreateRole(role=role(code="opened"))
    li = hire("li")
    change(admin, li.id, role_ids=[opened.id])

    with refused("PERMISSION_DENIED", "FIELD_NOT_HELD"):
        head.SetPassword(id=li.id, new_password="From-Beside-9")
    assert admin.SetPassword(id=li.id, new_password="From-Above-9").id == li.id


def test_even_who_may_do_everything_opens_nothing_that_is_closed_to_them(admin, server, hire, change, role_id):
    closed = server.person(["*"], fields=[rule("phone", "masked")])
    li = hire("li")

    with refused("PERMISSION_DENIED", "FIELD_NOT_HELD"):
        change(closed, li.id, role_ids=[role_id("sales_manager")])
    with refused("PERMISSION_DENIED", "FIELD_NOT_HELD"):
        closed.CreateRole(role=role())
    assert admin.CreateRole(role=role()).code == "clerk"


def test_the_rules_of_the_built_in_roles_make_sense(admin, role_id):
    known = field_rules.fields()
    by_code = {one.code: {(r, f): rule for r, f, rule in one.fields} for one in builtin.ROLES}

    assert not [x for one in by_code.values() for x in one if x[1] not in known[x[0]]]
    assert by_code["finance"].get(("customer", "bank_account")) is None
    assert by_code["trainer"]["customer", "bank_account"] == "hidden"
    for code in ("marketing", "reviewer", "service_agent"):
        assert by_code[code]["customer", "bank_account"] == "masked"
    for code in ("system_admin", "executive", "sales_manager", "account_manager"):
        assert by_code[code] == {}
    stored = admin.GetRole(id=role_id("trainer")).field_rules
    assert {(r.resource, r.field): r.rule for r in stored} == by_code["trainer"]


def test_colleagues_obey_the_rules_of_their_roles(server, admin, hire):
    li = hire("li", phone="13812345678", birthday="1990-01-01")
    clerk = server.person(["user.read"], fields=[rule("phone", "masked", "user"), rule("birthday", "hidden", "user")])

    seen = clerk.GetUser(id=li.id)

    assert (seen.phone, seen.birthday) == ("138****5678", "")
    assert [u.id for u in clerk.ListUsers(search="13812345678").users] == []
