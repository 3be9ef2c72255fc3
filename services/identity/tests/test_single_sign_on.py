"""Single sign-on, at a real OpenID provider and at ones that lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm_kit.testing import Server, refused
from identity import single_sign_on

pytestmark = pytest.mark.feature("IDN-04")

BACK = "https://crm.example.com/back"


@pytest.fixture
def enter(server: Server) -> Callable[..., Any]:
    """Sign in at the real provider as somebody, all the way."""

    def tokens(provider: Any, made: Any, sub: str) -> Any:
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


def test_a_provider_of_before_there_were_kinds_speaks_openid_connect(
    server, admin, real_provider, configure, hire, enter
) -> None:
    li = hire("li", "trainer", external_id="emp-7")
    made = configure(real_provider)
    assert made.kind == "openid"
    server.sql("UPDATE identity_provider SET kind = NULL")

    assert [p.kind for p in server.nobody.ListLoginProviders().providers] == ["openid"]
    assert enter(real_provider, made, "emp-7").user_id == li.id
    admin.UpdateIdentityProvider(
        identity_provider={"id": made.id, "name": "新名称"}, update_mask={"paths": ["name"]}, etag=made.etag
    )
    assert admin.GetIdentityProvider(id=made.id).kind == "openid"


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


def test_who_never_comes_back_is_forgotten(server, real_provider, configure) -> None:
    made = configure(real_provider)
    server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK)
    server.sql("UPDATE single_sign_on SET expire_time = now()")

    server.service.act(single_sign_on.sweep)

    assert server.sql("SELECT count(*) FROM single_sign_on") == [(0,)]
