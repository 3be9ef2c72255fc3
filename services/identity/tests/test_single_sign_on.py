"""Single sign-on, at a real OpenID provider and at ones that lie."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from crm_kit.testing import Client, Server, refused
from crm_kit.testing.certificates import Authority
from identity import openid, outgoing, single_sign_on
from identity.outgoing import Failed, Way

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside this file
from openid_providers import Real, Scripted, real

pytestmark = pytest.mark.feature("IDN-04")

BACK = "https://crm.example.com/back"


@pytest.fixture(scope="module")
def real_provider() -> Iterator[Real]:
    with real() as provider:
        yield provider


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority()


@pytest.fixture
def scripted(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
    outgoing._context.cache_clear()
    provider = Scripted(tmp_path, authority)
    yield provider
    provider.stop()
    outgoing._context.cache_clear()


@pytest.fixture
def configure(admin: Client) -> Callable[..., Any]:
    """A provider that the administrator set up."""

    def made(provider: Any, client_secret: str = "the-client-secret", **fields: Any) -> Any:
        insecure = provider.issuer.startswith("http:")
        usual = {"name": "公司账号", "issuer": provider.issuer, "client_id": "crm", "redirect_uris": [BACK]}
        usual |= {"enabled": True, "allow_insecure": insecure}
        return admin.CreateIdentityProvider(identity_provider={**usual, **fields}, client_secret=client_secret)

    return made


@pytest.fixture
def enter(server: Server) -> Callable[..., Any]:
    """Sign in at the real provider as somebody, all the way."""

    def tokens(provider: Real, made: Any, sub: str) -> Any:
        begun = server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK)
        back = provider.sign_in(begun.authorization_url, sub)
        assert back["state"] == begun.state
        return server.nobody.FinishSingleSignOn(state=back["state"], code=back["code"], device="浏览器")

    return tokens


def test_somebody_signs_in_at_a_real_provider(server, real_provider, configure, hire, enter) -> None:
    li = hire("li", "trainer", external_id="emp-7")
    real_provider.knows("emp-7", name="李")
    made = configure(real_provider)
    assert [(p.id, p.name) for p in server.nobody.ListLoginProviders().providers] == [(made.id, "公司账号")]

    tokens = enter(real_provider, made, "emp-7")

    assert tokens.user_id == li.id
    assert server.client(tokens.access_token).GetMe().username == "li"
    assert server.nobody.Refresh(refresh_token=tokens.refresh_token).user_id == li.id
    opened = [e.actor_name for e in server.events("session") if e.action == "opened"]
    assert opened == ["系统管理员", "Li"]
    assert real_provider.pkce.used, "the code was good only with its verifier"


@pytest.mark.parametrize(
    ("match_by", "claims"),
    [
        ("username", {"preferred_username": "LI"}),
        ("email", {"email": "Li@Example.com", "email_verified": True}),
        ("phone", {"phone_number": "+8613800138000", "phone_number_verified": True}),
    ],
)
def test_people_are_found_by_the_field_that_is_set(real_provider, configure, hire, enter, match_by, claims) -> None:
    li = hire("li", "trainer", email="li@example.com", phone="+8613800138000")
    real_provider.knows("somebody", **claims)

    made = configure(real_provider, match_by=match_by, scopes=["profile", "email", "phone"])

    assert enter(real_provider, made, "somebody").user_id == li.id


@pytest.mark.parametrize("verified", [{}, {"email_verified": False}, {"email_verified": "true"}])
def test_an_address_that_was_not_verified_finds_nobody(real_provider, configure, hire, enter, verified) -> None:
    li = hire("li", "trainer", email="li@example.com")
    real_provider.knows("thief", email="li@example.com", **verified)

    with refused("PERMISSION_DENIED", "SSO_CLAIM_MISSING"):
        enter(real_provider, configure(real_provider, match_by="email"), "thief")
    real_provider.knows("thief", contact="li@example.com", email="t@example.com", email_verified=True)
    with refused("PERMISSION_DENIED", "SSO_CLAIM_MISSING"):
        enter(real_provider, configure(real_provider, match_by="email", email_claim="contact"), "thief")
    trusting = configure(real_provider, match_by="email", email_claim="contact", trust_unverified=True)
    assert enter(real_provider, trusting, "thief").user_id == li.id


def test_claims_may_have_names_of_their_own(real_provider, configure, hire, enter) -> None:
    li = hire("li", "trainer", external_id="工号-9")
    real_provider.knows("x", employee_number="工号-9")

    assert enter(real_provider, configure(real_provider, external_id_claim="employee_number"), "x").user_id == li.id


def test_who_has_no_account_is_refused_unless_accounts_are_made(
    server, admin, real_provider, configure, enter, root_id, role_id
) -> None:
    real_provider.knows(
        "new-1", preferred_username="wang.fang", name="王芳", email="w@example.com", email_verified=True
    )
    with refused("PERMISSION_DENIED", "SSO_UNKNOWN_USER"):
        enter(real_provider, configure(real_provider), "new-1")
    making = configure(real_provider, create_missing=True, department_id=root_id, role_ids=[role_id("trainer")])

    tokens = enter(real_provider, making, "new-1")

    made = admin.GetUser(id=tokens.user_id)
    assert (made.username, made.name, made.email, made.external_id) == ("wang.fang", "王芳", "w@example.com", "new-1")
    assert (made.department_id, list(made.role_ids)) == (root_id, [role_id("trainer")])
    assert [e.action for e in server.events("user")] == ["created"]
    assert enter(real_provider, making, "new-1").user_id == made.id, "found the next time"


def test_an_account_that_cannot_be_made_is_refused_and_nothing_is_left(
    server, real_provider, configure, hire, enter, root_id
) -> None:
    hire("li", "trainer")
    people = server.sql("SELECT count(*) FROM user_account")
    real_provider.knows("other-li", preferred_username="li", name="李")
    real_provider.knows("nameless", name="无")
    making = configure(real_provider, create_missing=True, department_id=root_id)

    for sub in ("other-li", "nameless"):
        with refused("PERMISSION_DENIED", "SSO_NOT_CREATED"):
            enter(real_provider, making, sub)
    assert server.sql("SELECT count(*) FROM user_account") == people


def test_a_disabled_or_deleted_account_is_refused_and_does_not_come_back(
    server, admin, real_provider, configure, hire, enter, root_id
) -> None:
    off, gone = hire("off", "trainer", external_id="e-off"), hire("gone", "trainer", external_id="e-gone")
    admin.DeactivateUser(id=off.id, etag=admin.GetUser(id=off.id).etag)
    admin.DeleteUser(id=gone.id, etag=admin.GetUser(id=gone.id).etag)
    making = configure(real_provider, create_missing=True, department_id=root_id)

    for sub in ("e-off", "e-gone"):
        real_provider.knows(sub, preferred_username=f"{sub}-again", name="又来")
        with refused("PERMISSION_DENIED", "SSO_USER_DISABLED"):
            enter(real_provider, making, sub)
    assert server.events("session")[-1].action == "refused"


def test_a_state_is_good_once_and_for_ten_minutes(server, real_provider, configure, hire) -> None:
    hire("li", "trainer", external_id="emp-7")
    made = configure(real_provider)
    begun = server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK)
    back = real_provider.sign_in(begun.authorization_url, "emp-7")
    server.nobody.FinishSingleSignOn(**back)
    again = real_provider.sign_in(begun.authorization_url, "emp-7")

    for state in (begun.state, "unknown"):
        with refused("UNAUTHENTICATED", "SSO_REFUSED"):
            server.nobody.FinishSingleSignOn(state=state, code=again["code"])

    late = server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK)
    back = real_provider.sign_in(late.authorization_url, "emp-7")
    server.sql("UPDATE single_sign_on SET expire_time = now()")
    with refused("UNAUTHENTICATED", "SSO_REFUSED"):
        server.nobody.FinishSingleSignOn(**back)
    assert late.state.encode() not in [bytes(h) for (h,) in server.sql("SELECT hash FROM single_sign_on")]


def test_a_code_of_another_sign_in_is_refused_without_the_words_of_the_provider(
    server, real_provider, configure, hire
) -> None:
    hire("li", "trainer", external_id="emp-7")
    made = configure(real_provider)
    mine, theirs = (server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK) for _ in range(2))
    stolen = real_provider.sign_in(theirs.authorization_url, "emp-7")["code"]

    with refused("UNAUTHENTICATED", "SSO_REFUSED") as refusal:
        server.nobody.FinishSingleSignOn(state=mine.state, code=stolen)

    assert "secret-words" not in refusal.message


def test_people_are_sent_back_only_to_where_the_list_says(server, real_provider, configure) -> None:
    made = configure(real_provider)
    for uri in (BACK + "/", BACK + "?x=1", "https://evil.example.com/back", ""):
        with refused("INVALID_ARGUMENT", "INVALID", "redirectUri"):
            server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=uri)


def test_a_provider_that_is_off_or_deleted_signs_nobody_in(server, admin, real_provider, configure, hire) -> None:
    hire("li", "trainer", external_id="emp-7")
    made = configure(real_provider)
    begun = server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK)
    back = real_provider.sign_in(begun.authorization_url, "emp-7")
    off = {"id": made.id, "enabled": False}
    admin.UpdateIdentityProvider(identity_provider=off, update_mask={"paths": ["enabled"]}, etag=made.etag)

    with refused("UNAUTHENTICATED", "SSO_REFUSED"):
        server.nobody.FinishSingleSignOn(**back)
    with refused("NOT_FOUND"):
        server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK)
    assert not server.nobody.ListLoginProviders().providers


def test_the_client_secret_is_kept_encrypted_and_never_told(server, admin, real_provider, configure) -> None:
    made = configure(real_provider)

    assert made.has_secret
    for told in (made, admin.GetIdentityProvider(id=made.id), *server.events("identity_provider")):
        assert b"the-client-secret" not in told.SerializeToString()
    assert "the-client-secret" not in str(server.sql("SELECT t::text FROM identity_provider t"))
    assert b"the-client-secret" not in bytes(server.sql("SELECT sealed_secret FROM identity_provider")[0][0])
    assert not admin.SetIdentityProviderSecret(id=made.id, etag=made.etag).has_secret


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"issuer": "http://login.example.com", "allow_insecure": True}, "issuer"),
        ({"issuer": "http://127.0.0.1:1", "allow_insecure": False}, "issuer"),
        ({"issuer": "https://a:b@login.example.com"}, "issuer"),
        ({"issuer": "ftp://login.example.com"}, "issuer"),
        ({"redirect_uris": ["http://crm.example.com/back"]}, "redirectUris[0]"),
        ({"redirect_uris": ["https://crm.example.com/back#here"]}, "redirectUris[0]"),
        ({"match_by": "birthday"}, "matchBy"),
        ({"create_missing": True}, "departmentId"),
        ({"name": ""}, "name"),
    ],
)
def test_a_wrong_setting_is_named(real_provider, configure, fields, path) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", path):
        configure(real_provider, **fields)


def test_only_administrators_of_the_system_say_whose_word_is_taken(server, employ, real_provider, configure) -> None:
    made = configure(real_provider)
    clerk = employ("clerk", ["identity_provider.*", "user.*"])

    with refused("PERMISSION_DENIED", "PROVIDER_NEEDS_ADMINISTRATOR"):
        clerk.CreateIdentityProvider(
            identity_provider={"name": "a", "issuer": "https://a.example.com", "client_id": "a"}
        )
    with refused("PERMISSION_DENIED", "PROVIDER_NEEDS_ADMINISTRATOR"):
        clerk.SetIdentityProviderSecret(id=made.id, etag=made.etag, client_secret="x")
    with refused("PERMISSION_DENIED", "PROVIDER_NEEDS_ADMINISTRATOR"):
        clerk.DeleteIdentityProvider(id=made.id, etag=made.etag)


@pytest.fixture
def finish(server: Server, scripted: Scripted, configure: Callable[..., Any], hire: Callable[..., Any]) -> Any:
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


def by_the_public_key(provider: Scripted) -> Callable[[dict[str, Any]], str]:
    """The old trick: HS256 with the public key as the secret."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = provider.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(claims: dict[str, Any]) -> str:
        import hmac

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


def test_who_never_comes_back_is_forgotten(server, real_provider, configure) -> None:
    made = configure(real_provider)
    server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK)
    server.sql("UPDATE single_sign_on SET expire_time = now()")

    server.service.act(single_sign_on.sweep)

    assert server.sql("SELECT count(*) FROM single_sign_on") == [(0,)]


def test_jwt_library_and_allow_list_agree() -> None:
    assert set(openid.ALGORITHMS) <= set(jwt.algorithms.get_default_algorithms())
