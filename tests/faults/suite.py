"""The suite on free ports in a folder of its own, every part a process of its own, so that each can be killed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import Popen
from typing import IO, Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.utils import base64url_encode
from psycopg.types.json import Jsonb

from crm_cli.health import wait
from crm_cli.nats import Nats
from crm_cli.postgres import Postgres
from crm_cli.process import spawn
from crm_kit import ids, tokens
from crm_kit.testing.recorder import recorder
from crm_kit.testing.suite import free_ports

SERVE, RELAY, READER = ("serve", "--no-work"), ("work", "--only", "relay"), ("work", "--only", "reader")
SERVICES = {
    "customer": (SERVE, RELAY, READER),
    "sales": (SERVE, RELAY, READER),
    "reporting": (SERVE, READER),
}
"""The services that take part, and the processes of each."""
RECORDER = "recorder"
"""Writes down what arrives, as one more reader."""


class Part:
    """One process that is killed and started again."""

    def __init__(self, name: str, start: Callable[[], Popen[bytes]]) -> None:
        self.name, self._start = name, start
        self.process: Popen[bytes] | None = None

    def start(self) -> None:
        self.process = self._start()

    def kill(self) -> None:
        """SIGKILL; the end is waited for."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()


class Suite:
    """Everything that R01 kills, and somebody who may do everything."""

    def __init__(self, folder: Path, recorded: Sequence[str]) -> None:
        self.folder = folder
        postgres, nats, *ports = free_ports(2 + len(SERVICES))
        self.addresses = {name: f"127.0.0.1:{port}" for name, port in zip(SERVICES, ports, strict=True)}
        self._recorded = " ".join(recorded)
        self.postgres, self.nats = Postgres(folder / "postgres", postgres), Nats(folder / "nats", nats)
        self.logs: list[IO[bytes]] = []
        self.stores = [Part("postgres", lambda: _started(self.postgres)), Part("nats", lambda: _started(self.nats))]
        self.parts = [
            Part(f"{name} {words[-1].strip('-')}", lambda name=name, words=words: self._run(name, *words))
            for name, runs in SERVICES.items()
            for words in runs
        ]
        self.parts.append(Part("recorder reader", lambda: self._run(RECORDER, *READER)))
        self.user_id, self.session_id, self._key = ids.uuid7(), ids.uuid7(), Ed25519PrivateKey.generate()

    def __enter__(self) -> Suite:
        try:
            for store in self.stores:
                store.start()
            with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
                for name in (*SERVICES, RECORDER):
                    connection.execute(f'CREATE DATABASE "{name}"')
            migrations = [self._run(name, "migrate") for name in SERVICES]
            recorder(self.postgres.url(RECORDER), keys=self.folder / "master.keys").writer.dispose()
            assert [process.wait() for process in migrations] == [0] * len(SERVICES), f"see {self.folder}"
            for name in SERVICES:
                self._admit(name)
            for part in self.parts:
                part.start()
            assert not wait(self.addresses, 60)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_raised: object) -> None:
        for part in self.parts:
            if part.process and part.process.poll() is None:
                part.kill()
        self.nats.stop()
        self.postgres.stop()
        for log in self.logs:
            log.close()

    @property
    def token(self) -> str:
        now = int(time.time())
        return tokens.sign(tokens.Claims(self.user_id, self.session_id, False, now, now + 36_000), self._key, "test")

    def sql(self, database: str, statement: str) -> list[tuple[Any, ...]]:
        """Rows of a statement on one service's database."""
        with psycopg.connect(self.postgres.url(database)) as connection:
            return connection.execute(statement).fetchall()

    def everywhere(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of a statement on all databases."""
        return [row for name in (*SERVICES, RECORDER) for row in self.sql(name, statement)]

    def applied(self) -> list[tuple[str, int]]:
        """What the recorder applied, in its order: (record id, version)."""
        return self.sql(RECORDER, "SELECT record_id, version FROM applied ORDER BY id")

    def errors(self) -> list[str]:
        """What the processes said that no kill explains."""
        lines = (line for log in self.folder.glob("*.log") for line in log.read_text(errors="replace").splitlines())
        return [line for line in lines if '"level":"ERROR"' in line or "Traceback" in line]

    def _run(self, name: str, *words: str) -> Popen[bytes]:
        module = "crm_kit.testing.recorder" if name == RECORDER else name
        log = (self.folder / f"{name}-{words[-1].strip('-')}.log").open("ab")
        self.logs.append(log)
        told = {f"{other.upper()}_ADDRESS": address for other, address in self.addresses.items()}
        told |= {"KEY_FILE": str(self.folder / "master.keys")}
        told |= {"DATABASE_URL": self.postgres.url(name), "NATS_URL": self.nats.url(), "LOG_LEVEL": "WARNING"}
        told |= {"ADDRESS": self.addresses.get(name, "127.0.0.1:0"), "THREADS": "8", "RECORDER_SOURCES": self._recorded}
        return spawn([sys.executable, "-m", module, *words], {"PATH": os.defpath, **told}, log)

    def _admit(self, name: str) -> None:
        """What identity would have announced: a key, a role that may do everything, a person who has it."""
        x = base64url_encode(self._key.public_key().public_bytes_raw()).decode()
        role_id, everything = ids.uuid7(), Jsonb([{"resource": "*", "scope": "all"}])
        with psycopg.connect(self.postgres.url(name)) as connection:
            connection.execute("INSERT INTO org_signing_key (kid, x, retired) VALUES ('test', %s, false)", [x])
            connection.execute(
                "INSERT INTO org_role (id, code, name, rights, scopes, deleted, version)"
                " VALUES (%s, 'all', 'all', '{*}', %s, false, 1)",
                [role_id, everything],
            )
            connection.execute(
                "INSERT INTO org_user (id, username, name, role_ids, grants, active, deleted, version)"
                " VALUES (%s, 'test', '测试员', %s::uuid[], '[]', true, false, 1)",
                [self.user_id, [role_id]],
            )


def _started(server: Postgres | Nats) -> Popen[bytes]:
    process = server.start()._process
    assert process is not None
    return process
