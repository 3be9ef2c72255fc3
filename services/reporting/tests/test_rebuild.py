"""From nothing, out of a real stream: what is rebuilt equals what was there, whoever is reading meanwhile."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crm.identity.v1.keys_pb2 import SigningKey
from crm.records.v1.event_pb2 import Event
from crm_cli.nats import Nats
from crm_kit import ids
from crm_kit.stream import Stream
from crm_kit.testing import Server, event
from crm_kit.work import Work
from reporting.rebuild import rebuild

pytestmark = pytest.mark.feature("RPT-01")


@pytest.fixture(scope="module")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder: Path = tmp_path_factory.mktemp("nats")
    server = Nats(folder, port, durable=False).start()
    yield server.url()
    server.stop()


def send(url: str, source: str, told: Sequence[Event]) -> None:
    async def publish() -> None:
        stream = Stream()
        await stream.connect(url)
        await stream.publish([(e.id, f"crm.{source}.{e.record_type}.{e.action}", e.SerializeToString()) for e in told])
        await stream.close()

    asyncio.run(publish())


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def changes(company: Any, seed: int, versions: Sequence[int]) -> list[Event]:
    """Opportunities that change a few times, one after another."""
    chance = random.Random(seed)
    told = []
    for _ in range(60):
        made = company.opportunity(chance)
        for version in versions:
            told.append(event(made, "updated", version))
            again = company.opportunity(chance)
            again.id = made.id
            made = again
    return told


@pytest.mark.parametrize("served", [True, False], ids=["beside a running service", "alone"])
def test_rebuilt_figures_equal_the_running_ones(
    server: Server, company: Any, snapshot: Any, nats_url: str, monkeypatch: pytest.MonkeyPatch, served: bool
) -> None:
    service = server.service
    monkeypatch.setattr(service, "settings", replace(service.settings, nats_url=nats_url))
    server.sql("DELETE FROM inbox_position")
    for table in ("dim_product", "dim_pipeline", "dim_stage", "fact_customer"):  # the stream does not know them
        server.sql(f'DELETE FROM "{table}"')
    told = changes(company, 41, [1, 2, 3])
    send(nats_url, "sales", told)
    running = Work(service.writer, nats_url, service.inbox(), relay=False, tells_freshness=True)
    running.start()

    def applied() -> int:
        return int(server.sql("SELECT count(*) FROM inbox WHERE event_id = ANY(CAST(:ids AS uuid[]))", ids=sent)[0][0])

    sent = [e.id for e in told]
    wait_until(lambda: applied() == len(sent))
    before = snapshot()
    assert len(before["fact_opportunity"]) >= 60
    if not served:
        running.stop()
    server.sql("UPDATE fact_opportunity SET won_amount = 1, version = 999")
    server.sql("INSERT INTO dim_product VALUES (gen_random_uuid(), 'from nowhere', 1)")

    rebuild(service, threading.Event())

    wait_until(lambda: applied() == len(sent))
    assert snapshot() == before
    more = changes(company, 42, [1])
    send(nats_url, "sales", more)
    sent = [e.id for e in told + more]
    if served:
        wait_until(lambda: applied() == len(sent))
        assert len(snapshot()["fact_opportunity"]) == len(before["fact_opportunity"]) + len(more)
        running.stop()


def test_a_retired_key_stays_retired_while_the_stream_is_read_again(server: Server) -> None:
    def told(retired: bool) -> Event:
        made = Event(id=ids.uuid7(), record_type="signing_key", action="published", record_id="k1", version=1)
        made.record.Pack(SigningKey(kid="k1", x="AAAA", retired=retired))
        return made

    server.deliver("identity", told(False), told(True))
    server.deliver("identity", told(False))

    assert server.sql("SELECT retired FROM org_signing_key WHERE kid = 'k1'") == [(True,)]


def test_a_rebuild_that_is_interrupted_leaves_the_rest_to_the_service(
    server: Server, company: Any, nats_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service = server.service
    monkeypatch.setattr(service, "settings", replace(service.settings, nats_url=nats_url))
    at_once = threading.Event()
    at_once.set()

    rebuild(service, at_once)

    assert "ended before it was complete" in capsys.readouterr().out
    assert server.sql("SELECT caught_up_time FROM inbox_position WHERE last_seq = 0") in ([], [(None,)])
