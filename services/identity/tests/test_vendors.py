"""Single sign-on at WeCom, DingTalk and Feishu, played by stand-ins that keep to their published descriptions."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from vendor_stand_ins import BACK, CLIENT, SECRET, STAND_INS, StandIn, send

from crm_kit.testing import Client, Server, refused
from crm_kit.testing.certificates import Authority
from identity import outgoing
from identity.vendors import VENDORS

pytestmark = pytest.mark.feature("IDN-04")


@pytest.fixture(params=list(STAND_INS))
def vendor(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """One of the three; a test that is about one of them names it."""
    authority = Authority()
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
    outgoing._context.cache_clear()
    stand_in = STAND_INS[request.param](tmp_path, authority)
    yield stand_in
    stand_in.stop()
    outgoing._context.cache_clear()


def only(kind: str) -> pytest.MarkDecorator:
    """A test about one vendor."""
    return pytest.mark.parametrize("vendor", [kind], indirect=True)


@pytest.fixture
def set_up(admin: Client, vendor: StandIn) -> Callable[..., Any]:
    """The vendor as an administrator sets it up, in an installation of one's own."""

    def made(client_secret: str = SECRET, **fields: Any) -> Any:
        usual = {"name": "公司账号", "kind": vendor.kind, "client_id": CLIENT, "redirect_uris": [BACK], "enabled": True}
        usual |= {"login_address": vendor.address, "api_address": vendor.address, **vendor.fields}
        return admin.CreateIdentityProvider(identity_provider={**usual, **fields}, client_secret=client_secret)

    return made


@pytest.fixture
def enter(server: Server, vendor: StandIn) -> Callable[..., Any]:
    """Sign in there as somebody, all the way; `spoil` does something to the code on its way."""

    def tokens(made: Any, person: str, spoil: Callable[[dict[str, str]], Any] = lambda _back: None) -> Any:
        begun = server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK)
        back = vendor.sign_in(begun.authorization_url, person)
        assert back["state"] == begun.state
        spoil(back)
        return server.nobody.FinishSingleSignOn(**back, device="浏览器")

    return tokens


@pytest.fixture
def nothing_made(server: Server) -> Callable[[], Any]:
    """Whatever happens within leaves no account, no session and no state that could be used."""

    def there() -> list[Any]:
        return server.sql(
            "SELECT (SELECT count(*) FROM user_account), (SELECT count(*) FROM session),"
            " (SELECT count(*) FROM refresh_token), (SELECT count(*) FROM single_sign_on)"
        )

    @contextmanager
    def nothing() -> Iterator[None]:
        before = there()
        yield
        assert there() == before

    return nothing


@pytest.fixture
def li(hire: Callable[..., Any], vendor: Any) -> Any:
    """Somebody with an account here and there."""
    vendor.knows("Li-7")
    return hire("li", "trainer", external_id="Li-7")


def test_somebody_signs_in_there_and_has_a_session_here(server, vendor, set_up, enter, li) -> None:
    made = set_up()
    assert [(p.name, p.kind) for p in server.nobody.ListLoginProviders().providers] == [("公司账号", vendor.kind)]

    tokens = enter(made, "Li-7")

    assert tokens.user_id == li.id
    assert server.client(tokens.access_token).GetMe().username == "li"
    assert [e.actor_name for e in server.events("session") if e.action == "opened"][-1] == "Li"
    assert enter(made, "Li-7").user_id == li.id, "and again, with another code"


def expired(vendor: Any, back: dict[str, str]) -> None:
    vendor.codes[back["code"]].until = 0


def used(vendor: Any, back: dict[str, str]) -> None:
    vendor.codes[back["code"]].used = True


def unknown(_vendor: Any, back: dict[str, str]) -> None:
    back["code"] = "made-up"


