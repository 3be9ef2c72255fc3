"""Login, refusals, tries, passwords."""

import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import grpc
import jwt
import pytest
from sqlalchemy import text

from crm_kit.testing import refused
from identity import tries

PASSWORD = "Right-Horse-7"  # of the administrator, see conftest.py

pytestmark = pytest.mark.feature("IDN-01")


def test_the_right_password_opens_a_session_that_is_announced(server, sign_in):
    me = sign_in("admin", device="Firefox")

    assert me.GetMe().username == "admin"
    assert me.GetMe().role_codes == ["system_admin"]
    (opened,) = server.events("session")
    assert (opened.action, opened.actor_id, opened.actor_name) == ("opened", me.user_id, "系统管理员")


def test_an_access_token_says_who_and_for_how_long_and_is_signed_with_a_published_key(server, sign_in):
    tokens = sign_in("admin").tokens

    (key,) = [k for k in server.nobody.GetKeys().keys if k.kid == jwt.get_unverified_header(tokens.access_token)["kid"]]
    public = jwt.PyJWK({"kty": key.kty, "crv": key.crv, "x": key.x, "alg": key.alg})
    claims = jwt.decode(tokens.access_token, public, algorithms=["EdDSA"], audience="crm", issuer="crm-identity")
    assert claims["sub"] == tokens.user_id
    assert claims["exp"] - claims["iat"] == tokens.expires_in == 900
    assert "pwd" not in claims


def test_the_user_name_is_the_same_in_capitals(sign_in):
    assert sign_in(" ADMIN ").GetMe().username == "admin"


@pytest.mark.parametrize(
    ("username", "password"), [("admin", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD), ("admin", "x" * 100_000)]
)
def test_wrong_name_wrong_password_and_disabled_account_get_the_same_answer(admin, server, hire, username, password):
    gone = hire("gone", "trainer")
    admin.DeactivateUser(id=gone.id, etag=gone.etag)

    with refused("UNAUTHENTICATED", "LOGIN_REFUSED") as refusal:
        server.nobody.Login(username=username, password=password)

    assert refusal.message == "用户名或密码不正确,或账号已停用"


def test_refusals_are_said_in_english_too(server):
    with refused("UNAUTHENTICATED", "LOGIN_REFUSED") as refusal:
        server.nobody.Login(username="admin", password="wrong", metadata={"accept-language": "en"})

    assert refusal.message == "Wrong user name or password, or a disabled account"


def test_an_unknown_name_takes_as_long_as_a_wrong_password(server):
    def seconds(username):
        started = time.perf_counter()
        with pytest.raises(grpc.RpcError):
            server.nobody.Login(username=username, password="wrong")
        return time.perf_counter() - started

    seconds("admin")
    known = median(seconds("admin") for _ in range(5))
    unknown = median(seconds(f"nobody{i}") for i in range(5))

    assert known / 3 < unknown < known * 3


def test_a_refused_login_is_announced_without_what_was_typed(server):
    with refused("UNAUTHENTICATED"):
        server.nobody.Login(username="my-secret-password", password="another-secret")
    with refused("UNAUTHENTICATED"):
        server.nobody.Login(username="admin", password="another-secret")

    unknown, known = server.events("session")
    assert unknown.action == known.action == "refused"
    assert known.record_id == str(server.sql("SELECT id FROM user_account")[0][0])
    assert b"secret" not in unknown.SerializeToString() + known.SerializeToString()


def test_after_ten_wrong_passwords_the_account_is_locked_even_for_the_right_one(server):
    for _ in range(tries.ACCOUNT):
        with refused("UNAUTHENTICATED"):
            server.nobody.Login(username="admin", password="wrong")

    with refused("RESOURCE_EXHAUSTED", "TOO_MANY_TRIES") as refusal:
        server.nobody.Login(username="Admin", password=PASSWORD)

    assert 0 < refusal.retry_after <= 30


def test_locks_grow_and_success_forgets_them(server, sign_in):
    def wait_over():
        server.sql("UPDATE failed_login SET locked_until = now()")

    for _ in range(tries.ACCOUNT):
        with refused("UNAUTHENTICATED"):
            server.nobody.Login(username="admin", password="wrong")
    wait_over()
    with refused("UNAUTHENTICATED"):
        server.nobody.Login(username="admin", password="wrong")
    with refused("RESOURCE_EXHAUSTED") as second:
        server.nobody.Login(username="admin", password=PASSWORD)
    wait_over()

    assert 30 < second.retry_after <= 60
    assert sign_in("admin").GetMe().username == "admin"
    assert server.sql("SELECT * FROM failed_login") == []


def test_tries_at_once_are_all_counted(server):
    def code(_):
        try:
            server.nobody.Login(username="admin", password="wrong")
        except grpc.RpcError as error:
            return error.code().name
        return "OK"

    with ThreadPoolExecutor(30) as pool:
        codes = list(pool.map(code, range(30)))

    assert codes.count("UNAUTHENTICATED") == tries.ACCOUNT
    assert codes.count("RESOURCE_EXHAUSTED") == 20


def test_an_address_that_tries_many_names_is_locked_while_others_log_in(server, sign_in):
    server.sql(
        "INSERT INTO failed_login (key, tries, last_time) VALUES ('address:10.0.0.9', :tries, now())",
        tries=tries.ADDRESS - 1,
    )
    bad = {"x-forwarded-for": "10.0.0.9"}
    with refused("UNAUTHENTICATED"):
        server.nobody.Login(username="somebody", password="wrong", metadata=bad)

    with refused("RESOURCE_EXHAUSTED"):
        server.nobody.Login(username="admin", password=PASSWORD, metadata=bad)
    assert sign_in("admin", metadata={"x-forwarded-for": "10.0.0.10"}).GetMe().username == "admin"


def test_a_good_login_costs_the_address_nothing(server, sign_in):
    for _ in range(3):
        sign_in("admin", metadata={"x-forwarded-for": "10.0.0.9"})

    assert server.sql("SELECT tries FROM failed_login") == [(0,)]


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
        (PASSWORD, "Password", "newPassword", "新密码太常见,容易被猜到"),
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


def test_a_repeated_key_gives_the_first_answer_but_keeps_no_password(server, admin, root_id):
    made = {"username": "li", "name": "李雷", "department_id": root_id}
    key = {"idempotency-key": "create-li-1"}
    first = admin.CreateUser(user=made, initial_password="Very-First-1", metadata=key)
    again = admin.CreateUser(user=made, initial_password="Very-First-1", metadata=key)
    kept = server.sql("SELECT request_hash FROM idempotency_key")
    server.sql("DELETE FROM idempotency_key")
    server.sql("DELETE FROM user_account WHERE username = 'li'")

    admin.CreateUser(user=made, initial_password="Another-One-2", metadata=key)
    admin.ChangePassword(
        old_password=PASSWORD, new_password="Another-Word-8", metadata={"idempotency-key": "change-mine-1"}
    )

    assert first == again
    assert server.sql("SELECT request_hash FROM idempotency_key") == kept
