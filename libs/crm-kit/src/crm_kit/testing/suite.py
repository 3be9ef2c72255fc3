"""The whole suite as it is operated: `crm up` in a folder of its own on free ports."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crm_kit.settings import SERVICES

ADMIN_PASSWORD = "the-administrators-own"  # noqa: S105
READY = "Open http"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the suite answered over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Suite:
    """A `crm up` that a test starts, asks and stops."""

    def __init__(self, place: Path, **environment: str) -> None:
        http, postgres, nats, *ports = free_ports(3 + len(SERVICES))
        self.url, self.place, self.data = f"http://127.0.0.1:{http}", place, place / "data"
        self.addresses = {name: f"127.0.0.1:{port}" for name, port in zip(SERVICES, ports, strict=True)}
        known = {name: value for name, value in os.environ.items() if not name.endswith(("_URL", "_ADDRESS"))}
        self.environment = known | {
            "CRM_DATA": str(self.data),
            "CRM_HTTP_PORT": str(http),
            "POSTGRES_PORT": str(postgres),
            "NATS_PORT": str(nats),
            "CRM_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "PYTHONUNBUFFERED": "1",
            **{f"{n.upper().replace('-', '_')}_ADDRESS": address for n, address in self.addresses.items()},
            **environment,
        }
        self._up: subprocess.Popen[bytes] | None = None

    def run(self, *words: str) -> subprocess.Popen[bytes]:
        """A command of `crm`, in this suite's environment; `said` tells what it printed."""
        command = [sys.executable, "-m", "crm_cli", *words]
        with (self.place / f"{words[0]}.out").open("w") as out:
            return subprocess.Popen(
                command, cwd=self.place, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def said(self, word: str) -> str:
        """What the last command of this name printed."""
        return (self.place / f"{word}.out").read_text()

    def start(self, seconds: float = 180) -> float:
        """Seconds until it said that it is ready."""
        began = time.monotonic()
        up = self._up = self.run("up")
        ready = eventually(lambda: READY in self.said("up") or up.poll() is not None, seconds)
        if not ready or up.poll() is not None:
            self.stop()
            raise RuntimeError(self.said("up"))
        return time.monotonic() - began

    def stop(self) -> None:
        """As Ctrl-C does."""
        if self._up is not None and self._up.poll() is None:
            self._up.send_signal(signal.SIGINT)
            self._up.wait(60)

    def pids(self) -> dict[str, int]:
        """The process of every part, by its name."""
        found: dict[str, int] = json.loads((self.data / "processes.json").read_text())
        return found

    def log(self, name: str) -> list[str]:
        """The lines that a part has logged."""
        return (self.data / "logs" / f"{name}.log").read_text().splitlines()

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """One request; a refusal is an answer like any other."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)  # noqa: S310
        if data is not None:
            request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=70) as reply:  # noqa: S310
                return Answer(reply.status, dict(reply.headers), _json(reply.read()))
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), _json(error.read()))

    def login(self, username: str = "admin", password: str = ADMIN_PASSWORD) -> str:
        """The access token of a person."""
        answer = self.ask("POST", "/v1/auth/login", {"username": username, "password": password})
        if answer.status != 200:
            raise RuntimeError(str(answer.body))
        return str(answer.body["accessToken"])

    def first_login(self, username: str, first: str, own: str) -> str:
        """As a new person does it: the first password is good for nothing but being changed."""
        token = self.login(username, first)
        change = {"oldPassword": first, "newPassword": own}
        answer = self.ask("POST", "/v1/auth/change-password", change, token=token)
        if answer.status != 200:
            raise RuntimeError(str(answer.body))
        return str(answer.body["accessToken"])


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def free_ports(count: int) -> list[int]:
    """Below the range that the kernel hands out to clients; held all at once, so that none comes twice."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports: list[int] = []
    with ExitStack() as held:
        while len(ports) < count:
            port = secrets.randbelow(low - 10_000) + 10_000
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
    return ports


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")
