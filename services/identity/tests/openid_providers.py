"""Providers to sign in at: a real one that checks PKCE, and one that says whatever a test wants it to."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from oidc_provider_mock._app import app as provider_app
from werkzeug.serving import make_server

from crm_kit.testing.certificates import Authority


class Pkce:
    """Around the provider of the package, which does not ask for the verifier: this does, as RFC 7636 has it."""

    def __init__(self, app: Any) -> None:
        self._app, self._challenges, self.used = app, dict[str, str](), 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/oauth2/authorize" and environ["REQUEST_METHOD"] == "POST":
            asked = parse_qs(environ["QUERY_STRING"])
            assert asked["code_challenge_method"] == ["S256"]

            def note(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
                code = parse_qs(urlsplit(dict(headers).get("Location", "")).query).get("code")
                if code:
                    self._challenges[code[0]] = asked["code_challenge"][0]
                return start_response(status, headers, *more)

            return self._app(environ, note)
        if environ["PATH_INFO"] == "/oauth2/token":
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            form = parse_qs(body.decode())
            digest = hashlib.sha256(form.get("code_verifier", [""])[0].encode()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != self._challenges.get(form["code"][0]):
                start_response("400 Bad Request", [("Content-Type", "application/json")])
                return [b'{"error": "invalid_grant", "error_description": "secret-words-of-the-provider"}']
            self.used += 1
            environ["wsgi.input"] = io.BytesIO(body)
        return self._app(environ, start_response)


class Real:
    """The provider of the package, behind PKCE."""

    def __init__(self, url: str, pkce: Pkce) -> None:
        self.issuer, self.pkce = url, pkce

    def knows(self, sub: str, **claims: Any) -> None:
        """Somebody who can sign in there."""
        requests.put(f"{self.issuer}/users/{sub}", json=claims, timeout=20).raise_for_status()

    def sign_in(self, url: str, sub: str) -> dict[str, str]:
        """As a browser does it: the form, and back. What the redirect says."""
        form = requests.get(url, timeout=20)
        assert "<form" in form.text, form.text
        back = requests.post(url, data={"sub": sub}, allow_redirects=False, timeout=20)
        assert back.status_code == 302, back.text
        return {name: values[0] for name, values in parse_qs(urlsplit(back.headers["Location"]).query).items()}


@contextmanager
def real() -> Iterator[Real]:
    pkce = Pkce(provider_app())
    server = make_server("127.0.0.1", 0, pkce, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Real(f"http://127.0.0.1:{server.port}", pkce)
    server.shutdown()
    thread.join(10)
    server.server_close()


class Scripted:
    """A provider over HTTPS whose ID tokens a test makes up; what it is asked stands in `asked`."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.key = _key()
        self.published = [("one", self.key)]
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.claims: dict[str, Any] = {}
        self.configuration: dict[str, Any] = {}
        self.replies: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.sign: Callable[[dict[str, Any]], str] = self.signed
        self.token_status = 200
        handler = type("Handler", (_Handler,), {"provider": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("provider").write(folder, f"provider-{self._server.server_port}"))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.issuer = f"https://127.0.0.1:{self._server.server_port}"
        threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        ).start()  # looks as often for its end

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def begins(self, url: str) -> dict[str, str]:
        """What the browser brings along; the ID token will answer it."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        now = int(time.time())
        self.claims = {
            "iss": self.issuer,
            "sub": "zhang-3",
            "aud": asked["client_id"],
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
        }
        return asked

    def signed(self, claims: dict[str, Any], *, key: Any = None, kid: str = "one", algorithm: str = "RS256") -> str:
        return jwt.encode(claims, key or self.key, algorithm=algorithm, headers={"kid": kid})

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                **self.configuration,
            }
        if path == "/keys":
            return 200, {"keys": [_public(kid, key) for kid, key in self.published]}
        if path == "/token":
            return self.token_status, {"access_token": "a", "token_type": "Bearer", "id_token": self.sign(self.claims)}
        if path == "/userinfo":
            return 200, {"sub": self.claims["sub"], "name": "张三", "preferred_username": "zhang.san"}
        return 404, {"error": "secret-words-of-the-provider"}


class _Handler(BaseHTTPRequestHandler):
    provider: Scripted

    def do_GET(self) -> None:
        form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.provider.asked.append((self.path, {k: v[0] for k, v in parse_qs(form).items()}))
        if self.path in self.provider.replies:
            self.provider.replies[self.path](self)
            return
        status, body = self.provider.answer(self.path)
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@cache
def _key() -> rsa.RSAPrivateKey:
    """One for all providers: to make one takes a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _public(kid: str, key: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return {**found, "kid": kid, "use": "sig"}
