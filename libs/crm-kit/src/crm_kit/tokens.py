"""Access tokens: signed by identity, verified by everybody who is called with one.

A token is verified with its signature once and then found in a cache, because every request of a session
carries the same one; its end is looked at every time. Whether the session still lives is not said by a
token: services ask their copy of identity's sessions.
"""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crm_kit import errors

ISSUER, AUDIENCE = "crm-identity", "crm"
TYPE, ALGORITHM = "JWT", "EdDSA"
LONGEST = 4096
LEEWAY = 10  # seconds that clocks may differ
CACHED = 10_000
PASSWORD_CHANGE, SECOND_FACTOR = "password_change", "second_factor"
PENDING = ("", PASSWORD_CHANGE, SECOND_FACTOR)
"""What a token may be good for only: changing the password, setting up the second factor."""

_KID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_REQUIRED = ["exp", "iat", "iss", "aud", "sub", "sid"]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says of its bearer."""

    user_id: str
    session_id: str
    pending: str
    """What its bearer must do before anything else (PENDING), or empty."""
    issued_at: int
    expires_at: int
    client: bool = False  # an API client, not a person
    acting_id: str = ""  # who really looks, where an administrator views as the bearer: for reading only


class Verifier:
    """Says whose token it is, or refuses: `Unauthenticated("bad_token")`, whatever is wrong with it."""

    def __init__(self, keys: Callable[[str], Ed25519PublicKey | None], audience: str = AUDIENCE) -> None:
        self._keys, self._audience = keys, audience
        self._known: dict[str, Claims] = {}
        self._adding = threading.Lock()

    def verify(self, token: str) -> Claims:
        claims = self._known.get(token) or self._read(token)
        if claims.expires_at + LEEWAY < time.time():
            self._known.pop(token, None)
            raise errors.Unauthenticated("bad_token")
        return claims

    def forget(self) -> None:
        """For a key that was withdrawn: every token is verified anew."""
        self._known.clear()

    def _read(self, token: str) -> Claims:
        try:
            claims = self._decode(token)
        except (jwt.InvalidTokenError, ValueError, TypeError, KeyError):
            raise errors.Unauthenticated("bad_token") from None
        with self._adding:
            if len(self._known) >= CACHED:  # the oldest half, so that the cost is rare
                for old in list(self._known)[: CACHED // 2]:
                    self._known.pop(old, None)
            self._known[token] = claims
        return claims

    def _decode(self, token: str) -> Claims:
        if len(token) > LONGEST or not token.isascii():
            raise ValueError("too long, or no token at all")
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        if header.get("alg") != ALGORITHM or header.get("typ") != TYPE or set(header) - {"alg", "typ", "kid"}:
            raise ValueError("not a token of ours")
        if type(kid) is not str or not _KID.fullmatch(kid):
            raise ValueError("no key is called so")
        key = self._keys(kid)
        if key is None:
            raise ValueError("unknown key")
        said: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=self._audience,
            issuer=ISSUER,
            leeway=LEEWAY,
            options={"require": _REQUIRED, "strict_aud": True},
        )
        return Claims(
            user_id=_text(said["sub"]),
            session_id=_text(said["sid"]),
            pending=_pending(said),
            issued_at=_whole(said["iat"]),
            expires_at=_whole(said["exp"]),
            client=_yes_no(said.get("client", False)),
            acting_id=_text(said["act"]["sub"]) if "act" in said else "",
        )


def sign(claims: Claims, private_key: Ed25519PrivateKey, kid: str) -> str:
    """The token of these claims; for identity alone, who has the key."""
    said: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": claims.user_id,
        "sid": claims.session_id,
        "iat": claims.issued_at,
        "exp": claims.expires_at,
    }
    if claims.pending:
        said["pwd"] = True  # a service of the release before knows only this and refuses all the more
        said["pending"] = claims.pending
    if claims.client:
        said["client"] = True
    if claims.acting_id:
        said["act"] = {"sub": claims.acting_id}
    return jwt.encode(said, private_key, algorithm=ALGORITHM, headers={"kid": kid, "typ": TYPE})


def _text(value: Any) -> str:
    if type(value) is not str or not 0 < len(value) <= 64:
        raise ValueError("no identifier")
    return value


def _pending(said: dict[str, Any]) -> str:
    first = PASSWORD_CHANGE if _yes_no(said.get("pwd", False)) else ""
    pending = said.get("pending", first)
    if pending not in PENDING:
        raise ValueError("nothing that can be pending")
    return str(pending)


def _yes_no(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError("neither true nor false")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("not a whole number")
    return value
