"""Where and when roles may be used: at login, at refresh, while working; and what may be given of them."""

import pytest

from crm_kit.testing import refused

PASSWORD = "Right-Horse-7"  # of the administrator, see conftest.py
INSIDE, OUTSIDE = {"x-forwarded-for": "10.1.1.1"}, {"x-forwarded-for": "203.0.113.5"}
OFFICE = {"allowed_addresses": ["10.0.0.0/8"]}

pytestmark = pytest.mark.feature("IDN-12")


@pytest.fixture
def clerk(admin, hire):
    """Somebody whose one role holds only in the office."""
    role = {
        "code": "office",
        "name": "办公室",
        "rights": ["customer.read", "role.create", "role.read"],
        "policy": OFFICE,
    }
    role["scopes"] = [{"resource": "*", "scope": "all"}]
    admin.CreateRole(role=role)
    return hire("clerk", "office")


def test_login_and_refresh_are_refused_where_no_role_may_be_used(server, clerk, sign_in):
    with refused("PERMISSION_DENIED", "OUTSIDE_POLICY"):
        sign_in("clerk", metadata=OUTSIDE)
    me = sign_in("clerk", metadata=INSIDE)

    with refused("PERMISSION_DENIED", "OUTSIDE_POLICY"):
        server.nobody.Refresh(refresh_token=me.tokens.refresh_token, metadata=OUTSIDE)
    assert server.nobody.Refresh(refresh_token=me.tokens.refresh_token, metadata=INSIDE).access_token
    with refused("PERMISSION_DENIED", "OUTSIDE_POLICY"):
        me.GetMe(metadata=OUTSIDE)


def test_the_refusal_is_told_after_the_right_password_only_and_costs_no_try(server, clerk, sign_in):
    for _ in range(12):
        with refused("PERMISSION_DENIED", "OUTSIDE_POLICY"):
            sign_in("clerk", metadata=OUTSIDE)

    with refused("UNAUTHENTICATED", "LOGIN_REFUSED"):
        sign_in("clerk", "wrong", metadata=OUTSIDE)
    assert [e.action for e in server.events("session")].count("refused") == 13


def test_a_second_role_without_limits_lets_in_from_anywhere(server, clerk, hire, sign_in):
    hire("both", "office", "trainer")

    me = sign_in("both", metadata=OUTSIDE).GetMe(metadata=OUTSIDE)

    assert me.role_codes == ["trainer"]
    assert "role.create" not in me.rights


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        ({"allowed_addresses": ["10.0.0.0/8", "10.0.0.1/8"]}, "policy.allowedAddresses[1]"),
        ({"allowed_addresses": ["office"]}, "policy.allowedAddresses[0]"),
        ({"allowed_hours": [{"start": "18:00", "end": "08:30"}]}, "policy.allowedHours[0].end"),
        ({"allowed_hours": [{"start": "8:30", "end": "18:00"}]}, "policy.allowedHours[0].end"),
        ({"allowed_hours": [{"days": ["someday"], "start": "08:30", "end": "18:00"}]}, "policy.allowedHours[0].days"),
        ({"session_hours": 0}, "policy.sessionHours"),
        ({"concurrent_sessions": 1001}, "policy.concurrentSessions"),
    ],
)
def test_a_policy_that_means_nothing_is_refused_by_its_field(admin, policy, field):
    with refused("INVALID_ARGUMENT", "INVALID", field):
        admin.CreateRole(role={"code": "odd", "name": "odd", "policy": policy})


def role(code, policy=None):
    scopes = [{"resource": "*", "scope": "all"}]
    return {"code": code, "name": code, "rights": ["customer.read"], "scopes": scopes, "policy": policy or {}}


@pytest.mark.feature("IDN-07")
def test_a_limited_role_lends_only_what_is_limited_as_much(clerk, sign_in):
    me = sign_in("clerk", metadata=INSIDE)
    narrower = {"allowed_addresses": ["10.1.0.0/16"], "allowed_hours": [{"start": "08:00", "end": "18:00"}]}

    for wider in ({}, {"allowed_addresses": ["0.0.0.0/0"]}, {"allowed_hours": [{"start": "08:00", "end": "18:00"}]}):
        with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
            me.CreateRole(role=role("wider", wider), metadata=INSIDE)
    assert me.CreateRole(role=role("narrower", narrower), metadata=INSIDE).policy.allowed_addresses == ["10.1.0.0/16"]


@pytest.mark.feature("IDN-07")
def test_a_role_is_loosened_and_tightened_by_who_holds_it(admin, employ):
    tight = admin.CreateRole(role={**role("tight", OFFICE), "rights": ["opportunity.read"]})
    editor = employ("editor", ["role.update", "role.read", "customer.read"])

    def update(policy):
        etag = admin.GetRole(id=tight.id).etag
        changed = {"id": tight.id, "policy": policy}
        return editor.UpdateRole(role=changed, update_mask={"paths": ["policy"]}, etag=etag)

    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        update({})
    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        update({"allowed_addresses": ["10.1.0.0/16"]})


@pytest.mark.feature("IDN-07")
def test_a_limited_role_is_not_a_way_to_give_somebody_a_free_one(admin, hire, sign_in):
    rights = ["customer.read", "user.update", "user.read"]
    admin.CreateRole(role={**role("office", OFFICE), "rights": rights})
    free, held = admin.CreateRole(role=role("free")), admin.CreateRole(role=role("held", OFFICE))
    hire("clerk", "office")
    li = hire("li")
    me = sign_in("clerk", metadata=INSIDE)

    def give(etag, **fields):
        user = {"id": li.id, **fields}
        return me.UpdateUser(user=user, update_mask={"paths": list(fields)}, etag=etag, metadata=INSIDE)

    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        give(li.etag, role_ids=[free.id])
    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        give(li.etag, grants=[{"right": "customer.read"}])
    assert give(li.etag, role_ids=[held.id]).role_ids == [held.id]


def test_nobody_with_hours_moves_their_own_clock(admin, hire, sign_in, change):
    always = {"allowed_hours": [{"start": "00:00", "end": "24:00"}]}
    admin.CreateRole(role={**role("daily", always), "rights": ["user.update", "user.read"]})
    hire("li", "daily")
    li = sign_in("li")

    with refused("PERMISSION_DENIED", "OWN_RIGHTS"):
        change(li, li.user_id, time_zone="America/New_York")
    with refused("INVALID_ARGUMENT", "INVALID", "timeZone"):
        change(admin, li.user_id, time_zone="Nowhere/At_All")
    assert change(admin, li.user_id, time_zone="America/New_York").time_zone == "America/New_York"


@pytest.mark.feature("IDN-07")
@pytest.mark.parametrize(
    ("group", "given", "codes"),
    [
        ("operator", [], ["account_manager"]),
        ("administrator", [], ["executive"]),
        ("operator", ["trainer"], ["trainer"]),
        ("", [], []),
    ],
)
def test_a_new_account_without_roles_inherits_those_of_its_group(admin, root_id, role_id, group, given, codes):
    user = {"username": "li", "name": "李雷", "department_id": root_id, "group": group}

    made = admin.CreateUser(user={**user, "role_ids": [role_id(code) for code in given]})

    assert sorted(made.role_ids) == sorted(role_id(code) for code in codes)
    assert made.group == group


@pytest.mark.feature("IDN-07")
def test_a_group_gives_nobody_more_than_the_giver_has(employ, root_id):
    clerk = employ("clerk", ["user.create", "user.read"])

    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        clerk.CreateUser(user={"username": "li", "name": "李", "department_id": root_id, "group": "administrator"})
