"""More logins at once than passwords can be checked: a few wait, and everything else is answered."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from crm_kit.testing import refused
from crm_kit.testing.suite import eventually
from identity import passwords

PASSWORD = "Right-Horse-7"  # of the administrator, see conftest.py

pytestmark = [pytest.mark.feature("IDN-01"), pytest.mark.usefixtures("full_hashes")]


class Held:
    """A hasher whose answers wait until they are let go."""

    def __init__(self, real):
        self._real, self._go = real, threading.Event()

    def let_go(self):
        self._go.set()

    def hash(self, password):
        return self._real.hash(password)

    def verify(self, stored, password):
        assert self._go.wait(120), "nobody let the logins go"
        return self._real.verify(stored, password)


@pytest.fixture
def waiting(server, sign_in, monkeypatch):
    """The line full of logins that wait: the last is the administrator's own. A call lets them go; the answers."""
    line = passwords.make_room(server.service.settings.threads)
    held = Held(passwords._hasher)
    monkeypatch.setattr(passwords, "_hasher", held)
    names = [*(f"nobody{i}" for i in range(line.places - 1)), "admin"]
    with ThreadPoolExecutor(line.places) as pool:
        logins = [pool.submit(server.nobody.Login, username=name, password=PASSWORD) for name in names]

        def answers() -> list[Future]:
            held.let_go()
            return logins

        try:
            assert eventually(lambda: accounts_tried(server) == line.places, 60)
            yield answers
        finally:
            held.let_go()


def accounts_tried(server):
    return server.sql("SELECT count(*) FROM failed_login WHERE key LIKE 'account:%'")[0][0]


def test_while_logins_wait_everything_else_is_answered(server, admin, waiting):
    assert admin.GetMe().username == "admin"
    assert server.nobody.Refresh(refresh_token=admin.tokens.refresh_token).access_token
    assert [u.username for u in admin.ListUsers().users] == ["admin"]

    logins = waiting()

    assert logins[-1].result(60).access_token
    assert {one.exception(60).code().name for one in logins[:-1]} == {"UNAUTHENTICATED"}


@pytest.mark.parametrize("username", ["admin", "no-such-name"])
def test_the_next_login_is_told_at_once_to_come_back_whether_or_not_there_is_such_an_account(server, waiting, username):
    before = accounts_tried(server)

    with refused("UNAVAILABLE", "PASSWORDS_BUSY") as refusal:
        server.nobody.Login(username=username, password=PASSWORD, metadata={"accept-language": "en"})

    assert refusal.retry_after == passwords.RETRY_AFTER
    assert refusal.message == "Too many passwords are being checked; try again in a moment"
    assert accounts_tried(server) == before


def test_being_told_to_come_back_is_no_guess(server, sign_in, waiting):
    for _ in range(12):
        with refused("UNAVAILABLE"):
            server.nobody.Login(username="admin", password="wrong", metadata={"x-forwarded-for": "10.0.0.9"})

    waiting()[-1].result(60)

    assert eventually(lambda: sign_in("admin").GetMe().username == "admin")
    assert not server.sql("SELECT 1 FROM failed_login WHERE key = 'address:10.0.0.9'")


def test_a_password_that_is_to_be_changed_waits_in_the_same_line(server, admin, waiting):
    with refused("UNAVAILABLE", "PASSWORDS_BUSY"):
        admin.ChangePassword(old_password=PASSWORD, new_password="Another-Word-8")


@pytest.mark.parametrize("threads", [1, 2, 4, 16, 64])
def test_threads_are_left_to_everything_else(threads):
    assert passwords.Line(threads).places <= max(2, threads * 3 // 4)


def test_what_stays_of_a_refused_login_takes_no_second_connection_of_those_that_rpcs_share(server):
    pool = server.service.writer.pool
    pool.dispose()
    with ExitStack() as held:
        for _ in range(pool.size() + pool._max_overflow - 1):  # all but the one that the login takes itself
            held.enter_context(server.service.writer.connect())

        with refused("UNAUTHENTICATED", "LOGIN_REFUSED"):
            server.nobody.Login(username="admin", password="Wrong-Horse-7")
        assert server.nobody.Login(username="admin", password=PASSWORD).access_token
