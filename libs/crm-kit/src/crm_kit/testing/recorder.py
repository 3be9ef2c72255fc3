"""A service that only writes down what it applies, for tests of delivery: `python -m crm_kit.testing.recorder work`.

Its table tells what arrived how often and in which order. It listens to RECORDER_SOURCES ("customer.customer …").
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    insert,
    select,
)

from crm.records.v1.event_pb2 import Event
from crm_kit import commands, ids, outbox
from crm_kit.service import Service
from crm_kit.settings import Settings
from crm_kit.testing.postgres import key_file

metadata = MetaData()

applied = Table(
    "applied",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
)

refused = Table("refused", metadata, Column("record_id", Text, primary_key=True))
"""Records whose events cannot be applied."""

narrow = Table("narrow", metadata, Column("value", Text, nullable=False))
"""Takes no value over 2,700 bytes: PostgreSQL's own refusal of an event."""
Index("ix_narrow_value", narrow.c.value)


def apply(connection: Connection, events: Sequence[Event]) -> None:
    """Write events down, unless told to refuse or to be slow."""
    bad = set(connection.scalars(select(refused.c.record_id)))
    for event in events:
        if event.record_id in bad:
            raise ValueError(f"{event.record_id} is refused\0")
        if event.action == "widened":
            connection.execute(insert(narrow).values(value=event.actor_name))
    rows = [{"event_id": e.id, "record_id": e.record_id, "version": e.version} for e in events]
    connection.execute(insert(applied), rows)
    _stall()


def _stall() -> None:
    """Between effect and commit, while the file named by RECORDER_STALL is there; says so beside it."""
    file = Path(os.environ.get("RECORDER_STALL", "/nonexistent"))
    while file.exists():
        file.with_suffix(".reached").touch()
        time.sleep(0.01)


def recorder(
    database_url: str, nats_url: str = "", sources: Sequence[str] = ("origin.thing",), keys: Path | None = None
) -> Service:
    """The service in this process, on a database of its own."""
    service = _service(sources)
    service.connect(Settings("recorder", database_url, nats_url, "127.0.0.1:0", "WARNING", 4, "", keys or key_file()))
    service.migrate()
    metadata.create_all(service.writer)
    return service


def run(*words: str, **environment: str) -> subprocess.Popen[bytes]:
    """The service in a process of its own."""
    command = [sys.executable, "-m", "crm_kit.testing.recorder", *words]
    return subprocess.Popen(command, env={"KEY_FILE": str(key_file()), **environment}, stdin=subprocess.DEVNULL)


def thing(record_id: str, version: int, action: str = "changed", actor_name: str = "") -> Event:
    """An event of the record type `thing` of the service `origin`."""
    event = Event(id=ids.uuid7(), record_type="thing", action=action, record_id=record_id, version=version)
    event.actor_name = actor_name
    event.time.GetCurrentTime()
    return event


def announce(connection: Connection, *events: Event) -> None:
    """Queue events as the service `origin`."""
    rows = [(e.id, f"crm.origin.{e.record_type}.{e.action}", e.SerializeToString()) for e in events]
    outbox.record(connection, rows)


def recorded(engine: Engine) -> list[tuple[str, int]]:
    """What was applied, in the order of its commits: (record id, version)."""
    with engine.connect() as connection:
        rows = connection.execute(select(applied.c.record_id, applied.c.version).order_by(applied.c.id))
        return [(row.record_id, row.version) for row in rows]


def disorder(versions: Iterable[tuple[str, int]]) -> str:
    """What is wrong with what was applied: empty where every record has versions 1, 2, 3 … once, in order."""
    seen: dict[str, int] = {}
    for record_id, version in versions:
        if version != seen.get(record_id, 0) + 1:
            return f"{record_id}: version {version} after {seen.get(record_id, 0)}"
        seen[record_id] = version
    return ""


def _service(sources: Sequence[str]) -> Service:
    return Service(
        name="recorder",
        contract="",
        servicers=lambda _service: {},
        handlers=dict.fromkeys(sources, apply),
        copies_organisation=False,
    )


if __name__ == "__main__":
    commands.run(_service(os.environ["RECORDER_SOURCES"].split()))
