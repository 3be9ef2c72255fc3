"""Second factor: set up, asked at login, good once, lost and taken away."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import grpc
import pyotp
import pytest

from crm.identity.v1.users_pb2 import User
from crm_kit.testing import refused
from identity import tries

PASSWORD = "Right-Horse-7"  # of the administrator, see conftest.py

pytestmark = pytest.mark.feature("IDN-03")


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Time that passes only when told to: in the middle of a step."""

    class Clock:
        now = datetime.fromtimestamp(datetime.now(UTC).timestamp() // 30 * 30 + 15, UTC)

        def __call__(self):
            return self.now

        def step(self, count=1):
            self.now += timedelta(seconds=30 * count)

    made = Clock()
    monkeypatch.setattr(tries, "now", made)
    return made


@pytest.fixture
def enrolled(server, admin, hire, sign_in, clock):
    """Somebody with a second factor: signed in, with `code` and `recovery`."""

    def make(username="li", *roles):
        hire(username, *(roles or ("trainer",)))
        me = sign_in(username)
        secret = me.EnrolSecondFactor(password=PASSWORD).secret
        totp = pyotp.TOTP(secret)
        done = me.ConfirmSecondFactor(code=totp.at(clock.now))
        clock.step()
        client = server.client(done.tokens.access_token, me.user_id)
        client.code = lambda off=0: totp.at(clock.now + timedelta(seconds=30 * off))
        client.recovery = list(done.recovery_codes)
        client.secret = secret
        return client

    return make


@pytest.fixture
def challenge(server):
    def first_step(username="li", **more):
        answer = server.nobody.Login(username=username, password=PASSWORD, **more)
        assert answer.second_factor_challenge
        assert [answer.access_token, answer.refresh_token, answer.device_token] == ["", "", ""]
        return answer.second_factor_challenge

    return first_step


def outcome(server, token, code):
    try:
        server.nobody.VerifySecondFactor(challenge=token, code=code)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def test_setting_up_gives_a_secret_an_address_and_ten_recovery_codes(server, hire, sign_in, clock):
    hire("li", "trainer")
    me, other = sign_in("li"), sign_in("li")

    answer = me.EnrolSecondFactor(password=PASSWORD)
    address = urlsplit(answer.uri)
    assert (address.scheme, address.netloc, parse_qs(address.query)["secret"]) == ("otpauth", "totp", [answer.secret])
    assert not me.GetSecondFactor().enabled
    done = me.ConfirmSecondFactor(code=pyotp.TOTP(answer.secret).at(clock.now))

    mine = server.client(done.tokens.access_token)
    assert len(set(done.recovery_codes)) == 10
    standing = mine.GetSecondFactor()
    assert (standing.enabled, standing.required, standing.recovery_codes_left) == (True, False, 10)
    with refused("UNAUTHENTICATED"):
        other.GetMe()
    told = User()
    server.events("user")[-1].record.Unpack(told)
    assert (server.events("user")[-1].action, told.second_factor) == ("second_factor_enabled", True)


def test_secret_and_recovery_codes_are_stored_unreadably_and_announced_nowhere(server, enrolled):
    li = enrolled()
    stored = str(server.sql("SELECT * FROM second_factor")) + str(server.sql("SELECT * FROM recovery_code"))
    told = b"".join(e.SerializeToString() for e in server.events()).decode(errors="replace")

    for secret in [li.secret, *li.recovery, *(c.replace("-", "") for c in li.recovery)]:
        assert secret not in stored + told


def test_setting_up_asks_the_password_and_a_right_code(hire, sign_in):
    hire("li", "trainer")
    li = sign_in("li")

    with refused("INVALID_ARGUMENT", "INVALID", "password"):
        li.EnrolSecondFactor(password="wrong")
    with refused("FAILED_PRECONDITION", "NOTHING_TO_CONFIRM"):
        li.ConfirmSecondFactor(code="123456")
    li.EnrolSecondFactor(password=PASSWORD)
    with refused("INVALID_ARGUMENT", "INVALID", "code"):
        li.ConfirmSecondFactor(code="000000")
    assert not li.GetSecondFactor().enabled


def test_login_then_asks_for_a_code_before_there_are_tokens(server, enrolled, challenge):
    li = enrolled()
    opened = len(server.events("session"))

    token = challenge(device="phone")
    assert len(server.events("session")) == opened
    answer = server.nobody.VerifySecondFactor(challenge=token, code=li.code())

    assert server.client(answer.access_token).GetMe().username == "li"
    assert server.nobody.Refresh(refresh_token=answer.refresh_token).access_token
    assert answer.device_token
    assert [e.action for e in server.events("session")][opened:] == ["opened"]
    assert li.ListSessions().sessions[0].device == "phone"


@pytest.mark.figure("R43")
@pytest.mark.usefixtures("full_hashes")
def test_a_code_works_once_even_for_five_logins_at_once(server, enrolled, challenge, measured):
    li = enrolled()
    tokens = [challenge() for _ in range(5)]
    code = li.code()

    with ThreadPoolExecutor(5) as pool:
        codes = list(pool.map(lambda token: outcome(server, token, code), tokens))

    measured(f"{codes.count('OK')} of {len(codes)} uses of one code at once succeeded")
    assert codes.count("OK") == 1
    assert outcome(server, challenge(), code) != "OK"


@pytest.mark.figure("R43")
def test_at_most_five_tries_in_five_minutes_are_answered(server, enrolled, challenge, clock, measured):
    li, answered = enrolled(), []

    for minute in range(30):
        token = challenge()
        codes = [outcome(server, token, f"{minute:02}{i:04}") for i in range(8)]
        answered += [clock.now] * (8 - codes.count("RESOURCE_EXHAUSTED"))
        clock.step(2)

    most = max(sum(t <= u < t + timedelta(minutes=5) for u in answered) for t in answered)
    measured(f"{len(answered)} of 240 tries answered in 30 minutes, at most {most} in any 5 minutes")
    assert len(answered) >= 5
    assert most <= 5
    assert outcome(server, challenge(), li.code()) == "RESOURCE_EXHAUSTED"


@pytest.mark.parametrize(("off", "result"), [(-2, "UNAUTHENTICATED"), (-1, "OK"), (1, "OK"), (2, "UNAUTHENTICATED")])
def test_a_clock_may_be_one_step_off(server, enrolled, challenge, clock, off, result):
    li = enrolled()
    clock.step(4)  # away from the code of setting up

    assert outcome(server, challenge(), li.code(off)) == result


def test_a_recovery_code_works_once_as_it_is_typed(server, enrolled, challenge):
    li = enrolled()
    code = li.recovery[3]

    assert outcome(server, challenge(), code.lower().replace("-", " ")) == "OK"
    assert outcome(server, challenge(), code) == "UNAUTHENTICATED"
    assert li.GetSecondFactor().recovery_codes_left == 9


def test_new_recovery_codes_replace_the_old_ones(server, enrolled, challenge):
    li = enrolled()

    fresh = li.RegenerateRecoveryCodes(code=li.code()).recovery_codes

    assert outcome(server, challenge(), li.recovery[0]) == "UNAUTHENTICATED"
    assert outcome(server, challenge(), fresh[0]) == "OK"


def test_a_challenge_is_good_once_for_five_minutes_from_one_address(server, enrolled, challenge, clock):
    li = enrolled()
    here, there = {"x-forwarded-for": "10.0.0.1"}, {"x-forwarded-for": "10.0.0.2"}
    token = challenge(metadata=here)

    with refused("UNAUTHENTICATED", "CHALLENGE_REFUSED"):
        server.nobody.VerifySecondFactor(challenge=token, code=li.code(), metadata=there)
    assert server.nobody.VerifySecondFactor(challenge=token, code=li.code(), metadata=here).access_token
    clock.step()
    with refused("UNAUTHENTICATED", "CHALLENGE_REFUSED"):
        server.nobody.VerifySecondFactor(challenge=token, code=li.code(), metadata=here)
    late = challenge()
    clock.step(11)
    with refused("UNAUTHENTICATED", "CHALLENGE_REFUSED"):
        server.nobody.VerifySecondFactor(challenge=late, code=li.code())


def test_a_challenge_ends_with_the_password_it_was_given_for(server, admin, enrolled, challenge):
    li = enrolled()
    token = challenge()

    admin.SetPassword(id=li.user_id, new_password="From-Above-9")

    with refused("UNAUTHENTICATED", "CHALLENGE_REFUSED"):
        server.nobody.VerifySecondFactor(challenge=token, code=li.code())


def test_turning_it_off_takes_password_and_code(server, enrolled, sign_in, clock):
    li = enrolled()
    with refused("INVALID_ARGUMENT", "INVALID", "password"):
        li.DisableSecondFactor(password="wrong", code=li.code())
    with refused("INVALID_ARGUMENT", "INVALID", "code"):
        li.DisableSecondFactor(password=PASSWORD, code="000000")

    li.DisableSecondFactor(password=PASSWORD, code=li.code())

    assert sign_in("li").GetMe().username == "li"
    assert server.sql("SELECT * FROM recovery_code") == []
    with refused("FAILED_PRECONDITION", "SECOND_FACTOR_OFF"):
        li.RegenerateRecoveryCodes(code="000000")


@pytest.fixture
def demanding(admin):
    """A role that asks for a second factor."""
    role = {"code": "demanding", "name": "须双重验证", "rights": ["customer.read"], "policy": {"second_factor": True}}
    return admin.CreateRole(role=role)


def test_a_role_can_ask_for_it_and_then_nothing_else_is_allowed_before(server, demanding, hire, sign_in, clock):
    hire("li", "demanding")
    li = sign_in("li")

    assert li.tokens.must_enrol_second_factor
    assert li.GetMe().must_enrol_second_factor
    assert li.GetSecondFactor().required
    with refused("PERMISSION_DENIED", "SECOND_FACTOR_REQUIRED"):
        li.ListPeople()
    refreshed = server.nobody.Refresh(refresh_token=li.tokens.refresh_token)
    with refused("PERMISSION_DENIED", "SECOND_FACTOR_REQUIRED"):
        server.client(refreshed.access_token).ListPeople()

    secret = li.EnrolSecondFactor(password=PASSWORD).secret
    done = li.ConfirmSecondFactor(code=pyotp.TOTP(secret).at(clock.now))

    assert not done.tokens.must_enrol_second_factor
    assert server.client(done.tokens.access_token).ListPeople().people


def test_the_first_password_is_changed_before_the_second_factor_is_set_up(server, admin, demanding, root_id, sign_in):
    user = {"username": "li", "name": "李雷", "department_id": root_id, "role_ids": [demanding.id]}
    admin.CreateUser(user=user, initial_password="Very-First-1")
    li = sign_in("li", "Very-First-1")

    with refused("PERMISSION_DENIED", "PASSWORD_CHANGE_REQUIRED"):
        li.ListPeople()
    tokens = li.ChangePassword(old_password="Very-First-1", new_password="My-Own-Words")
    with refused("PERMISSION_DENIED", "SECOND_FACTOR_REQUIRED"):
        server.client(tokens.access_token).ListPeople()


def test_where_a_role_asks_for_it_turning_it_off_ends_every_session(demanding, enrolled):
    li = enrolled("li", "demanding")

    li.DisableSecondFactor(password=PASSWORD, code=li.code())

    with refused("UNAUTHENTICATED"):
        li.GetMe()


def test_an_administrator_takes_it_from_who_lost_it(server, admin, enrolled, sign_in):
    li = enrolled()

    assert not admin.ResetSecondFactor(id=li.user_id).second_factor

    with refused("UNAUTHENTICATED"):
        li.GetMe()
    assert sign_in("li").GetMe().username == "li"
    reset = next(e for e in server.events("user") if e.action == "second_factor_reset")
    assert reset.actor_id == admin.user_id
    with refused("FAILED_PRECONDITION", "SECOND_FACTOR_OFF"):
        admin.ResetSecondFactor(id=li.user_id)


def test_nobody_takes_it_from_somebody_mightier(admin, enrolled, employ):
    boss = enrolled("boss", "executive")
    clerk = employ("clerk", ["user.read", "user.update"])

    with refused("PERMISSION_DENIED", "RIGHT_NOT_HELD"):
        clerk.ResetSecondFactor(id=boss.user_id)


@pytest.mark.feature("IDN-09")
def test_a_wrong_password_or_code_within_a_session_is_told_as_a_failed_login_is(server, enrolled, sign_in, hire):
    hire("wang", "trainer")
    wang, li = sign_in("wang"), enrolled()
    before = len(server.events("session"))

    with refused("INVALID_ARGUMENT"):
        wang.ChangePassword(old_password="wrong", new_password="My-Own-Words-7")
    with refused("INVALID_ARGUMENT"):
        wang.EnrolSecondFactor(password="wrong")
    wang.EnrolSecondFactor(password=PASSWORD)
    with refused("INVALID_ARGUMENT"):
        wang.ConfirmSecondFactor(code="000000x")
    with refused("INVALID_ARGUMENT"):
        li.DisableSecondFactor(password="wrong", code=li.code())
    with refused("INVALID_ARGUMENT"):
        li.DisableSecondFactor(password=PASSWORD, code="nonsense")
    with refused("INVALID_ARGUMENT"):
        li.RegenerateRecoveryCodes(code="nonsense")

    told = server.events("session")[before:]
    expected = [wang.user_id] * 3 + [li.user_id] * 3
    assert [(e.action, e.record_id, e.actor_id) for e in told] == [("refused", u, u) for u in expected]
    assert all(e.session_id for e in told)
    assert b"wrong" not in b"".join(e.SerializeToString() for e in told)
    assert wang.GetMe().username == "wang", "the session itself goes on"
