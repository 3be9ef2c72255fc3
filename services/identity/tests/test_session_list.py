"""Where somebody is logged in, ending that, and how long and how often one may be."""

import pytest

from crm_kit.testing import refused
from crm_kit.testing.suite import eventually

PASSWORD = "Right-Horse-7"  # of the administrator, see conftest.py

pytestmark = pytest.mark.feature("IDN-02")


@pytest.fixture
def limited(admin, hire):
    """A person with a role of this policy for each that is given."""

    def make(username, *policies):
        codes = []
        for i, policy in enumerate(policies):
            codes.append(f"{username}_{i}")
            role = {"code": codes[-1], "name": "限制", "rights": ["customer.read"], "policy": policy}
            admin.CreateRole(role=role)
        return hire(username, *codes)

    return make


def test_one_sees_ones_own_sessions_newest_first(sign_in):
    first = sign_in("admin", device="Firefox", metadata={"x-forwarded-for": "10.0.0.1"})
    sign_in("admin", device="phone", metadata={"x-forwarded-for": "2001:db8::1"})

    phone, firefox = first.ListSessions().sessions

    assert (phone.device, phone.address, phone.current) == ("phone", "2001:db8::1", False)
    assert (firefox.device, firefox.address, firefox.current) == ("Firefox", "10.0.0.1", True)
    assert firefox.create_time.seconds <= firefox.last_use_time.seconds < firefox.expire_time.seconds


def test_the_list_has_pages(sign_in):
    me, *_ = [sign_in("admin") for _ in range(5)]

    page = me.ListSessions(page_size=3)
    rest = me.ListSessions(page_size=3, page_token=page.next_page_token)

    assert [len(page.sessions), len(rest.sessions), rest.next_page_token] == [3, 2, ""]
    assert len({s.id for s in [*page.sessions, *rest.sessions]}) == 5
    with refused("INVALID_ARGUMENT", "BAD_PAGE_TOKEN"):
        me.ListSessions(page_token="rubbish")
    with refused("INVALID_ARGUMENT", "INVALID", "pageSize"):
        me.ListSessions(page_size=201)


def test_one_ends_one_or_all_others(server, sign_in):
    me, phone, tablet, work = (sign_in("admin", device=d) for d in ("me", "phone", "tablet", "work"))
    by_device = {s.device: s.id for s in me.ListSessions().sessions}

    assert me.EndSession(id=by_device["phone"]).ended == 1
    with refused("UNAUTHENTICATED"):
        phone.GetMe()
    with refused("UNAUTHENTICATED"):
        server.nobody.Refresh(refresh_token=phone.tokens.refresh_token)
    assert tablet.GetMe().username == "admin"
    assert me.EndOtherSessions().ended == 2
    for ended in (tablet, work):
        with refused("UNAUTHENTICATED"):
            ended.GetMe()
    assert [s.current for s in me.ListSessions().sessions] == [True]
    with refused("NOT_FOUND"):
        me.EndSession(id=by_device["phone"])


def test_sessions_of_others_are_not_ones_own(admin, hire, sign_in):
    hire("li", "trainer")
    li = sign_in("li")
    (theirs,) = admin.ListSessions().sessions

    with refused("NOT_FOUND"):
        li.EndSession(id=theirs.id)
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        li.ListUserSessions(user_id=admin.user_id)
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        li.EndUserSessions(user_id=admin.user_id)


def test_with_the_right_one_sees_and_ends_those_of_people_within_reach(admin, employ, hire, sign_in):
    boss = employ("boss", ["session.read", "session.delete"], "subordinates")
    below = hire("below", "trainer", manager_id=boss.user_id)
    hire("elsewhere", "trainer")
    one, two, other = sign_in("below"), sign_in("below"), sign_in("elsewhere")

    assert len(boss.ListUserSessions(user_id=below.id).sessions) == 2
    with refused("NOT_FOUND"):
        boss.ListUserSessions(user_id=other.user_id)
    with refused("NOT_FOUND"):
        boss.EndUserSessions(user_id=other.user_id)
    (mine,) = other.ListSessions().sessions
    with refused("NOT_FOUND"):
        boss.EndUserSession(user_id=below.id, id=mine.id)

    newest = boss.ListUserSessions(user_id=below.id).sessions[0]
    assert boss.EndUserSession(user_id=below.id, id=newest.id).ended == 1
    with refused("UNAUTHENTICATED"):
        two.GetMe()
    assert boss.EndUserSessions(user_id=below.id).ended == 1
    with refused("UNAUTHENTICATED"):
        one.GetMe()
    assert other.GetMe().username == "elsewhere"


