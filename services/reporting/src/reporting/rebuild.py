"""`python -m reporting rebuild`: every read model made again from the events, from nothing.

Emptying is one transaction, which the running reader notices by itself and then reads the stream from its
beginning. This command stands by as a reader of its own, so that it works as well where no service runs.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time

import nats
from nats.js.errors import NotFoundError
from sqlalchemy import Connection, select, text

from crm_kit import inbox
from crm_kit.inbox_tables import position
from crm_kit.service import Service
from crm_kit.stream import STREAM
from crm_kit.work import Work
from reporting import tables

LOOK, SAY = 0.25, 5.0
"""Seconds between two looks at how far it is, and between two lines that say so."""


def run(service: Service) -> None:
    """Empty the read models and wait until they are full again."""
    stop = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stop.set())
    rebuild(service, stop)


def rebuild(service: Service, stop: threading.Event) -> None:
    """The same, ended early by `stop`: a running service goes on with it."""
    began = said = time.monotonic()
    newest = asyncio.run(_newest(service.settings.nats_url))
    with service.writer.begin() as connection:
        empty(connection)
    reader = Work(service.writer, service.settings.nats_url, service.inbox(), relay=False, tells_freshness=True)
    reader.start()
    try:
        while not stop.wait(LOOK):
            with service.reader.connect() as connection:
                sequence, done = _progress(connection, newest)
            if done:
                _say(f"{newest} events read in {time.monotonic() - began:.1f} s")
                return
            if time.monotonic() - said > SAY:
                said = time.monotonic()
                _say(f"{sequence} of {newest} events read")
        _say("ended before it was complete; a running service goes on with it")
    finally:
        reader.stop()


def empty(connection: Connection) -> None:
    """Nothing is known, nothing was read; the copy of the organisation stays, so that people stay signed in."""
    inbox.forget(connection, STREAM)
    connection.execute(text(f"TRUNCATE {', '.join(t.name for t in tables.metadata.sorted_tables)}"))


def _progress(connection: Connection, newest: int) -> tuple[int, bool]:
    """How far it is, and whether that is all: what comes after `newest` is ordinary work."""
    p = position.c
    row = connection.execute(select(p.last_seq, p.caught_up_time).where(p.stream == STREAM)).one_or_none()
    if row is None:
        return 0, newest == 0
    return row.last_seq, row.last_seq >= newest or row.caught_up_time is not None


async def _newest(url: str) -> int:
    """The sequence of the stream's newest event."""
    client = await nats.connect(url, connect_timeout=5, max_reconnect_attempts=1)
    try:
        return (await client.jetstream().stream_info(STREAM)).state.last_seq
    except NotFoundError:
        return 0
    finally:
        await client.close()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