@pytest.mark.parametrize("spoil", [expired, used, unknown])
def test_a_code_that_is_not_good_signs_nobody_in(vendor, set_up, enter, li, nothing_made, spoil) -> None:
    made = set_up()
    with nothing_made(), refused("UNAUTHENTICATED", "SSO_REFUSED") as refusal:
        enter(made, "Li-7", lambda back: spoil(vendor, back))
    assert "secret-words" not in refusal.message


def test_a_code_and_its_state_are_good_once(server, vendor, set_up, li) -> None:
    made = set_up()
    begun = server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK)
    back = vendor.sign_in(begun.authorization_url, "Li-7")
    assert server.nobody.FinishSingleSignOn(**back).user_id == li.id
    sessions = server.sql("SELECT count(*) FROM session")

    with refused("UNAUTHENTICATED", "SSO_REFUSED"):
        server.nobody.FinishSingleSignOn(**back)
    another = server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK)
    with refused("UNAUTHENTICATED", "SSO_REFUSED"):
        server.nobody.FinishSingleSignOn(state=another.state, code=back["code"])

    assert server.sql("SELECT count(*) FROM session") == sessions


def test_a_wrong_secret_is_said_to_be_a_wrong_setting_and_a_right_one_works_at_once(
    server, admin, vendor, set_up, enter, li, caplog
) -> None:
    made = set_up(client_secret="a-wrong-secret")
    sessions = server.sql("SELECT count(*) FROM session")
    with caplog.at_level(logging.DEBUG), refused("PERMISSION_DENIED", "SSO_MISCONFIGURED") as refusal:
        enter(made, "Li-7")
    assert "secret-words" not in refusal.message
    assert vendor.token_path in caplog.text, "the log says what was refused"
    for kept_out in ("a-wrong-secret", "secret-words", *vendor.codes, *vendor.tokens):
        assert kept_out not in caplog.text
    assert server.sql("SELECT count(*) FROM session") == sessions

    admin.SetIdentityProviderSecret(id=made.id, etag=made.etag, client_secret=SECRET)
    assert enter(made, "Li-7").user_id == li.id


def test_who_has_no_account_here_is_refused(vendor, set_up, enter, nothing_made) -> None:
    vendor.knows("Wang-8")

    with nothing_made(), refused("PERMISSION_DENIED", "SSO_UNKNOWN_USER"):
        enter(set_up(), "Wang-8")


def test_a_disabled_account_is_refused(admin, vendor, set_up, enter, li, nothing_made) -> None:
    admin.DeactivateUser(id=li.id, etag=admin.GetUser(id=li.id).etag)

    with nothing_made(), refused("PERMISSION_DENIED", "SSO_USER_DISABLED"):
        enter(set_up(), "Li-7")


def test_an_account_is_made_of_what_the_vendor_tells_where_that_is_set(admin, vendor, set_up, enter, root_id) -> None:
    called = {"dingtalk": "nick"}.get(vendor.kind, "name")
    number = {"mobile": "13800138000", "stateCode": "86"} if vendor.kind == "dingtalk" else {"mobile": "+8613800138000"}
    vendor.knows("Wang-8", email="w@example.com", **{called: "王芳"}, **number)
    making = {"create_missing": True, "department_id": root_id, "trust_unverified": True}

    made = admin.GetUser(id=enter(set_up(**making), "Wang-8").user_id)

    assert (made.external_id, made.username, made.name) == ("Wang-8", "Wang-8", "王芳")
    assert (made.email, made.phone) == ("w@example.com", "+8613800138000")


def test_no_vendor_vouches_for_a_number_or_an_address(vendor, set_up, enter, hire) -> None:
    li = hire("li", "trainer", phone="13800138000", email="li@example.com")
    more = {"mobile": "13800138000", "email": "li@example.com", "stateCode": "86"}
    vendor.knows("thief", **more, email_verified=True, phone_number_verified=True)

    for by in ("phone", "email"):
        with refused("PERMISSION_DENIED", "SSO_CLAIM_MISSING"):
            enter(set_up(match_by=by), "thief")
        assert enter(set_up(match_by=by, trust_unverified=True), "thief").user_id == li.id


