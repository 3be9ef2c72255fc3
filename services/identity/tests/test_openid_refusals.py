"""Providers that lie, lead elsewhere or never end: none of them signs anybody in."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from crm_kit.testing import Server, refused
from identity import openid, outgoing
from identity.outgoing import Failed, Way

pytestmark = pytest.mark.feature("IDN-04")

BACK = "https://crm.example.com/back"


@pytest.fixture
def finish(server: Server, scripted: Any, configure: Callable[..., Any], hire: Callable[..., Any]) -> Any:
    """Come back from the scripted provider, after `twist` made its ID token up."""
    hire("zhang", "trainer", external_id="zhang-3")
    made = configure(scripted)

    def go(twist: Callable[[dict[str, Any]], Any] = lambda _claims: None, **said: str) -> Any:
        begun = server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK)
        scripted.begins(begun.authorization_url)
        twist(scripted.claims)
        return server.nobody.FinishSingleSignOn(state=begun.state, code="c", **said)

    return go


def test_over_https_the_code_goes_to_the_provider_with_secret_and_verifier(finish, scripted) -> None:
    assert finish().user_id
    ((_, form),) = [a for a in scripted.asked if a[0] == "/token"]
    assert (form["grant_type"], form["code"], form["redirect_uri"]) == ("authorization_code", "c", BACK)
    assert len(form["code_verifier"]) >= 43


OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def unsigned(claims: dict[str, Any]) -> str:
    parts = [json.dumps(p).encode() for p in ({"alg": "none", "kid": "one"}, claims)]
    return ".".join([*(base64.urlsafe_b64encode(p).rstrip(b"=").decode() for p in parts), ""])


def by_the_public_key(provider: Any) -> Callable[[dict[str, Any]], str]:
    """The old trick: HS256 with the public key as the secret."""
    pem = provider.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(claims: dict[str, Any]) -> str:
        head = [json.dumps(p).encode() for p in ({"alg": "HS256", "kid": "one"}, claims)]
        text = ".".join(base64.urlsafe_b64encode(p).rstrip(b"=").decode() for p in head)
        mac = base64.urlsafe_b64encode(hmac.digest(pem, text.encode(), "sha256")).rstrip(b"=").decode()
        return f"{text}.{mac}"

    return sign


LIES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "wrong nonce": lambda c: c.update(nonce="another"),
    "no nonce": lambda c: c.pop("nonce"),
    "another issuer": lambda c: c.update(iss="https://evil.example.com"),
    "made for another client": lambda c: c.update(aud="another"),
    "authorized for another client": lambda c: c.update(azp="another"),
    "for several, without saying for whom": lambda c: c.update(aud=["crm", "another"]),
    "expired": lambda c: c.update(exp=int(time.time()) - 120),
    "made in the future": lambda c: c.update(iat=int(time.time()) + 600),
    "made long ago": lambda c: c.update(iat=int(time.time()) - 3600),
    "no time at all": lambda c: c.pop("iat"),
    "time as a word": lambda c: c.update(iat="soon"),
    "nobody": lambda c: c.pop("sub"),
    "sub of another kind": lambda c: c.update(sub={"a": 1}),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_id_token_that_does_not_hold_signs_nobody_in(finish, lie, server) -> None:
    with refused("UNAUTHENTICATED", "SSO_REFUSED"):
        finish(LIES[lie])
    assert [e.action for e in server.events("session")][-1] == "refused"


@pytest.mark.parametrize("how", ["none", "HS256", "another key", "another key's name", "no token", "rubbish"])
def test_a_signature_that_does_not_count_signs_nobody_in(finish, scripted, how, monkeypatch) -> None:
    signers: dict[str, Callable[[dict[str, Any]], Any]] = {
        "none": unsigned,
        "HS256": by_the_public_key(scripted),
        "another key": lambda c: scripted.signed(c, key=OTHER),
        "another key's name": lambda c: scripted.signed(c, key=OTHER, kid="two"),
        "no token": lambda _c: None,
        "rubbish": lambda _c: "a.b.c",
    }
    scripted.configuration["id_token_signing_alg_values_supported"] = ["RS256", "HS256", "none"]
    scripted.sign = signers[how]

    with refused("UNAUTHENTICATED", "SSO_REFUSED"):
        finish()


def test_the_words_of_a_mix_up_are_heard(finish, scripted) -> None:
    with refused("UNAUTHENTICATED", "SSO_REFUSED"):
        finish(issuer="https://another.example.com")
    assert not [a for a in scripted.asked if a[0] == "/token"], "the code goes to nobody"
    assert finish(issuer=scripted.issuer).user_id


def test_a_provider_that_promises_to_name_itself_must_do_so(finish, scripted) -> None:
    scripted.configuration["authorization_response_iss_parameter_supported"] = True

    with refused("UNAUTHENTICATED", "SSO_REFUSED"):
        finish()


def test_a_new_key_of_the_provider_is_found(finish, scripted, monkeypatch) -> None:
    monkeypatch.setattr(openid, "RETRY", 0)
    assert finish().user_id
    scripted.published = [("one", scripted.key), ("two", OTHER)]
    scripted.sign = lambda c: scripted.signed(c, key=OTHER, kid="two")

    assert finish().user_id
    assert len([a for a in scripted.asked if a[0] == "/keys"]) == 2


def test_what_the_id_token_lacks_is_asked_for(server, admin, scripted, configure, root_id) -> None:
    made = configure(scripted, create_missing=True, department_id=root_id)
    begun = server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK)
    scripted.begins(begun.authorization_url)

    tokens = server.nobody.FinishSingleSignOn(state=begun.state, code="c")

    assert admin.GetUser(id=tokens.user_id).username == "zhang.san"


def redirecting(handler: Any) -> None:
    handler.send_response(302)
    handler.send_header("Location", "https://127.0.0.1/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def endless(handler: Any) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(100_000):
            handler.wfile.write(b" " * 4096)
    except OSError:
        pass


@pytest.mark.parametrize(
    ("path", "reply", "code"),
    [
        ("/.well-known/openid-configuration", redirecting, "UNAVAILABLE"),
        ("/.well-known/openid-configuration", endless, "UNAVAILABLE"),
        ("/keys", redirecting, "UNAVAILABLE"),
        ("/token", redirecting, "UNAUTHENTICATED"),
        ("/token", endless, "UNAVAILABLE"),
    ],
)
def test_a_provider_that_leads_elsewhere_or_never_ends_is_left(finish, scripted, path, reply, code) -> None:
    scripted.replies[path] = reply

    with refused(code):
        finish()


def test_who_answers_drop_by_drop_is_given_no_longer(finish, scripted, monkeypatch) -> None:
    monkeypatch.setattr(outgoing, "SECONDS", 0.5)

    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b" ")
                time.sleep(0.1)
        except OSError:
            pass

    scripted.replies["/token"] = drip
    with refused("UNAUTHENTICATED", "SSO_REFUSED"):
        finish()


def test_a_configuration_of_another_issuer_is_none(finish, scripted) -> None:
    scripted.configuration["issuer"] = "https://another.example.com"

    with refused("UNAVAILABLE", "SSO_PROVIDER_AWAY") as refusal:
        finish()
    assert "another" not in refusal.message


@pytest.mark.parametrize("name", ["token_endpoint", "jwks_uri", "authorization_endpoint"])
def test_addresses_that_are_not_https_are_not_used(finish, scripted, name) -> None:
    scripted.configuration[name] = scripted.issuer.replace("https", "http") + "/x"

    with refused("UNAVAILABLE", "SSO_PROVIDER_AWAY"):
        finish()


def test_a_certificate_of_somebody_else_is_not_believed(finish, monkeypatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    outgoing._context.cache_clear()

    with refused("UNAVAILABLE", "SSO_PROVIDER_AWAY"):
        finish()


def test_a_public_provider_leads_nowhere_inside(scripted, measured) -> None:
    inside = ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "100.64.0.1"]
    for host in inside:
        with pytest.raises(Failed, match="internal"):
            outgoing.ask(f"https://{host}/", Way())
    for url in ("http://192.0.2.1/", "http://10.0.0.1/"):
        with pytest.raises(Failed, match="plain HTTP"):
            outgoing.ask(url, Way(insecure=True, internal=True))
    assert outgoing.ask(scripted.issuer + "/keys", Way(internal=True)).status == 200
    measured(f"{len(LIES) + 6} false ID tokens and {len(inside) + 2} forbidden addresses refused")


def test_a_slow_provider_does_not_hold_every_thread(monkeypatch) -> None:
    for _ in range(outgoing.AT_ONCE):
        assert outgoing._places.acquire(blocking=False)
    try:
        with pytest.raises(Failed, match="at once"):
            outgoing.ask("https://127.0.0.1/", Way(internal=True))
    finally:
        outgoing._places.release(outgoing.AT_ONCE)


def test_jwt_library_and_allow_list_agree() -> None:
    assert set(openid.ALGORITHMS) <= set(jwt.algorithms.get_default_algorithms())
