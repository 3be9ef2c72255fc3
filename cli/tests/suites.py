"""A `crm up` to try things on."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import standin
from crm_cli.folder import Folder
from crm_cli.settings import SERVICES


def free_ports(count: int) -> list[int]:
    """Held all at once, so that none comes twice."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in sockets]


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Suite:
    """A `crm up` of stand-in services on free ports, in a folder of its own."""

    def __init__(self, place: Path) -> None:
        packages = place / "packages"
        standin.write(packages)
        http, postgres, nats, *ports = free_ports(9)
        self.data = place / "data"
        self.output = place / "output"
        self.http = http
        self.postgres = postgres
        self.folder = Folder(self.data)
        known = {name: value for name, value in os.environ.items() if not name.endswith(("_URL", "_ADDRESS"))}
        self.environment = known | {
            "CRM_DATA": str(self.data),
            "CRM_HTTP_PORT": str(http),
            "POSTGRES_PORT": str(postgres),
            "NATS_PORT": str(nats),
            "PYTHONPATH": os.pathsep.join([str(packages), str(Path(__file__).parent)]),
            "PYTHONUNBUFFERED": "1",
            **{f"{service.prefix}_ADDRESS": f"127.0.0.1:{port}" for service, port in zip(SERVICES, ports, strict=True)},
        }
        self.environment.pop("CRM_ADMIN_PASSWORD", None)
        self.process: subprocess.Popen[bytes] | None = None

    def up(self) -> "Suite":
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "crm_cli", "up"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = self.process
        assert eventually(lambda: "sign in as admin" in self.said or process.poll() is not None, 90), self.said
        assert process.poll() is None, self.said
        return self

    @property
    def said(self) -> str:
        return self.output.read_text()

    def crm(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "crm_cli", *words]
        return subprocess.run(command, env=self.environment | more, capture_output=True, text=True, timeout=90)

    def ended(self) -> int:
        """The exit code of a suite that was told to stop already: a signal more could meet it while it goes."""
        assert self.process
        code, self.process = self.process.wait(60), None
        return code

    def down(self, number: int = signal.SIGTERM) -> int:
        if not self.process:
            return 0
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.process = None
        return code


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
