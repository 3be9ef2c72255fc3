"""Users: made, imported, let in, kept out."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from crm_kit.testing import refused

pytestmark = pytest.mark.feature("IDN-05")


def user(root_id, username="li", **fields):
    return {"username": username, "name": "李雷", "department_id": root_id, **fields}


def test_a_new_user_is_announced_without_phone_and_birthday(server, admin, root_id):
    made = admin.CreateUser(user=user(root_id, phone="13800138000", birthday="1990-01-31"))

    assert made.active
    assert (made.phone, made.birthday, made.etag) == ("13800138000", "1990-01-31", "1")
    (event,) = [e for e in server.events("user") if e.record_id == made.id]
    assert (event.action, event.actor_id) == ("created", admin.user_id)
    assert b"13800138000" not in event.SerializeToString()


def test_every_wrong_field_is_named(admin):
    wrong = {"username": "", "name": "", "email": "nonsense", "birthday": "31.1.1990"}

    with refused("INVALID_ARGUMENT", "INVALID", "username", "name", "departmentId", "email", "birthday"):
        admin.CreateUser(user=wrong)


def test_what_a_user_points_at_must_exist(admin, root_id):
    nothing = "01a2008f-df6d-7fea-b11b-36d659f92c83"

    with refused("INVALID_ARGUMENT", "INVALID", "departmentId", "managerId", "roleIds"):
        admin.CreateUser(user=user(nothing, manager_id=nothing, role_ids=[nothing]))


def test_a_user_name_is_taken_in_capitals_too_until_the_user_is_deleted(admin, root_id):
    first = admin.CreateUser(user=user(root_id, "li.lei"))
    with refused("ALREADY_EXISTS", "EXISTS", "username"):
        admin.CreateUser(user=user(root_id, "Li.Lei"))

    admin.DeleteUser(id=first.id, etag=first.etag)

    assert admin.CreateUser(user=user(root_id, "Li.Lei")).username == "Li.Lei"
    with refused("ALREADY_EXISTS", "EXISTS", "username"):
        admin.RestoreUser(id=first.id)


def test_the_user_name_never_changes(admin, root_id):
    made = admin.CreateUser(user=user(root_id))

    with refused("INVALID_ARGUMENT", "INVALID", "username"):
        admin.UpdateUser(user={"id": made.id, "username": "other"}, update_mask={"paths": ["username"]}, etag=made.etag)


def test_a_stale_change_is_refused(admin, root_id):
    made = admin.CreateUser(user=user(root_id))
    change = {"user": {"id": made.id, "position": "经理"}, "update_mask": {"paths": ["position"]}, "etag": made.etag}
    assert admin.UpdateUser(**change).etag == "2"

    with refused("ABORTED", "STALE"):
        admin.UpdateUser(**change)


def test_without_a_password_nobody_logs_in(server, admin, root_id):
    admin.CreateUser(user=user(root_id))

    with refused("UNAUTHENTICATED", "LOGIN_REFUSED"):
        server.nobody.Login(username="li", password="")


def test_a_deactivated_user_is_out_at_once_and_back_after_a_new_login(server, admin, hire, sign_in):
    li = hire("li", "trainer")
    session = sign_in("li")

    out = admin.DeactivateUser(id=li.id, etag=li.etag)

    with refused("UNAUTHENTICATED"):
        session.GetMe()
    with refused("UNAUTHENTICATED"):
        server.nobody.Refresh(refresh_token=session.tokens.refresh_token)
    with refused("FAILED_PRECONDITION", "ACCOUNT_NOT_ACTIVE"):
        admin.DeactivateUser(id=li.id, etag=out.etag)
    back = admin.ActivateUser(id=li.id, etag=out.etag)
    assert back.active
    assert sign_in("li").GetMe().username == "li"
    with refused("UNAUTHENTICATED"):
        session.GetMe()
    actions = [e.action for e in server.events("user") if e.record_id == li.id]
    assert actions == ["created", "deactivated", "activated"]


def test_a_deleted_user_is_out_at_once(admin, hire, sign_in):
    li = hire("li", "trainer")
    session = sign_in("li")

    admin.DeleteUser(id=li.id, etag=li.etag)

    with refused("UNAUTHENTICATED"):
        session.GetMe()


def test_nobody_disables_or_deletes_themselves(admin):
    me = admin.GetUser(id=admin.user_id)

    with refused("FAILED_PRECONDITION", "OWN_ACCOUNT"):
        admin.DeactivateUser(id=me.id, etag=me.etag)
    with refused("FAILED_PRECONDITION", "OWN_ACCOUNT"):
        admin.DeleteUser(id=me.id, etag=me.etag)


def test_a_password_set_by_an_administrator_must_be_changed_and_ends_the_sessions(server, admin, hire, sign_in):
    li = hire("li", "trainer")
    session = sign_in("li")

    answer = admin.SetPassword(id=li.id, new_password="From-Above-9")

    assert answer.must_change_password
    with refused("UNAUTHENTICATED"):
        session.GetMe()
    assert sign_in("li", "From-Above-9").tokens.must_change_password
    assert server.events("user")[-1].action == "password_set"


def test_an_import_creates_updates_and_leaves_alone(server, admin, root_id, sign_in):
    rows = [user(root_id, f"user{i}", name=f"用户{i}") for i in range(41)]

    first = admin.ImportUsers(users=rows, initial_password="Very-First-1")
    rows[3]["username"], rows[3]["position"] = "USER3", "经理"
    again = admin.ImportUsers(users=rows, initial_password="Very-First-1")

    assert (first.created, first.failed) == (41, 0)
    assert (again.created, again.updated, again.unchanged, again.failed) == (0, 1, 40, 0)
    assert sign_in("user40", "Very-First-1").tokens.must_change_password
    assert server.sql("SELECT count(DISTINCT password_hash) FROM user_account WHERE username LIKE 'user%'") == [(41,)]
    assert len([e for e in server.events("user") if e.action == "created"]) == 41


def test_a_bad_row_of_an_import_is_told_and_stops_no_other(admin, root_id):
    rows = [user(root_id, "good"), user(root_id, "bad", email="nonsense"), user(root_id, "good")]

    answer = admin.ImportUsers(users=rows)

    assert [r.outcome for r in answer.results] == ["created", "failed", "failed"]
    assert [p.field for p in answer.results[1].problems] == ["email"]


@pytest.mark.feature("IDN-06")
def test_the_reporting_line_has_no_cycles(admin, hire):
    a = hire("a")
    b = hire("b", manager_id=a.id)
    c = hire("c", manager_id=b.id)

    for manager in (a.id, c.id):
        with refused("INVALID_ARGUMENT", "INVALID", "managerId"):
            admin.UpdateUser(
                user={"id": a.id, "manager_id": manager}, update_mask={"paths": ["manager_id"]}, etag=a.etag
            )


@pytest.mark.feature("IDN-06")
def test_two_moves_at_once_make_no_cycle(admin, root_id):
    for attempt in range(5):
        a, b = (admin.CreateUser(user=user(root_id, f"{name}{attempt}")) for name in "ab")

        def move(pair):
            person, manager = pair
            try:
                admin.UpdateUser(
                    user={"id": person.id, "manager_id": manager.id},
                    update_mask={"paths": ["manager_id"]},
                    etag=person.etag,
                )
            except grpc.RpcError as error:
                return error.code().name
            return "OK"

        with ThreadPoolExecutor(2) as pool:
            codes = list(pool.map(move, [(a, b), (b, a)]))
        assert sorted(codes) == ["INVALID_ARGUMENT", "OK"]


def test_who_has_subordinates_is_not_deleted(admin, hire):
    boss = hire("boss")
    hire("report", manager_id=boss.id)

    with refused("FAILED_PRECONDITION", "DEPENDED_ON") as refusal:
        admin.DeleteUser(id=boss.id, etag=boss.etag)

    assert "下属 1" in refusal.message


def test_everybody_finds_colleagues_page_by_page(server, admin, root_id, hire, sign_in):
    admin.ImportUsers(users=[user(root_id, f"user{i}", name=f"张{i:02}") for i in range(25)])
    hire("li", "trainer", name="李雷")
    me = sign_in("li")

    first = me.ListPeople(search="张", page_size=20)
    rest = me.ListPeople(search="张", page_size=20, page_token=first.next_page_token)

    names = [p.name for p in [*first.people, *rest.people]]
    assert names == sorted(names)
    assert len(set(names)) == 25
    assert not rest.next_page_token
    one = me.GetPerson(id=first.people[0].id)
    assert (one.name, one.department_name) == ("张00", "公司")
    with refused("NOT_FOUND"):
        me.GetPerson(id="nonsense")
    with refused("INVALID_ARGUMENT", "BAD_PAGE_TOKEN"):
        me.ListPeople(page_token="nonsense")
    with refused("INVALID_ARGUMENT", "INVALID", "pageSize"):
        me.ListPeople(page_size=201)


def test_what_changed_is_logged_but_never_the_password(admin, hire):
    li = hire("li")
    admin.SetPassword(id=li.id, new_password="From-Above-9")

    log = admin.ListChanges(record_type="user", id=li.id).changes

    assert [c.action for c in log] == ["created", "password_set"]
    assert [f.field for f in log[1].changes] == ["mustChangePassword"]
