"""Sessions: refresh tokens rotate, ended sessions are ended everywhere."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import grpc
import jwt
import pytest

from crm.identity.v1.keys_pb2 import Session, SigningKey
from crm_kit.rpc import system_call
from crm_kit.testing import database, refused
from crm_kit.testing.suite import eventually
from identity import keys, sessions
from identity.app import retire_keys
from identity.keys import Keys, rotate

pytestmark = pytest.mark.feature("IDN-02")


def test_a_refresh_token_gives_new_tokens_once(server, sign_in):
    first = sign_in("admin").tokens

    second = server.nobody.Refresh(refresh_token=first.refresh_token)
    third = server.nobody.Refresh(refresh_token=second.refresh_token)

    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert server.client(third.access_token).GetMe().username == "admin"


@pytest.mark.figure("R44")
def test_the_second_use_of_a_refresh_token_ends_the_session_at_once(server, sign_in, measured):
    me = sign_in("admin")
    second = server.nobody.Refresh(refresh_token=me.tokens.refresh_token)

    with refused("UNAUTHENTICATED", "BAD_TOKEN"):
        server.nobody.Refresh(refresh_token=me.tokens.refresh_token)

    with refused("UNAUTHENTICATED"):
        server.nobody.Refresh(refresh_token=second.refresh_token)
    with refused("UNAUTHENTICATED"):
        server.client(second.access_token).GetMe()
    with refused("UNAUTHENTICATED"):
        me.GetMe()
    assert [e.action for e in server.events("session")] == ["opened", "closed"]
    measured("a reused refresh token ends its family before it is answered")


def outcomes(server, count, **request):
    def reason(_):
        try:
            server.nobody.Refresh(**request)
        except grpc.RpcError as error:
            return error.code().name, error.details()
        return "OK", ""

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(reason, range(count)))


@pytest.mark.figure("R44")
def test_of_a_hundred_refreshes_at_once_one_wins(server, sign_in, measured):
    token = sign_in("admin").tokens.refresh_token

    codes = [code for code, _ in outcomes(server, 100, refresh_token=token)]

    measured(f"{codes.count('OK')} winner of 100 parallel refreshes")
    assert codes.count("OK") == 1
    assert codes.count("UNAUTHENTICATED") == 99


@pytest.mark.figure("R44")
def test_a_hundred_requests_of_one_device_at_once_are_no_theft(server, sign_in, measured):
    me = sign_in("admin")
    request = {"refresh_token": me.tokens.refresh_token, "device_token": me.tokens.device_token}

    answers = outcomes(server, 100, **request)

    assert [code for code, _ in answers].count("OK") == 1
    assert {text for code, text in answers if code != "OK"} == {"刷新令牌刚被本设备的另一个请求使用"}
    assert me.GetMe().username == "admin"
    measured("100 parallel refreshes with the device's token: 1 winner, the session lives")


@pytest.mark.parametrize("late", [True, False])
def test_reuse_after_the_grace_or_by_another_device_is_theft(server, sign_in, late):
    me, other = sign_in("admin"), sign_in("admin")
    mine, theirs = me.tokens.device_token, other.tokens.device_token
    server.nobody.Refresh(refresh_token=me.tokens.refresh_token, device_token=mine)
    if late:
        server.sql("UPDATE refresh_token SET used_time = used_time - interval '6 seconds'")

    with refused("UNAUTHENTICATED", "BAD_TOKEN"):
        server.nobody.Refresh(refresh_token=me.tokens.refresh_token, device_token=mine if late else theirs)

    with refused("UNAUTHENTICATED"):
        me.GetMe()
    assert other.GetMe().username == "admin"


def test_another_session_of_the_same_person_is_not_touched(server, sign_in):
    stolen, other = sign_in("admin"), sign_in("admin")
    server.nobody.Refresh(refresh_token=stolen.tokens.refresh_token)

    with refused("UNAUTHENTICATED"):
        server.nobody.Refresh(refresh_token=stolen.tokens.refresh_token)

    assert other.GetMe().username == "admin"


@pytest.mark.parametrize("token", ["", "nonsense", "x" * 100_000])
def test_an_unknown_refresh_token_is_refused(server, token):
    with refused("UNAUTHENTICATED", "BAD_TOKEN"):
        server.nobody.Refresh(refresh_token=token)


def test_an_expired_refresh_token_is_refused(server, sign_in):
    token = sign_in("admin").tokens.refresh_token
    server.sql("UPDATE refresh_token SET expire_time = now()")

    with refused("UNAUTHENTICATED", "BAD_TOKEN"):
        server.nobody.Refresh(refresh_token=token)


def test_what_can_no_longer_be_used_is_forgotten(server, sign_in):
    sign_in("admin")
    server.sql("UPDATE refresh_token SET expire_time = now()")
    server.sql("UPDATE session SET last_use_time = now() - interval '61 days', expire_time = now()")
    living = sign_in("admin").tokens
    # A role may let a session last for a year: it is not forgotten while its refresh token is good.
    server.sql("UPDATE session SET last_use_time = now() - interval '61 days'")

    with server.service.writer.begin() as connection:
        sessions.sweep(system_call(connection, "identity", server.service.organisation))

    assert server.sql("SELECT count(*) FROM session") == [(1,)]
    assert server.nobody.Refresh(refresh_token=living.refresh_token).access_token


def test_logout_ends_the_session_and_says_so(server, sign_in):
    me = sign_in("admin", device="phone")

    me.Logout()

    with refused("UNAUTHENTICATED"):
        me.GetMe()
    with refused("UNAUTHENTICATED"):
        server.nobody.Refresh(refresh_token=me.tokens.refresh_token)
    closed = server.events("session")[-1]
    told = Session()
    closed.record.Unpack(told)
    assert (closed.action, told.device, told.user_id) == ("closed", "phone", me.user_id)


def test_the_key_is_announced_and_another_process_signs_with_the_same(running_server):
    server = running_server
    kid, _ = Keys(server.service).current()

    again, _ = Keys(server.service).current()

    assert again == kid
    assert (kid,) in server.sql("SELECT kid FROM org_signing_key")


def test_with_another_key_file_a_new_key_signs_and_old_tokens_stay_good(server, sign_in, tmp_path, monkeypatch):
    me = sign_in("admin")
    old, _ = Keys(server.service).current()
    monkeypatch.setenv("IDENTITY_KEY_FILE", str(tmp_path / "another.key"))

    new, _ = Keys(server.service).current()

    assert new != old
    assert (tmp_path / "another.key").stat().st_mode & 0o777 == 0o600
    assert me.GetMe().username == "admin"
    key = SigningKey()
    server.events("signing_key")[-1].record.Unpack(key)
    assert key.kid == new
    assert {k.kid for k in server.nobody.GetKeys().keys} >= {old, new}


def test_a_new_key_is_published_at_once_and_signs_soon_and_the_old_one_is_retired_after_its_last_token(
    server, sign_in, monkeypatch
):
    me = sign_in("admin")
    old, _ = Keys(server.service).current()

    new = rotate(server.service)
    assert {k.kid for k in server.nobody.GetKeys().keys} >= {old, new}
    assert Keys(server.service).current()[0] == old
    monkeypatch.setattr(keys, "LEAD", timedelta(0))
    assert Keys(server.service).current()[0] == new
    assert eventually(lambda: jwt.get_unverified_header(sign_in("admin").tokens.access_token)["kid"] == new)

    server.service.act(retire_keys)
    assert me.GetMe().username == "admin"
    assert old in {k.kid for k in server.nobody.GetKeys().keys}
    server.sql("UPDATE signing_key SET create_time = create_time - interval '16 minutes'")
    server.service.act(retire_keys)

    assert {k.kid for k in server.nobody.GetKeys().keys} & {old, new} == {new}
    assert [e.action for e in server.events("signing_key")] == ["created", "retired"]
    assert server.service.organisation.key(old) is None
    assert sign_in("admin").GetMe().username == "admin"


def test_an_operator_rotates_the_key_with_a_command(tmp_path):
    settings = {"DATABASE_URL": database("rotation"), "CRM_DATA": str(tmp_path), "IDENTITY_KEY_FILE": ""}
    told = {**os.environ, "LOG_LEVEL": "WARNING", "CRM_ADMIN_PASSWORD": "Right-Horse-7", **settings}

    def identity(word):
        return subprocess.run([sys.executable, "-m", "identity", word], env=told, capture_output=True, text=True)

    assert [identity(word).returncode for word in ("migrate", "bootstrap")] == [0, 0]

    done = identity("rotate-signing-key")

    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("is published and signs in 5 seconds\n")
