"""Sessions: refresh tokens rotate, ended sessions are ended everywhere."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from crm.identity.v1.keys_pb2 import Session, SigningKey
from crm_kit.rpc import system_call
from crm_kit.testing import refused
from identity import sessions
from identity.keys import Keys

pytestmark = pytest.mark.feature("IDN-02")


def test_a_refresh_token_gives_new_tokens_once(server, sign_in):
    first = sign_in("admin").tokens

    second = server.nobody.Refresh(refresh_token=first.refresh_token)
    third = server.nobody.Refresh(refresh_token=second.refresh_token)

    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert server.client(third.access_token).GetMe().username == "admin"


def test_the_second_use_of_a_refresh_token_ends_the_session(server, sign_in):
    me = sign_in("admin")
    second = server.nobody.Refresh(refresh_token=me.tokens.refresh_token)

    with refused("UNAUTHENTICATED", "BAD_TOKEN"):
        server.nobody.Refresh(refresh_token=me.tokens.refresh_token)

    with refused("UNAUTHENTICATED"):
        server.nobody.Refresh(refresh_token=second.refresh_token)
    with refused("UNAUTHENTICATED"):
        me.GetMe()
    assert [e.action for e in server.events("session")] == ["opened", "closed"]


def test_of_a_hundred_refreshes_at_once_one_wins(server, sign_in):
    token = sign_in("admin").tokens.refresh_token

    def code(_):
        try:
            server.nobody.Refresh(refresh_token=token)
        except grpc.RpcError as error:
            return error.code().name
        return "OK"

    with ThreadPoolExecutor(100) as pool:
        codes = list(pool.map(code, range(100)))

    assert codes.count("OK") == 1
    assert codes.count("UNAUTHENTICATED") == 99


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
    server.sql("UPDATE session SET last_use_time = now() - interval '61 days'")
    living = sign_in("admin").tokens

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