def test_to_see_sessions_is_not_to_end_them(admin, employ):
    watcher = employ("watcher", ["session.read"])

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        watcher.EndUserSessions(user_id=admin.user_id)


@pytest.mark.feature("IDN-12")
def test_a_session_ends_after_the_hours_of_the_most_generous_role(server, limited, sign_in):
    limited("li", {"session_hours": 8}, {"session_hours": 12})
    li = sign_in("li")
    (mine,) = li.ListSessions().sessions
    assert mine.expire_time.seconds - mine.create_time.seconds == 12 * 3600

    server.sql("UPDATE session SET create_time = now() - interval '11 hours 55 minutes' WHERE id = :id", id=mine.id)
    refreshed = server.nobody.Refresh(refresh_token=li.tokens.refresh_token)
    assert 0 < refreshed.expires_in <= 300
    server.sql("UPDATE session SET create_time = now() - interval '12 hours 1 second' WHERE id = :id", id=mine.id)
    with refused("UNAUTHENTICATED", "BAD_TOKEN"):
        server.nobody.Refresh(refresh_token=refreshed.refresh_token)
    with refused("UNAUTHENTICATED"):
        li.GetMe()


@pytest.mark.feature("IDN-12")
def test_a_role_that_says_nothing_of_hours_allows_thirty_days(limited, sign_in):
    limited("li", {"session_hours": 8}, {})

    (mine,) = sign_in("li").ListSessions().sessions

    assert mine.expire_time.seconds - mine.create_time.seconds == 30 * 86400


@pytest.mark.feature("IDN-12")
def test_the_oldest_session_ends_where_there_would_be_too_many(server, limited, sign_in):
    limited("li", {"concurrent_sessions": 1}, {"concurrent_sessions": 2})
    first, second, third = (sign_in("li") for _ in range(3))

    with refused("UNAUTHENTICATED"):
        first.GetMe()
    assert second.GetMe().username == "li"
    assert len(third.ListSessions().sessions) == 2


@pytest.mark.feature("IDN-12")
def test_a_lowered_number_of_sessions_acts_at_the_next_refresh(server, admin, limited, sign_in):
    limited("li", {})
    old, new = sign_in("li"), sign_in("li")
    role = admin.ListRoles(filter="code = li_0", fields="*").roles[0]
    changed = {"id": role.id, "policy": {"concurrent_sessions": 1}}
    admin.UpdateRole(role=changed, update_mask={"paths": ["policy"]}, etag=role.etag)

    with refused("UNAUTHENTICATED", "BAD_TOKEN"):
        server.nobody.Refresh(refresh_token=old.tokens.refresh_token)
    assert server.nobody.Refresh(refresh_token=new.tokens.refresh_token).access_token
    with refused("UNAUTHENTICATED"):
        old.GetMe()


@pytest.mark.figure("R45")
def test_disabling_a_person_and_taking_a_right_act_within_two_seconds(server, admin, hire, sign_in, change, measured):
    """In another process than the one that changed it: what this one kept of the caller is not thrown away."""
    hire("li", "executive")
    li, wang = sign_in("li"), sign_in(hire("wang", "executive").username)
    li.ListUsers()
    wang.ListUsers()
    kept = server.service.organisation._kept.copy()
    change(admin, li.user_id, role_ids=[])
    admin.DeactivateUser(id=wang.user_id, etag=admin.GetUser(id=wang.user_id).etag)
    server.service.organisation._kept.update(kept)

    def is_refused(client, code):
        try:
            client.ListUsers()
        except Exception as error:
            return error.code().name == code
        return False

    assert eventually(lambda: is_refused(li, "PERMISSION_DENIED"), 2)
    assert eventually(lambda: is_refused(wang, "UNAUTHENTICATED"), 2)
    measured("identity: a disabled person and a taken right are refused within 2 s")
