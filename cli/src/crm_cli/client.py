"""The suite's HTTP API for commands that send a lot: it waits where the suite asks for it and never does a thing twice.

Every write carries an Idempotency-Key that stays the same over its repetitions, so that a lost connection can be
answered by simply asking again.
"""

import http.client
import json
import random
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from crm_cli.settings import Wrong

WAITED_FOR = (429, 502, 503, 504)
LONGEST_WAIT = 60.0
BUSY = "IDEMPOTENCY_KEY_BUSY"

Json = dict[str, Any]


class Refused(Wrong):
    """What the suite says no to, readable as it is."""

    def __init__(self, status: int, problem: Json) -> None:
        self.status = status
        self.reason = str(problem.get("reason") or "")
        self.errors: list[Json] = problem.get("errors") or []
        said = str(problem.get("detail") or problem.get("title") or f"HTTP {status}")
        named = "; ".join(f"{error.get('field') or '?'}: {error.get('message')}" for error in self.errors)
        super().__init__(f"{said}: {named}" if named else said)


class Unreachable(Wrong):
    """Nobody answers, or not for as long as we were ready to wait."""


class Client:
    """One account of the suite. Threads may share it; each has a connection of its own."""

    def __init__(self, url: str, *, patience: float = 120.0, timeout: float = 90.0) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Wrong(f"{url!r} is no address of a suite; it looks like http://127.0.0.1:8080.")
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._port, self._prefix = parts.hostname, parts.port, parts.path.rstrip("/")
        self._patience, self._timeout = patience, timeout
        self._local = threading.local()
        self._signing_in = threading.Lock()
        self._account: tuple[str, str] = ("", "")
        self._access, self._refresh, self._ends = "", "", 0.0

    def login(self, username: str, password: str, patience: float = 5.0) -> Json:
        """Opens a session; its tokens are renewed by themselves from then on."""
        body = {"username": username, "password": password, "device": "crm"}
        try:
            tokens = self._ask("POST", "/v1/auth/login", body, signed=False, patience=patience)
        except Unreachable as error:
            raise Unreachable(
                f"{error} Is the suite running there? `crm up` starts one; --url names another."
            ) from None
        except Refused as error:
            if error.status == 401:
                raise Wrong(f"The suite does not take the name {username!r} with this password.") from None
            raise
        if tokens.get("secondFactorChallenge"):
            raise Wrong(f"{username} has a second factor, which a program does not have. Use an account without one.")
        self._account = (username, password)
        self._take(tokens)
        if tokens.get("mustChangePassword"):
            raise Wrong(f"{username} must change the first password before anything else; sign in at {self.url}.")
        return tokens

    def get(self, path: str, *, patience: float | None = None, **query: Any) -> Json:
        given = {name: str(value) for name, value in query.items() if value is not None}
        return self._ask(
            "GET", f"{path}?{urlencode(given, quote_via=quote)}" if given else path, None, patience=patience
        )

    def post(self, path: str, body: Json) -> Json:
        return self._ask("POST", path, body)

    def all(self, path: str, name: str, **query: Any) -> Iterator[Json]:
        """Every record of a list, page by page."""
        token: str | None = None
        while token != "":
            page = self.get(path, pageSize=200, pageToken=token, **query)
            yield from page.get(name) or []
            token = page.get("nextPageToken") or ""

    def _ask(
        self, verb: str, path: str, body: Json | None, *, signed: bool = True, patience: float | None = None
    ) -> Json:
        content = None if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"Accept": "application/json", "Accept-Language": "en"}
        if content is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
        deadline = time.monotonic() + (self._patience if patience is None else patience)
        tries, renewed = 0, False
        while True:
            if signed:
                headers["Authorization"] = f"Bearer {self._token()}"
            tries += 1
            try:
                status, wait, answer = self._once(verb, path, content, headers)
            except (OSError, http.client.HTTPException) as error:
                self._close()
                why = f"{self.url} does not answer ({error or type(error).__name__})."
                if not self._sleep(None, tries, deadline):
                    raise Unreachable(why) from None
                continue
            if status < 400:
                return answer
            refusal = Refused(status, answer)
            if status == 401 and signed and not renewed:
                renewed = True
                self._token(refused=headers["Authorization"])
            elif not (status in WAITED_FOR or refusal.reason == BUSY) or not self._sleep(wait, tries, deadline):
                raise refusal

    def _once(
        self, verb: str, path: str, content: bytes | None, headers: dict[str, str]
    ) -> tuple[int, float | None, Json]:
        """One request: status, seconds we are asked to wait, document."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._make(self._host, self._port, timeout=self._timeout)
        connection.request(verb, self._prefix + path, body=content, headers=headers)
        reply = connection.getresponse()
        text = reply.read()
        after = reply.getheader("Retry-After", "")
        try:
            answer = json.loads(text) if text else {}
        except ValueError:
            answer = {"title": f"{self.url} answers {reply.status} with something that is no JSON"}
            if reply.status < 400:
                raise Wrong(f"{answer['title']}; is it a CRM suite?") from None
        return reply.status, float(after) if after.isdecimal() else None, answer

    def _close(self) -> None:
        if connection := getattr(self._local, "connection", None):
            connection.close()
            self._local.connection = None

    @staticmethod
    def _sleep(asked: float | None, tries: int, deadline: float) -> bool:
        """Waits as long as asked, else a little longer each time; False where that would be over the patience."""
        wait = asked if asked is not None else min(0.2 * 2 ** min(tries, 6), 5.0) * random.uniform(0.7, 1.0)
        wait = min(wait, LONGEST_WAIT)
        if time.monotonic() + wait > deadline:
            return False
        time.sleep(wait)
        return True

    def _token(self, refused: str = "") -> str:
        """An access token that holds; `refused` is the header that the suite did not take."""
        with self._signing_in:
            if refused == f"Bearer {self._access}" or time.monotonic() > self._ends:
                self._renew()
            return self._access

    def _renew(self) -> None:
        """A refresh token is good for one use, and an answer may get lost: then the password opens a new session."""
        try:
            self._take(self._ask("POST", "/v1/auth/refresh", {"refreshToken": self._refresh}, signed=False))
        except Refused:
            username, password = self._account
            self.login(username, password, self._patience)

    def _take(self, tokens: Json) -> None:
        self._access, self._refresh = tokens["accessToken"], tokens.get("refreshToken") or ""
        self._ends = time.monotonic() + max(float(tokens.get("expiresIn") or 60) - 30, 5)
