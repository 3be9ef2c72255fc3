"""OpenID Connect as the party that relies on it: discovery, the way there, the code for an ID token, its checks.

Only the authorization code with PKCE. Nothing of what a provider answers reaches a caller.
"""

from __future__ import annotations

import base64
import hmac
import threading
import time
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import jwt

from identity import outgoing
from identity.outgoing import Failed, Way
from identity.provider import Begun, Refused, Settings, Told

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""What an ID token may be signed with: neither `none` nor anything that a shared secret makes (HS…)."""
KEPT = 600.0
"""Seconds that a provider's configuration and keys are kept."""
RETRY = 10.0
"""Seconds before unknown keys, or a provider that failed, are asked for again."""
LEEWAY = 60
"""Seconds that clocks may differ."""
OLDEST = 600
"""Seconds since an ID token was made, at most: it was made for the code that has just been given."""
CONFIGURATION = "/.well-known/openid-configuration"


class Provider:
    """One provider, as this process knows it."""

    def __init__(self, issuer: str, *, insecure: bool) -> None:
        self.issuer, self._insecure = issuer, insecure
        self._asking = threading.Lock()
        self._configuration: dict[str, Any] = {}
        self._way = Way(insecure=insecure)
        self._until = self._failed_until = 0.0
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._keys_asked = -RETRY
        self._keys_until = 0.0

    def configuration(self) -> dict[str, Any]:
        """What it says of itself. Raises `Failed`; a failure is kept for a moment, so that nobody makes us ask on."""
        with self._asking:
            now = time.monotonic()
            if now < self._until:
                return self._configuration
            if now < self._failed_until:
                raise Failed("it failed a moment ago")
            try:
                self._configuration = self._discover()
            except Failed:
                self._failed_until = now + RETRY
                raise
            self._until = now + KEPT
            return self._configuration

    def authorization_url(self, of: Settings, begun: Begun, state: str) -> str:
        """Where the browser goes."""
        query = urlencode(
            {
                "response_type": "code",
                "client_id": of.client_id,
                "redirect_uri": begun.redirect_uri,
                "scope": " ".join(dict.fromkeys(["openid", *of.scopes])),
                "state": state,
                "nonce": begun.nonce,
                "code_challenge": begun.challenge(),
                "code_challenge_method": "S256",
            },
            quote_via=quote,
        )
        url: str = self.configuration()["authorization_endpoint"]
        return f"{url}{'&' if urlsplit(url).query else '?'}{query}"

    def told(self, of: Settings, begun: Begun, code: str, said_issuer: str, needed: list[str]) -> Told:
        """What the provider says of whoever brings the code; asks for more where a needed claim is missing."""
        configuration = self.configuration()
        told = configuration.get("authorization_response_iss_parameter_supported") is True
        if said_issuer != self.issuer and (said_issuer or told):
            raise Refused("the redirect came from another issuer")
        answer = self._exchange(of, begun, code, configuration)
        claims = self._verified(of, begun, answer.get("id_token"), configuration)
        more = configuration.get("userinfo_endpoint")
        token = answer.get("access_token")
        if more and isinstance(token, str) and any(name not in claims for name in needed):
            about = outgoing.ask(more, self._way, headers={"Authorization": f"Bearer {token}"})
            if about.status == 200 and about.body.get("sub") == claims["sub"]:
                claims = {**about.body, **claims}
        return Told(claims, end_session=self._end_session(configuration), id_token=answer["id_token"])

    def _end_session(self, configuration: dict[str, Any]) -> str:
        """Where one signs out there; empty where it has no such place, or none that a browser could be sent to."""
        url = configuration.get("end_session_endpoint")
        return str(url) if self._is_usable(url) else ""

    def _is_usable(self, url: Any) -> bool:
        return isinstance(url, str) and urlsplit(url).scheme in (("https", "http") if self._insecure else ("https",))

    def _discover(self) -> dict[str, Any]:
        """The issuer is set by an administrator and may be internal; what it names may be so only if it is itself."""
        self._way = Way(insecure=self._insecure, internal=outgoing.is_internal(self.issuer))
        answer = outgoing.ask(self.issuer.rstrip("/") + CONFIGURATION, self._way)
        if answer.status != 200 or answer.body.get("issuer") != self.issuer:
            raise Failed(f"no configuration of this issuer (status {answer.status})")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not self._is_usable(answer.body.get(name)):
                raise Failed(f"its {name} is missing or no https address")
        if not isinstance(answer.body.get("userinfo_endpoint", ""), str):
            raise Failed("its userinfo_endpoint is no address")
        return answer.body

    def _exchange(self, of: Settings, begun: Begun, code: str, configuration: dict[str, Any]) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": begun.redirect_uri,
            "code_verifier": begun.verifier,
        }
        headers = {}
        ways = configuration.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if of.client_secret and "client_secret_basic" in ways:
            pair = f"{quote(of.client_id, safe='')}:{quote(of.client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = of.client_id
            if of.client_secret:
                form["client_secret"] = of.client_secret
        answer = outgoing.ask(configuration["token_endpoint"], self._way, form=form, headers=headers)
        if answer.status >= 500:
            raise Failed(f"the token endpoint answered {answer.status}")
        if answer.status != 200:
            raise Refused(f"the code was refused ({answer.status})")
        return answer.body

    def _verified(self, of: Settings, begun: Begun, token: Any, configuration: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(token, str) or len(token) > outgoing.LARGEST:
            raise Refused("there is no ID token")
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            offered = configuration.get("id_token_signing_alg_values_supported") or ["RS256"]
            if algorithm not in ALGORITHMS or algorithm not in offered:
                raise Refused("the ID token is signed in a way that does not count")
            said: dict[str, Any] = jwt.decode(
                token,
                self._key(header.get("kid"), algorithm, configuration),
                algorithms=[algorithm],
                audience=of.client_id,
                issuer=self.issuer,
                leeway=LEEWAY,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
            made = int(said["iat"])
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise Refused(f"the ID token: {type(error).__name__}") from error
        audience = said["aud"]
        if ("azp" in said or (isinstance(audience, list) and len(audience) > 1)) and said.get("azp") != of.client_id:
            raise Refused("the ID token was made for another party")
        if made < time.time() - OLDEST - LEEWAY:
            raise Refused("the ID token is old")
        nonce = said.get("nonce")
        if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), begun.nonce.encode()):
            raise Refused("the ID token answers another question")
        return said

    def _key(self, kid: Any, algorithm: str, configuration: dict[str, Any]) -> Any:
        """The key of a token. One that is not known may be new: it is looked for, but not all the time."""
        with self._asking:
            now = time.monotonic()
            missing = kid not in self._keys and now - self._keys_asked >= RETRY
            if missing or now > self._keys_until:
                self._keys_asked = now
                answer = outgoing.ask(configuration["jwks_uri"], self._way)
                if answer.status != 200:
                    raise Failed(f"no keys (status {answer.status})")
                self._keys, self._keys_until = _usable(answer.body), now + KEPT
            key = self._keys.get(kid) if kid is not None or len(self._keys) != 1 else next(iter(self._keys.values()))
        if key is None:
            raise Refused("the ID token is signed with a key that the provider does not have")
        return key.key


def _usable(body: dict[str, Any]) -> dict[str | None, jwt.PyJWK]:
    """Public keys for signatures by their names; what we cannot use is left out."""
    found: dict[str | None, jwt.PyJWK] = {}
    for one in body.get("keys") or ():
        if not isinstance(one, dict) or one.get("use", "sig") != "sig" or one.get("kty") == "oct":
            continue
        try:
            found[one.get("kid")] = jwt.PyJWK(one)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
    return found
