"""Passwords: changed by their owner, good enough, kept and told by nobody."""

import pytest
from sqlalchemy import text

from crm_kit.sealing import place
from crm_kit.testing import Server, refused
from identity import tries

PASSWORD = "Right-Horse-7"  # of the administrator, see conftest.py

pytestmark = pytest.mark.feature("IDN-01")


def test_until_the_first_password_is_changed_nothing_else_is_allowed(admin, sign_in, root_id):
    admin.CreateUser(user={"username": "li", "name": "李雷", "department_id": root_id}, initial_password="Very-First-1")
    li = sign_in("li", "Very-First-1")

    assert li.tokens.must_change_password
    assert li.GetMe().must_change_password
    with refused("PERMISSION_DENIED", "PASSWORD_CHANGE_REQUIRED"):
        li.ListPeople()


def test_changing_the_password_gives_tokens_that_are_free_to_act(server, admin, sign_in, root_id):
    admin.CreateUser(user={"username": "li", "name": "李雷", "department_id": root_id}, initial_password="Very-First-1")

    tokens = sign_in("li", "Very-First-1").ChangePassword(old_password="Very-First-1", new_password="My-Own-Words")

    li = server.client(tokens.access_token)
    assert not tokens.must_change_password
    assert not li.GetMe().must_change_password
    assert {p.username for p in li.ListPeople().people} == {"admin", "li"}
    with refused("UNAUTHENTICATED"):
        server.nobody.Login(username="li", password="Very-First-1")
    assert [e.action for e in server.events("user")] == ["created", "password_changed"]


def test_changing_the_password_ends_the_other_sessions(server, sign_in):
    other, mine = sign_in("admin"), sign_in("admin")

    tokens = mine.ChangePassword(old_password=PASSWORD, new_password="Another-Word-8")

    assert mine.GetMe().username == "admin"
    assert server.client(tokens.access_token).GetMe().username == "admin"
    assert server.nobody.Refresh(refresh_token=tokens.refresh_token).access_token
    with refused("UNAUTHENTICATED"):
        other.GetMe()
    with refused("UNAUTHENTICATED"):
        server.nobody.Refresh(refresh_token=other.tokens.refresh_token)


@pytest.mark.parametrize(
    ("old", "new", "field", "language"),
    [
        ("wrong", "My-Own-Words", "oldPassword", "原密码不正确"),
        (PASSWORD, "short", "newPassword", "新密码至少 8 个字符"),
        (PASSWORD, "Password", "newPassword", "新密码太常见，容易被猜到"),
        (PASSWORD, PASSWORD, "newPassword", "新密码不能与原密码相同"),
        (PASSWORD, "x" * 201, "newPassword", "新密码最多 200 个字符"),
    ],
)
def test_a_wrong_old_or_a_weak_new_password_is_refused_by_its_field(admin, old, new, field, language):
    with refused("INVALID_ARGUMENT", "INVALID", field) as refusal:
        admin.ChangePassword(old_password=old, new_password=new)

    assert refusal.fields[field] == language


def test_the_user_name_is_no_password(admin, root_id):
    with refused("INVALID_ARGUMENT", "INVALID", "initialPassword", "name"):
        admin.CreateUser(user={"username": "longusername", "department_id": root_id}, initial_password="LongUserName")


def test_guessing_the_old_password_with_a_stolen_token_is_locked_too(admin):
    for _ in range(tries.ACCOUNT):
        with refused("INVALID_ARGUMENT"):
            admin.ChangePassword(old_password="wrong", new_password="My-Own-Words")

    with refused("RESOURCE_EXHAUSTED", "TOO_MANY_TRIES"):
        admin.ChangePassword(old_password=PASSWORD, new_password="My-Own-Words")


@pytest.mark.usefixtures("full_hashes")
def test_passwords_and_tokens_are_stored_as_hashes_only_and_announced_nowhere(server, sign_in, hire):
    hire("li", "trainer")
    tokens = sign_in("li").tokens
    secrets = [PASSWORD.encode(), tokens.refresh_token.encode(), tokens.access_token.encode()]

    told = b"".join(e.SerializeToString() for e in server.events())
    with server.service.reader.connect() as connection:
        tables = [t for (t,) in connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))]
        kept = "".join(str(connection.execute(text(f'SELECT t::text FROM "{t}" t')).all()) for t in tables).encode()

    assert b"$argon2id$v=19$m=47104,t=1,p=1$" in kept
    assert b"argon2" not in told
    assert not [s for s in secrets if s in told or s in kept]


def fingerprints(server: Server) -> list[bytes]:
    """Of the requests whose answers are kept; they are sealed, each time anew."""
    rows = server.sql("SELECT user_id, key, request_hash FROM idempotency_key")
    with server.service.writer.connect() as connection:
        places = [(place("idempotency_key", "request_hash", user, key), sealed) for user, key, sealed in rows]
        return [server.service.keys.open(connection, where, sealed) for where, sealed in places]


def test_a_repeated_key_gives_the_first_answer_but_keeps_no_password(server, admin, root_id):
    made = {"username": "li", "name": "李雷", "department_id": root_id}
    key = {"idempotency-key": "create-li-1"}
    first = admin.CreateUser(user=made, initial_password="Very-First-1", metadata=key)
    again = admin.CreateUser(user=made, initial_password="Very-First-1", metadata=key)
    kept = fingerprints(server)
    server.sql("DELETE FROM idempotency_key")
    server.sql("DELETE FROM user_account WHERE username = 'li'")

    admin.CreateUser(user=made, initial_password="Another-One-2", metadata=key)
    admin.ChangePassword(
        old_password=PASSWORD, new_password="Another-Word-8", metadata={"idempotency-key": "change-mine-1"}
    )

    assert first == again
    assert fingerprints(server) == kept
