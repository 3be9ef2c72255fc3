"""Who is calling: the token is verified here, before any RPC, and again by every service that gets it."""

import base64
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from crm_kit import errors
from crm_kit.tokens import Claims, Verifier

Key = Ed25519PublicKey
REFRESH_EVERY = 5.0


class Keys:
    """Identity's published keys. An unknown key is looked for, but not more often than every five seconds."""

    def __init__(self, fetch: Callable[[], Any]) -> None:
        self._fetch = fetch
        self._keys: dict[str, Key] = {}
        self._asked = -REFRESH_EVERY
        self._asking = threading.Lock()

    def __call__(self, kid: str) -> Key | None:
        if kid not in self._keys:
            self._refresh(kid)
        return self._keys.get(kid)

    def _refresh(self, kid: str) -> None:
        with self._asking:
            if kid in self._keys or time.monotonic() - self._asked < REFRESH_EVERY:
                return
            try:
                self._keys = {
                    key.kid: Key.from_public_bytes(base64.urlsafe_b64decode(key.x + "=" * (-len(key.x) % 4)))
                    for key in self._fetch().keys
                    if key.kty == "OKP" and key.crv == "Ed25519"
                }
            except grpc.RpcError:
                raise errors.Unavailable("service_unavailable", retry_after=1) from None
            self._asked = time.monotonic()


class Guard:
    """Lets in who has a token."""

    def __init__(self, keys: Callable[[str], Key | None]) -> None:
        self._verifier = Verifier(keys)

    def claims(self, environ: dict[str, Any]) -> Claims:
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        scheme, _, token = authorization.partition(" ")
        if not authorization:
            raise errors.Unauthenticated("unauthenticated")
        if scheme.lower() != "bearer":
            raise errors.Unauthenticated("bad_token")
        return self._verifier.verify(token)
