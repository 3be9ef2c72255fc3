"""Single sign-on at WeCom, DingTalk and Feishu, played by stand-ins that keep to their published descriptions."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from vendor_stand_in import BACK, SECRET, send

from crm_kit.testing import refused
from identity.vendors import VENDORS

pytestmark = pytest.mark.feature("IDN-04")


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
