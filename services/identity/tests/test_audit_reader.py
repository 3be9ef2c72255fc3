"""The trail as it is kept in operation: by `python -m identity work`, over a real NATS, killed in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm_cli.nats import Nats
from crm_kit import ids, outbox
from crm_kit.testing import Server, event
from crm_kit.testing.suite import eventually, free_ports
from identity.audit import anchors
from identity.audit.verify import Stored, check

pytestmark = pytest.mark.feature("IDN-09")

EVENTS = 2500


@pytest.fixture
def worker(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], subprocess.Popen]]:
    """Starts a process that relays identity's events and reads everybody's."""
    nats = Nats(tmp_path / "nats", free_ports(1)[0], durable=False).start()
    monkeypatch.setenv("AUDIT_ANCHORS", str(tmp_path / "anchors.jsonl"))
    settings = server.service.settings
    told = {"DATABASE_URL": settings.database_url, "NATS_URL": nats.url(), "KEY_FILE": str(settings.key_file)}
    environment = {**os.environ, **told}
    started: list[subprocess.Popen] = []

    def start() -> subprocess.Popen:
        command = [sys.executable, "-m", "identity", "work"]
        started.append(subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
    nats.stop()


def test_a_reader_that_is_killed_leaves_a_whole_trail_in_the_order_of_the_stream(server, worker):
    told = [event(Customer(id=ids.uuid7(), name=f"客户{i}"), "created") for i in range(EVENTS)]
    rows = [(e.id, f"crm.{'sales' if i % 3 else 'customer'}.customer.created", e) for i, e in enumerate(told)]
    with server.service.writer.begin() as connection:
        outbox.record(connection, [(i, subject, e.SerializeToString()) for i, subject, e in rows])

    def arrived() -> int:
        return int(server.sql("SELECT count(*) FROM audit_entry")[0][0])

    first = worker()
    assert eventually(lambda: arrived() >= 100, 120)
    first.kill()
    first.wait()
    before = arrived()
    worker()
    assert eventually(lambda: arrived() >= EVENTS, 120)
    assert eventually(lambda: any(a.seq == EVENTS for some in anchors.read() for a in some), 60)

    kept = server.sql("SELECT id, service FROM audit_entry ORDER BY seq")
    assert before < EVENTS
    assert [(r.id, r.service) for r in kept] == [(i, subject.split(".")[1]) for i, subject, _ in rows]
    with server.service.reader.connect() as connection:
        found = check(Stored(connection), anchors.read)
    assert (found.entries, found.broken) == (EVENTS, None)
    assert server.sql("SELECT count(*) FROM dead_letter")[0][0] == 0
