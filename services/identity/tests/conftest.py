"""Identity as its tests see it: each starts from a fresh installation with its administrator."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside this file

from vendor_fixtures import enter, li, nothing_made, set_up, vendor  # noqa: F401 - fixtures

from crm_kit.testing import Client, Server, running
from crm_kit.testing.certificates import Authority
from identity import outgoing, passwords
from identity.app import SERVICE
from identity.bootstrap import bootstrap

PASSWORD = "Right-Horse-7"
FULL, LIGHT = passwords._hasher, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""What the product hashes with, and real argon2id with next to no memory."""


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IDENTITY_KEY_FILE", str(tmp_path_factory.mktemp("keys") / "identity.key"))
        # Nearly every test logs in. What the product's hashes are and how they queue is tried with `full_hashes`.
        patch.setattr(passwords, "_hasher", LIGHT)
        patch.setattr(passwords, "_NOBODYS", LIGHT.hash("nobody's"))
        patch.setattr(SERVICE, "seed", lambda _call: bootstrap(SERVICE, PASSWORD))
        with running(SERVICE, threads=16) as server:
            yield server


@pytest.fixture
def server(running_server: Server) -> Server:
    running_server.reset()
    return running_server


@pytest.fixture
def full_hashes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed as the product does it, the administrator's, too."""
    monkeypatch.setattr(passwords, "_hasher", FULL)
    monkeypatch.setattr(passwords, "_NOBODYS", FULL.hash("nobody's"))
    server.sql("UPDATE user_account SET password_hash = :full", full=FULL.hash(PASSWORD))


@pytest.fixture
def sign_in(server: Server) -> Callable[..., Client]:
    """Log in for real; a client with the access token, and the answer as its `tokens`."""

    def log_in(username: str, password: str = PASSWORD, **more: Any) -> Client:
        tokens = server.nobody.Login(username=username, password=password, **more)
        client = server.client(tokens.access_token, tokens.user_id)
        client.tokens = tokens
        return client

    return log_in


@pytest.fixture
def admin(sign_in: Callable[..., Client]) -> Client:
    return sign_in("admin")


@pytest.fixture
def root_id(server: Server) -> str:
    """The department that a new installation has."""
    return str(server.sql("SELECT id FROM department")[0][0])


@pytest.fixture
def role_id(server: Server) -> Callable[[str], str]:
    def by_code(code: str) -> str:
        return str(server.sql("SELECT id FROM role WHERE code = :code", code=code)[0][0])

    return by_code


@pytest.fixture
def hire(server: Server, admin: Client, root_id: str, role_id: Callable[[str], str]) -> Callable[..., Any]:
    """Make a user with these roles who has changed the first password already."""

    def make(username: str, *roles: str, **fields: Any) -> Any:
        user = {"username": username, "name": username.title(), "department_id": root_id, **fields}
        user["role_ids"] = [role_id(code) for code in roles]
        made = admin.CreateUser(user=user, initial_password=PASSWORD)
        server.sql("UPDATE user_account SET must_change_password = false WHERE id = :id", id=made.id)
        return made

    return make


@pytest.fixture
def employ(admin: Client, hire: Callable[..., Any], sign_in: Callable[..., Client]) -> Callable[..., Client]:
    """Somebody signed in with a role of their own: these rights, on everything of `scope` or what a list says."""

    def make(username: str, rights: list[str], scope: str | list[dict[str, Any]] = "all", **fields: Any) -> Client:
        scopes = [{"resource": "*", "scope": scope}] if isinstance(scope, str) else scope
        admin.CreateRole(role={"code": f"of_{username}", "name": username, "rights": rights, "scopes": scopes})
        hire(username, f"of_{username}", **fields)
        return sign_in(username)

    return make


@pytest.fixture
def change(admin: Client) -> Callable[..., Any]:
    """Change fields of a user, at whatever version it is."""

    def make(client: Client, user_id: str, **fields: Any) -> Any:
        etag = admin.GetUser(id=user_id).etag
        return client.UpdateUser(user={"id": user_id, **fields}, update_mask={"paths": list(fields)}, etag=etag)

    return make


@pytest.fixture(scope="module")
def real_provider() -> Iterator[Any]:
    """A real OpenID provider."""
    from openid_providers import real

    with real() as provider:
        yield provider


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An OpenID provider over HTTPS that says what a test wants it to."""
    from openid_providers import Scripted

    authority = Authority()
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
        usual = {
            "name": "公司账号",
            "issuer": provider.issuer,
            "client_id": "crm",
            "redirect_uris": ["https://crm.example.com/back"],
        }
        usual |= {"enabled": True, "allow_insecure": insecure}
        return admin.CreateIdentityProvider(identity_provider={**usual, **fields}, client_secret=client_secret)

    return made
