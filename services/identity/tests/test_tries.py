"""Guessing: how many guesses are answered, and that the answer and its cost do not tell whether an account exists."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from crm_kit.testing import refused
from identity import devices, passwords, tries

PASSWORD = "Right-Horse-7"  # of the administrator, see conftest.py

pytestmark = pytest.mark.feature("IDN-01")


class Clock:
    """Time that passes only when told to."""

    def __init__(self):
        self.now = datetime.now(UTC)

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(tries, "now", made)
    return made


@pytest.fixture
def hashed(monkeypatch):
    """What was hashed to compare with."""
    real, done = passwords._hasher, []

    class Counting:
        hash = staticmethod(real.hash)

        @staticmethod
        def verify(stored, password):
            done.append(password)
            return real.verify(stored, password)

    monkeypatch.setattr(passwords, "_hasher", Counting)
    return done


def code(server, username, password="wrong", **more):
    """How a login ends; where too many come at once it comes again."""
    while True:
        try:
            server.nobody.Login(username=username, password=password, **more)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                time.sleep(0.01)
                continue
            return error.code().name
        return "OK"


def lock(server, username="admin"):
    while code(server, username) == "UNAUTHENTICATED":
        pass


@pytest.mark.figure("R42")
@pytest.mark.parametrize("guesses", [1_500, pytest.param(10_000, marks=pytest.mark.long)])
def test_of_so_many_guesses_at_most_ten_are_answered_in_any_five_minutes(server, clock, hashed, measured, guesses):
    answered, addresses = [], [f"10.0.{i}.{j}" for i in range(10) for j in range(100)]

    def guess(i):
        return code(server, "admin", f"guess-{i}", metadata={"x-forwarded-for": addresses[i % 1000]})

    with ThreadPoolExecutor(16) as pool:
        for begin in range(0, guesses, 250):  # one batch each minute
            codes = list(pool.map(guess, range(begin, begin + 250)))
            answered += [clock.now] * (250 - codes.count("RESOURCE_EXHAUSTED"))
            clock.now += timedelta(minutes=1)

    most = max(sum(t <= u < t + timedelta(minutes=5) for u in answered) for t in answered)
    measured(f"{len(answered)} of {guesses} guesses answered in {guesses // 250} minutes, at most {most} in any 5")
    assert 10 <= len(answered) == len(hashed)
    assert most <= 10


@pytest.mark.figure("R42")
def test_success_in_between_gives_a_stranger_no_more_guesses(server, sign_in, clock, hashed, measured):
    answered = 0
    for _ in range(30):
        answered += code(server, "admin") == "UNAUTHENTICATED"
        code(server, "admin", PASSWORD)
        clock.now += timedelta(seconds=9)

    measured(f"{answered} of 30 guesses answered while the owner logged in between")
    assert answered == 10


@pytest.mark.figure("R42")
def test_a_known_device_of_the_owner_gets_in_while_strangers_are_locked_out(server, sign_in, measured):
    mine = sign_in("admin", device="Firefox").tokens.device_token
    lock(server)

    with refused("RESOURCE_EXHAUSTED", "TOO_MANY_TRIES"):
        server.nobody.Login(username="admin", password=PASSWORD)
    again = sign_in("admin", device_token=mine)

    assert again.tokens.device_token == mine
    assert mine not in str(server.sql("SELECT * FROM known_device"))
    measured("the owner's known device got in while the account was locked")


def test_a_device_has_a_count_of_its_own_that_ends_too(server, sign_in):
    mine = sign_in("admin").tokens.device_token

    codes = [code(server, "admin", device_token=mine) for _ in range(12)]

    assert codes == ["UNAUTHENTICATED"] * 10 + ["RESOURCE_EXHAUSTED"] * 2
    assert sign_in("admin").tokens.device_token != mine


def test_the_device_of_another_person_is_a_stranger(server, sign_in, hire):
    hire("li", "trainer")
    theirs = sign_in("li").tokens.device_token
    lock(server)

    with refused("RESOURCE_EXHAUSTED"):
        server.nobody.Login(username="admin", password=PASSWORD, device_token=theirs)


def test_devices_are_forgotten_after_half_a_year_and_beyond_twenty(server, sign_in, clock):
    first = sign_in("admin").tokens.device_token
    for _ in range(devices.MOST):
        clock.now += timedelta(seconds=1)
        last = sign_in("admin").tokens.device_token
    lock(server)

    with refused("RESOURCE_EXHAUSTED"):
        server.nobody.Login(username="admin", password=PASSWORD, device_token=first)
    assert server.sql("SELECT count(*) FROM known_device") == [(devices.MOST,)]
    assert sign_in("admin", device_token=last).tokens.device_token == last
    clock.now += timedelta(days=181)
    lock(server)
    with refused("RESOURCE_EXHAUSTED"):
        server.nobody.Login(username="admin", password=PASSWORD, device_token=last)


def test_a_password_set_by_an_administrator_makes_every_device_a_stranger(server, admin, hire, sign_in):
    li = hire("li", "trainer")
    mine = sign_in("li").tokens.device_token

    admin.SetPassword(id=li.id, new_password="From-Above-9")
    lock(server, "li")

    with refused("RESOURCE_EXHAUSTED"):
        server.nobody.Login(username="li", password="From-Above-9", device_token=mine)


@pytest.mark.figure("R42")
def test_every_refusal_costs_one_hash_whoever_it_was(server, admin, hire, hashed, measured):
    gone = hire("gone", "trainer")
    admin.DeactivateUser(id=gone.id, etag=admin.GetUser(id=gone.id).etag)
    admin.CreateUser(user={"username": "new", "name": "新人", "department_id": gone.department_id})
    counts = {}
    for username in ("admin", "gone", "new", "nobody"):
        hashed.clear()
        refusals = [code(server, username) for _ in range(5)]
        counts[username] = len(hashed)
        assert refusals == ["UNAUTHENTICATED"] * 5

    measured(f"hashes for 5 refusals: {counts}")
    assert set(counts.values()) == {5}


def test_names_that_nobody_has_are_locked_alike(server):
    known = [code(server, "admin") for _ in range(12)]

    assert [code(server, "nobody") for _ in range(12)] == known
