"""What every way of asking another party who somebody is has in common, whichever protocol it speaks."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any, Protocol

from crm_kit import errors

errors.texts(
    {
        "sso_refused": ("单点登录未成功，请重新登录", "Signing in there did not succeed; begin again"),
        "sso_outside": (
            "您不在该企业中，或不在其应用的可见范围内，请联系管理员",
            "You are not in that company, or its application is not open to you; ask an administrator",
        ),
        "sso_misconfigured": (
            "身份提供方拒绝了本系统的应用，请管理员检查设置",
            "The identity provider refuses this suite as an application; an administrator must look at the settings",
        ),
    }
)

REFUSED, OUTSIDE, MISCONFIGURED = "sso_refused", "sso_outside", "sso_misconfigured"
"""What a person is told: begin again; not for you; not for anybody until it is set up right."""


class Refused(Exception):
    """What came back is not good. The message is for the log and holds no secret; a caller is told the reason only."""

    def __init__(self, message: str, reason: str = REFUSED) -> None:
        super().__init__(message)
        self.reason = reason

    def refusal(self) -> errors.Refusal:
        """What the caller is answered."""
        return errors.Unauthenticated(REFUSED) if self.reason == REFUSED else errors.Denied(self.reason)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is set for a provider; see the contract for the fields."""

    client_id: str
    client_secret: str = field(repr=False)
    insecure: bool
    scopes: list[str]
    agent_id: str = ""
    tenant_id: str = ""
    login_address: str = ""
    api_address: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """What was remembered when somebody was sent to a provider."""

    redirect_uri: str
    verifier: str = field(repr=False)
    nonce: str

    def challenge(self) -> str:
        """What the provider is shown of the verifier (RFC 7636, S256)."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Told:
    """What a provider says of somebody, and how to sign out there, where one can."""

    claims: dict[str, Any]
    end_session: str = ""
    id_token: str = field(default="", repr=False)


class Provider(Protocol):
    """One way of asking."""

    def authorization_url(self, of: Settings, begun: Begun, state: str) -> str:
        """Where the browser goes. Raises `Failed` of outgoing."""

    def told(self, of: Settings, begun: Begun, code: str, said_issuer: str, needed: list[str]) -> Told:
        """What the provider says of whoever brings the code. Raises `Refused`, and `Failed` of outgoing."""
