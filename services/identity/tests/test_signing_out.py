"""Signing out here signs out at the provider, too, where the provider has a place for it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pyotp
import pytest
import requests

from crm_kit.testing import Server, refused
from identity import signing_out, single_sign_on

pytestmark = pytest.mark.feature("IDN-04")

BACK = "https://crm.example.com/back"
BYE = "https://crm.example.com/bye"


def enter(server: Server, provider: Any, made: Any, sub: str = "emp-7") -> Any:
    """Sign in at the real provider, all the way."""
    begun = server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK)
    return server.nobody.FinishSingleSignOn(**provider.sign_in(begun.authorization_url, sub))


def said(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.fixture
def li(hire) -> Any:
    return hire("li", "trainer", external_id="emp-7")


def test_after_single_sign_on_a_logout_tells_where_to_sign_out_at_the_provider(
    server, real_provider, configure, li
) -> None:
    tokens = enter(server, real_provider, configure(real_provider, after_logout_uri=BYE))

    url = server.client(tokens.access_token).Logout().end_session_url

    assert url.startswith(f"{real_provider.issuer}/oauth2/end_session?")
    asked = said(url)
    assert (asked["client_id"], asked["post_logout_redirect_uri"]) == ("crm", BYE)
    assert jwt.decode(asked["id_token_hint"], options={"verify_signature": False})["sub"] == "emp-7"
    page = requests.get(url, timeout=20)
    assert page.status_code == 200, "the provider takes it"
    assert BYE in page.text
    assert server.sql("SELECT count(*) FROM provider_session") == [(0,)], "good once"


def test_it_comes_through_the_second_factor(server, sign_in, real_provider, configure, li) -> None:
    made = configure(real_provider, after_logout_uri=BYE)
    mine = sign_in("li")
    totp = pyotp.TOTP(mine.EnrolSecondFactor(password="Right-Horse-7").secret)
    mine.ConfirmSecondFactor(code=totp.now())
    server.sql("UPDATE second_factor SET last_step = 0")

    begun = enter(server, real_provider, made)
    assert not begun.access_token
    tokens = server.nobody.VerifySecondFactor(challenge=begun.second_factor_challenge, code=totp.now())

    assert said(server.client(tokens.access_token).Logout().end_session_url)["client_id"] == "crm"


def test_a_session_by_password_has_nowhere_else_to_sign_out(server, sign_in, real_provider, configure, li) -> None:
    enter(server, real_provider, configure(real_provider))

    assert not sign_in("li").Logout().end_session_url
    assert server.sql("SELECT count(*) FROM provider_session") == [(1,)], "of the other session"


def test_what_it_takes_is_encrypted_and_forgotten_with_the_session(server, admin, real_provider, configure, li) -> None:
    enter(server, real_provider, configure(real_provider))
    ((kept,),) = server.sql("SELECT sign_on FROM provider_session")
    assert b"end_session" not in bytes(kept)
    for event in server.events():
        assert b"end_session" not in event.SerializeToString()

    server.service.act(signing_out.sweep)
    assert server.sql("SELECT count(*) FROM provider_session") == [(1,)], "its session lives"
    admin.EndUserSessions(user_id=li.id)
    server.service.act(signing_out.sweep)
    assert server.sql("SELECT count(*) FROM provider_session") == [(0,)]


def test_a_provider_without_such_a_place_or_with_a_strange_one_is_not_gone_to(
    server, scripted, configure, hire
) -> None:
    hire("zhang", "trainer", external_id="zhang-3")
    for place in (None, "http://login.example.com/bye", "javascript:alert(1)", ["https://a.example.com"]):
        scripted.configuration["end_session_endpoint"] = place
        made = configure(scripted, client_id=f"crm-{place}"[:20])
        single_sign_on._known.clear()
        begun = server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK)
        scripted.begins(begun.authorization_url)
        tokens = server.nobody.FinishSingleSignOn(state=begun.state, code="c")
        assert not server.client(tokens.access_token).Logout().end_session_url


def test_a_provider_that_is_away_or_gone_keeps_nobody_from_signing_out(
    server, admin, scripted, configure, hire
) -> None:
    hire("zhang", "trainer", external_id="zhang-3")
    scripted.configuration["end_session_endpoint"] = f"{scripted.issuer}/bye?realm=a"
    made = configure(scripted)

    def tokens() -> Any:
        begun = server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK)
        scripted.begins(begun.authorization_url)
        return server.nobody.FinishSingleSignOn(state=begun.state, code="c")

    first, second = (server.client(tokens().access_token) for _ in range(2))
    scripted.stop()
    url = first.Logout().end_session_url
    assert url.startswith(f"{scripted.issuer}/bye?realm=a&id_token_hint=")
    assert "post_logout_redirect_uri" not in said(url)
    server.sql("DELETE FROM identity_provider")
    assert not second.Logout().end_session_url
    assert server.sql("SELECT count(*) FROM session WHERE end_time IS NULL AND user_id <> :a", a=admin.user_id) == [
        (0,)
    ]


def test_where_people_go_afterwards_must_be_an_https_address(real_provider, configure) -> None:
    for address in ("http://crm.example.com/bye", "https://crm.example.com/bye#here", "bye"):
        with refused("INVALID_ARGUMENT", "INVALID", "afterLogoutUri"):
            configure(real_provider, after_logout_uri=address)
