"""The whole suite as it is operated, in a folder of its own on free ports, with somebody signed in."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from processes import Process, below

SERVICES = ("identity", "customer", "sales", "service-desk", "workspace", "reporting")
PASSWORD = f"Bench-{secrets.token_urlsafe(9)}-1"
RESOURCES = (
    *("customer", "contact", "demand", "interaction", "opportunity", "product", "pipeline", "behaviour"),
    *("relationship", "visit", "customer_event", "service_request", "task"),
    *("segment", "pool", "alert"),
)


class Suite:
    """A `crm up`. `http` is its port; `call` asks it something as the sales person who sees all."""

    def __init__(self) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="crm-bench-"))
        ports = free_ports(3 + len(SERVICES))
        self.http, postgres, nats, *own = ports
        self.addresses = {name: f"127.0.0.1:{port}" for name, port in zip(SERVICES, own, strict=True)}
        self.token = ""
        self.environment = os.environ | {
            "CRM_DATA": str(self.data / "data"),
            "CRM_HTTP_PORT": str(self.http),
            "POSTGRES_PORT": str(postgres),
            "NATS_PORT": str(nats),
            "CRM_ADMIN_PASSWORD": PASSWORD,
            "PUBLIC_RATE": "0",  # what is measured is the work, not the limit of routes without a token
            **{f"{n.upper().replace('-', '_')}_ADDRESS": address for n, address in self.addresses.items()},
        }
        self.output = self.data / "output"
        self.start()

    def start(self) -> float:
        """Seconds until it says that it is ready."""
        began = time.monotonic()
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "crm_cli", "up"], env=self.environment, stdout=output, stderr=output
            )
        while (
            "Open http" not in self.output.read_text()[-400:]
            or (self.data / "data" / "processes.json").stat().st_size < 9
        ):
            if self.process.poll() is not None or time.monotonic() - began > 300:
                raise RuntimeError(self.output.read_text())
            time.sleep(0.05)
        return time.monotonic() - began

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        shutil.rmtree(self.data, ignore_errors=True)

    def processes(self) -> list[Process]:
        """All of them but PostgreSQL's."""
        children = json.loads((self.data / "data" / "processes.json").read_text())
        found = [Process(self.process.pid, "crm up")]
        for name, pid in children.items():
            found += [] if name == "postgres" else below(pid, name)
        return found

    def postgres(self) -> list[Process]:
        children = json.loads((self.data / "data" / "processes.json").read_text())
        return below(children["postgres"], "postgres") if "postgres" in children else []

    def installed(self, service: str) -> bool:
        return service in json.loads((self.data / "data" / "processes.json").read_text())

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        """Ask; anything but a success raises, with what the answer said."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", method=method)
        request.add_header("Accept-Language", "en")
        if token or self.token:
            request.add_header("Authorization", f"Bearer {token or self.token}")
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, data, timeout=70) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()[:600]}") from None

    def sign_in(self) -> None:
        """As a sales person who sees all; made at the first time."""
        try:
            self.token = self.login("bench")
        except RuntimeError:
            admin = self.call("POST", "/v1/auth/login", {"username": "admin", "password": PASSWORD})["accessToken"]
            department_id = self.call("GET", "/v1/departments", token=admin)["departments"][0]["id"]
            self.member(admin, "bench", department_id, "all")
            self.token = self.login("bench")

    def login(self, username: str) -> str:
        """The token of somebody made by `member`."""
        login = {"username": username, "password": PASSWORD + "2"}
        token: str = self.call("POST", "/v1/auth/login", login)["accessToken"]
        return token

    def member(self, admin: str, username: str, department_id: str, scope: str) -> str:
        """Make a sales person who reaches as far as a scope says; their id."""
        role = {
            "code": username,
            "name": f"Sales, {scope}",
            "group": "operator",
            "rights": [f"{resource}.*" for resource in RESOURCES],
            "scopes": [{"resource": "*", "scope": scope}],
            "policy": {"exportRows": 1_000_000},
        }
        role_id = self.call("POST", "/v1/roles", role, admin)["id"]
        user = {"username": username, "name": username, "departmentId": department_id, "roleIds": [role_id]}
        user_id: str = self.call("POST", "/v1/users", {"user": user, "initialPassword": PASSWORD}, admin)["id"]
        first = self.call("POST", "/v1/auth/login", {"username": username, "password": PASSWORD})["accessToken"]
        change = {"oldPassword": PASSWORD, "newPassword": PASSWORD + "2"}
        self.call("POST", "/v1/auth/change-password", change, first)
        return user_id

    def settle(self) -> None:
        """Wait until no process does anything any more: events have arrived, caches are written."""
        quiet = 0
        while quiet < 3:
            before = sum(p.cpu() for p in self.processes())
            time.sleep(0.5)
            quiet = quiet + 1 if sum(p.cpu() for p in self.processes()) - before < 0.1 else 0


def free_ports(count: int) -> list[int]:
    """Below the range that the kernel hands out to clients; held all at once, so that none comes twice."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            port = secrets.randbelow(low - 10_000) + 10_000
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
        return ports
