"""Fixtures of single sign-on at a vendor; `conftest` makes them known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from vendor_stand_in import BACK, CLIENT, SECRET, StandIn
from vendor_stand_ins import STAND_INS

from crm_kit.testing import Client, Server
from crm_kit.testing.certificates import Authority
from identity import outgoing


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