@pytest.mark.parametrize("status", [200, 400])
def test_what_is_wrong_with_the_application_or_the_vendor_is_told_apart(
    vendor, set_up, enter, li, nothing_made, status
) -> None:
    if vendor.kind == "dingtalk" and status == 200:
        status = 403  # its errors have a status of their own
    told = {"busy": ("UNAVAILABLE", "SSO_PROVIDER_AWAY")}
    made = set_up()
    for what, body in vendor.refusals.items():
        content = json.dumps(body).encode()
        vendor.instead[vendor.token_path] = lambda handler, content=content: send(handler, status, content)
        with nothing_made(), refused(*told.get(what, ("PERMISSION_DENIED", "SSO_MISCONFIGURED"))) as refusal:
            enter(made, "Li-7")
        assert "secret-words" not in refusal.message


def test_what_is_no_answer_of_the_vendor_signs_nobody_in(vendor, set_up, enter, li, nothing_made, measured) -> None:
    made = set_up()
    answers = [(200, content, "") for content in vendor.strange]
    answers += [(302, b"", "https://127.0.0.1/elsewhere"), (500, b"{}", ""), (429, b"{}", "")]
    for status, content, location in answers:
        vendor.instead[vendor.token_path] = lambda h, a=(status, content, location): send(h, *a)
        with nothing_made(), refused("UNAVAILABLE", "SSO_PROVIDER_AWAY"):
            enter(made, "Li-7")
    measured(f"{vendor.kind}: {len(answers)} answers that are none signed nobody in")


def test_a_public_address_of_a_vendor_leads_nowhere_inside(
    vendor, set_up, enter, li, monkeypatch, nothing_made
) -> None:
    monkeypatch.setattr(type(VENDORS[vendor.kind]), "API", vendor.address)

    with nothing_made(), refused("UNAVAILABLE", "SSO_PROVIDER_AWAY"):
        enter(set_up(api_address=""), "Li-7")
    assert not [a for a in vendor.asked if a.path == vendor.token_path]


def test_without_addresses_the_browser_goes_to_the_vendor_itself(server, vendor, set_up) -> None:
    hosts = {"wecom": "login.work.weixin.qq.com", "dingtalk": "login.dingtalk.com", "feishu": "accounts.feishu.cn"}
    made = set_up(login_address="", api_address="")

    url = server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK).authorization_url

    assert url.startswith(f"https://{hosts[vendor.kind]}/")
    assert SECRET not in url


@only("wecom")
def test_wecom_who_is_outside_of_the_company_or_the_visible_range_is_refused(
    vendor, set_up, enter, hire, nothing_made
) -> None:
    for person in ("guest", "unseen", "gone", "left", "Another/li"):
        hire(f"user{len(person)}{person[0]}", "trainer", external_id=person)
    vendor.knows("unseen")
    vendor.visible.clear()
    vendor.knows("gone", status=2)
    vendor.knows("left", status=5)
    vendor.knows("Another/li")
    made = set_up()

    with nothing_made():
        for person in ("guest", "unseen", "gone", "left", "Another/li"):
            with refused("PERMISSION_DENIED", "SSO_OUTSIDE"):
                enter(made, person)


@only("dingtalk")
def test_dingtalk_who_comes_with_another_company_is_refused(vendor, set_up, enter, hire, root_id, nothing_made) -> None:
    hire("li", "trainer", external_id="Li-7")
    vendor.knows("Li-7", company="ding-theirs")
    vendor.knows("stranger", company="ding-theirs")
    made = set_up(create_missing=True, department_id=root_id)

    with nothing_made():
        for person in ("Li-7", "stranger"):
            with refused("PERMISSION_DENIED", "SSO_OUTSIDE"):
                enter(made, person)
    assert not vendor.asked_at("/v1.0/contact/users/me"), "they are not even asked about"


