"""Origin's outbox, a real NATS server and a recorder's inbox: the stage for tests of delivery."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nats
import psycopg
import pytest
from sqlalchemy import text

from crm.records.v1.event_pb2 import Event
from crm_cli.nats import Nats
from crm_cli.postgres import Postgres
from crm_kit.service import Service
from crm_kit.stream import STREAM
from crm_kit.testing.recorder import announce, disorder, metadata, recorded, recorder, run, thing
from crm_kit.testing.suite import eventually, free_ports
from crm_kit.work import Work


class Stage:
    """Origin's outbox, a NATS server, a recorder's inbox; workers in this process or in their own."""

    def __init__(self, postgres: Postgres, server: Nats, origin: Service, copy: Service, place: Path) -> None:
        self.postgres, self.nats, self.origin, self.copy, self.place = postgres, server, origin, copy, place
        self.ends = ExitStack()
        self._versions: dict[str, int] = {}
        self.announced = 0

    def announce(self, *record_ids: str, action: str = "changed") -> None:
        """The next version of each record, in one transaction."""
        events = []
        for record_id in record_ids:
            self._versions[record_id] = self._versions.get(record_id, 0) + 1
            events.append(thing(record_id, self._versions[record_id], action))
        with self.origin.writer.begin() as connection:
            announce(connection, *events)
        self.announced += len(events)

    def relay(self) -> Work:
        return self._started(Work(self.origin.writer, self.nats.url(), None))

    def reader(self) -> Work:
        return self._started(Work(self.copy.writer, self.nats.url(), self.copy.inbox(), relay=False))

    def settings(self, service: Service) -> dict[str, str]:
        url = service.settings.database_url
        told = {"DATABASE_URL": url, "NATS_URL": self.nats.url(), "ADDRESS": "127.0.0.1:0", "LOG_LEVEL": "ERROR"}
        return told | {"RECORDER_SOURCES": "origin.thing"}

    def process(self, service: Service, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        """A worker that can be killed."""
        process = run(*words, **self.settings(service) | environment)
        self.ends.callback(process.wait)
        self.ends.callback(process.kill)
        return process

    def _started(self, work: Work) -> Work:
        work.start()
        self.ends.callback(work.stop)
        return work

    def sql(self, service: Service, statement: str) -> list[Any]:
        with service.writer.begin() as connection:
            result = connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []

    def empty(self, service: Service) -> None:
        names = ["outbox", "inbox", "inbox_position", "dead_letter", *metadata.tables]
        self.sql(service, f"TRUNCATE {', '.join(names)} RESTART IDENTITY")

    def waiting(self) -> int:
        return int(self.sql(self.origin, "SELECT count(*) FROM outbox WHERE sent_time IS NULL")[0][0])

    def arrived(self) -> int:
        return len(recorded(self.copy.writer))

    def all_arrived(self, seconds: float = 60) -> bool:
        """Everything, once, in the order of its record, and nothing in the dead letters."""
        if not eventually(lambda: self.arrived() >= self.announced, seconds):
            return False
        assert self.arrived() == self.announced
        assert disorder(recorded(self.copy.writer)) == ""
        assert self.sql(self.copy, "SELECT reason FROM dead_letter") == []
        return True

    def lose_the_store(self) -> None:
        """The server is killed and has forgotten everything when it is back."""
        self.kill_nats()
        shutil.rmtree(self.nats.folder / "jetstream")
        self.nats.start()

    def kill_nats(self) -> None:
        process = self.nats._process
        assert process is not None
        process.kill()
        process.wait()

    def messages(self) -> list[tuple[str, int]]:
        """What the stream holds, in its order: (record id, version)."""

        async def read() -> list[tuple[str, int]]:
            client = await nats.connect(self.nats.url())
            stream = client.jetstream()
            last = (await stream.stream_info(STREAM)).state.last_seq
            found = [Event.FromString((await stream.get_msg(STREAM, n)).data or b"") for n in range(1, last + 1)]
            await client.close()
            return [(e.record_id, e.version) for e in found]

        return asyncio.run(read())


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("work") / "postgres", free_ports(1)[0], durable=False).start()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for name in ("origin", "copy"):
            connection.execute(f"CREATE DATABASE {name}")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def services(postgres: Postgres) -> Iterator[tuple[Service, Service]]:
    made = recorder(postgres.url("origin")), recorder(postgres.url("copy"))
    yield made
    for service in made:
        service.writer.dispose()


@pytest.fixture
def stage(postgres: Postgres, services: tuple[Service, Service], tmp_path: Path) -> Iterator[Stage]:
    server = Nats(tmp_path / "nats", free_ports(1)[0], durable=False).start()
    stage = Stage(postgres, server, *services, tmp_path)
    for service in services:
        stage.empty(service)
    with stage.ends:
        yield stage
    server.stop()
