"""What stand-ins for vendors of single sign-on have in common: a page for the browser, codes, and HTTPS."""

from __future__ import annotations

import json
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from crm_kit.testing.certificates import Authority

BACK = "https://crm.example.com/back"
CLIENT, SECRET = "the-client", "the-client-secret"
FIVE_MINUTES = 300


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    document: dict[str, Any]


class Reply(NamedTuple):
    status: int
    body: dict[str, Any]
    location: str = ""


class Code:
    """An authorization code: good once, for five minutes."""

    def __init__(self, person: str, asked: dict[str, str]) -> None:
        self.person, self.asked, self.used, self.until = person, asked, False, time.time() + FIVE_MINUTES

    def is_good(self) -> bool:
        return not self.used and time.time() < self.until


class StandIn:
    """What the three have in common."""

    kind: str
    code_name = "code"
    fields: ClassVar[Mapping[str, Any]]
    """What an administrator sets for this vendor besides."""
    token_path: str
    """Where the code, or the secret, goes."""
    refusals: ClassVar[Mapping[str, dict[str, Any]]]
    """What is answered, by what is wrong."""
    strange: ClassVar[list[bytes]]
    """Answers that are none of this vendor."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.people: dict[str, dict[str, Any]] = {}
        self.codes: dict[str, Code] = {}
        self.secret = SECRET
        self.asked: list[Asked] = []
        self.instead: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.tokens: dict[str, str] = {}
        self._authority = str(folder / "ca.crt")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"vendor": self}))
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("vendor").write(folder, f"vendor-{self._server.server_port}"))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.address = f"https://127.0.0.1:{self._server.server_port}"
        threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        ).start()  # looks as often for its end

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def sign_in(self, url: str, person: str) -> dict[str, str]:
        """As a browser does it, with somebody in front of it: what to finish with."""
        assert url.startswith(self.address), url
        page = requests.get(
            url, headers={"X-Person": person}, allow_redirects=False, verify=self._authority, timeout=20
        )
        assert page.status_code == 302, page.text
        assert page.headers["Location"].startswith(BACK + "?")
        back = parse_qs(urlsplit(page.headers["Location"]).query)
        return {"state": back["state"][0], "code": back[self.code_name][0]}

    def asked_at(self, path: str) -> list[Asked]:
        return [a for a in self.asked if a.path == path]

    def answer(self, asked: Asked) -> Reply:
        raise NotImplementedError

    def redirected(self, asked: Asked, must: Mapping[str, str]) -> Reply:
        """The page for the browser: it takes what it should and gives a code."""
        wrong = [name for name, value in must.items() if asked.query.get(name) != value]
        if wrong or asked.query.get("redirect_uri") != BACK:
            return Reply(400, {"wrong": wrong})
        code = secrets.token_urlsafe(24)
        self.codes[code] = Code(asked.headers["X-Person"], asked.query)
        return Reply(302, {}, f"{BACK}?{urlencode({self.code_name: code, 'state': asked.query['state']})}")

    def spent(self, text: Any) -> Code | None:
        """The code, which is used up by this; None if it is not good."""
        code = self.codes.get(text) if isinstance(text, str) else None
        if code is None or not code.is_good():
            return None
        code.used = True
        return code

    def token_for(self, person: str) -> str:
        token = secrets.token_urlsafe(32)
        self.tokens[token] = person
        return token


class _Handler(BaseHTTPRequestHandler):
    vendor: StandIn

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        document = json.loads(content) if content else {}
        asked = Asked(self.command, parts.path, query, dict(self.headers.items()), document)
        self.vendor.asked.append(asked)
        if parts.path in self.vendor.instead:
            self.vendor.instead[parts.path](self)
            return
        reply = self.vendor.answer(asked)
        send(self, reply.status, json.dumps(reply.body).encode(), reply.location)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass


def send(handler: BaseHTTPRequestHandler, status: int, content: bytes, location: str = "") -> None:
    """An answer as it goes over the wire."""
    handler.send_response(status)
    if location:
        handler.send_header("Location", location)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)
