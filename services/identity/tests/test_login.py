"""Login, refusals, tries, passwords."""

import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import grpc
import jwt
import pytest

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

    assert refusal.message == "用户名或密码不正确，或账号已停用"


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

    assert 240 < refusal.retry_after <= 300


def test_locks_grow_and_success_takes_back_its_own_try_only(server, sign_in):
    def wait_over():
        server.sql("UPDATE failed_login SET locked_until = now(), answered = '{}'")

    for _ in range(tries.ACCOUNT):
        with refused("UNAUTHENTICATED"):
            server.nobody.Login(username="admin", password="wrong")
    wait_over()
    with refused("UNAUTHENTICATED"):
        server.nobody.Login(username="admin", password="wrong")
    with refused("RESOURCE_EXHAUSTED") as second:
        server.nobody.Login(username="admin", password=PASSWORD)
    wait_over()

    assert 300 < second.retry_after <= 600
    assert sign_in("admin").GetMe().username == "admin"
    assert server.sql("SELECT tries, locked_until FROM failed_login") == [(tries.ACCOUNT + 1, None)]


@pytest.mark.usefixtures("full_hashes")
def test_tries_at_once_are_all_counted(server):
    def code(_):
        while True:
            try:
                server.nobody.Login(username="admin", password="wrong")
            except grpc.RpcError as error:
                if error.code().name != "UNAVAILABLE":  # too many passwords at once: come back
                    return error.code().name
                time.sleep(0.02)

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

    assert server.sql("SELECT tries FROM failed_login") == []