@only("feishu")
def test_feishu_whom_the_application_is_not_open_to_is_refused(vendor, set_up, enter, li, nothing_made) -> None:
    theirs = set_up(tenant_id="theirs")
    made = set_up(tenant_id="ours")
    with nothing_made():
        with refused("PERMISSION_DENIED", "SSO_OUTSIDE"):
            enter(theirs, "Li-7")
        vendor.open_to.clear()
        with refused("PERMISSION_DENIED", "SSO_OUTSIDE"):
            enter(made, "Li-7")
    vendor.open_to.add("Li-7")
    assert enter(made, "Li-7").user_id == li.id


@only("feishu")
def test_feishu_a_code_of_another_sign_in_is_refused_by_pkce(server, vendor, set_up, li) -> None:
    made = set_up()
    mine, theirs = (server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK) for _ in range(2))
    stolen = vendor.sign_in(theirs.authorization_url, "Li-7")["code"]
    sessions = server.sql("SELECT count(*) FROM session")

    with refused("UNAUTHENTICATED", "SSO_REFUSED"):
        server.nobody.FinishSingleSignOn(state=mine.state, code=stolen)
    assert server.sql("SELECT count(*) FROM session") == sessions
    assert "contact%3Auser.phone%3Areadonly" in mine.authorization_url


@only("wecom")
def test_wecom_is_asked_for_an_access_token_only_when_there_is_none_that_lives(vendor, set_up, enter, li) -> None:
    made = set_up()

    def asked() -> int:
        return len(vendor.asked_at(vendor.token_path))

    for _ in range(3):
        enter(made, "Li-7")
    assert asked() == 1
    vendor.ended |= set(vendor.tokens)
    assert enter(made, "Li-7").user_id == li.id, "WeCom ended it before its time"
    assert asked() == 2
    vendor.tokens.clear()
    assert enter(made, "Li-7").user_id == li.id, "or does not know it"
    assert asked() == 3


@only("wecom")
def test_wecom_an_access_token_that_is_over_is_not_shown_again(vendor, set_up, enter, li) -> None:
    vendor.seconds = 30
    made = set_up()

    enter(made, "Li-7")

    assert len(vendor.asked_at(vendor.token_path)) == 2, "one for each question: both were about to end"


@only("dingtalk")
def test_dingtalk_numbers_of_another_country_keep_it(admin, vendor, set_up, enter, root_id) -> None:
    vendor.knows("Tan-1", nick="Tan", mobile="91234567", stateCode="65")
    making = {"create_missing": True, "department_id": root_id, "trust_unverified": True}

    assert admin.GetUser(id=enter(set_up(**making), "Tan-1").user_id).phone == "+6591234567"


def test_what_belongs_to_another_kind_or_is_missing_is_named(admin, vendor, set_up) -> None:
    needed = {"wecom": ("agent_id", "agentId"), "dingtalk": ("tenant_id", "tenantId")}.get(vendor.kind)
    if needed:
        with refused("INVALID_ARGUMENT", "INVALID", needed[1]):
            set_up(**{needed[0]: ""})
    foreign = {"issuer": "https://a.example.com", "after_logout_uri": "https://a.example.com/bye"}
    with refused("INVALID_ARGUMENT", "INVALID", "issuer", "afterLogoutUri"):
        set_up(**foreign)
    bad = {"login_address": "http://login.example.com", "api_address": "https://api.example.com/?a=b"}
    with refused("INVALID_ARGUMENT", "INVALID", "loginAddress", "apiAddress"):
        set_up(**bad)
    openid = {"name": "a", "client_id": "a", "agent_id": "1", "tenant_id": "b", "api_address": "https://a.example.com"}
    with refused("INVALID_ARGUMENT", "INVALID", "issuer", "agentId", "tenantId", "apiAddress"):
        admin.CreateIdentityProvider(identity_provider=openid)
