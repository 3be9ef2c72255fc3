"""Background work of a service: the relay that sends its events, the reader that applies the others'.

One thread with its own event loop, because nats-py is asyncio. Several processes may run it: the one that
holds the service's advisory lock works, the others stand by.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

from sqlalchemy import Connection, Engine, text

from crm.records.v1.event_pb2 import Event
from crm_kit import idempotency, inbox, logs, metrics, organisation, outbox, sweeping
from crm_kit.inbox import Inbox
from crm_kit.stream import BATCH, STREAM, Stream

__all__ = ["STREAM", "Leader", "Work"]

log = logging.getLogger("work")

IDLE = 0.5
"""Seconds between looks at an outbox that nobody woke us for (another process wrote to it)."""

BREATH = 0.1
"""Seconds between two batches, so that under load events go together: a transaction costs more than an event."""


class Leader:
    """Holds an advisory lock of the service's database on a connection of its own."""

    def __init__(self, engine: Engine, key: int) -> None:
        self._engine, self._key = engine, key
        self._connection: Connection | None = None

    def holds(self) -> bool:
        """Whether this process is the one that works; takes the lock when it is free."""
        try:
            if self._connection is not None:
                self._connection.execute(text("SELECT 1"))
                return True
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}):
                self._connection = connection
                return True
            connection.close()
            return False
        except Exception:
            self.release()
            raise

    def release(self) -> None:
        """Give the lock back by closing its connection."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


class Work:
    """Relay and reader of one service."""

    def __init__(
        self,
        engine: Engine,
        nats_url: str,
        the_inbox: Inbox | None,
        *,
        relay: bool = True,
        tells_freshness: bool = False,
        swept: sweeping.Finish | None = None,
    ) -> None:
        self._engine, self._nats_url, self._inbox = engine, nats_url, the_inbox
        self._relays, self._tells_freshness, self._swept = relay, tells_freshness, swept
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()
        self._connecting = asyncio.Lock()
        self._stream: Stream | None = None
        self._thread = threading.Thread(target=self._run, name="work", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def wake(self) -> None:
        """An event was committed: send it now. From any thread."""
        self._loop.call_soon_threadsafe(self._woken.set)

    def stop(self, timeout: float = 8.0) -> None:
        """Finish what is under way and end."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._loop.call_soon_threadsafe(self._woken.set)
        self._thread.join(timeout)

    def _run(self) -> None:
        _let_others_finish()
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())

    async def _main(self) -> None:
        tasks = [self._sweeping()]
        if self._relays:
            tasks.append(self._forever("relay", 1, self._relay))
        if self._inbox is not None:
            tasks.append(self._forever("reader", 2, self._read))
        await asyncio.gather(*tasks)
        if self._stream is not None:
            await self._stream.close()

    async def _connected(self) -> Stream:
        """The connection of both loops; a new one where the last one broke."""
        async with self._connecting:
            if self._stream is None or self._stream.broken:
                self._stream = None
                stream = Stream()
                await stream.connect(self._nats_url)
                self._stream = stream
            return self._stream

    async def _forever(
        self, name: str, lock: int, step: Callable[[Stream, Callable[[], bool]], Awaitable[None]]
    ) -> None:
        """Run a loop that may fail for reasons outside (NATS or PostgreSQL away) until told to stop."""
        leader = Leader(self._engine, 0x43524D00 + lock)
        said = ""
        while not self._stopping.is_set():
            try:
                if await asyncio.to_thread(leader.holds):
                    await step(await self._connected(), leader.holds)
                    said = ""
                else:
                    await self._pause(0.5)
            except Exception as error:
                what = logs.said(error)
                if what != said:
                    log.warning("%s: %s", name, what)
                    said = what
                await self._pause(0.25)
        await asyncio.to_thread(leader.release)

    async def _relay(self, stream: Stream, leads: Callable[[], bool]) -> None:
        """Send what waits until something goes wrong or we are told to stop."""
        await self._send_again_what_is_lost(stream)
        checked, sweeps = time.monotonic(), self._swept is not None
        while not self._stopping.is_set():
            self._woken.clear()
            if await self._send(stream) == BATCH:
                continue
            if sweeps and self._swept:
                sweeps = await sweeping.go_on(self._engine, stream, self._swept)
            await self._pause(BREATH)
            if not sweeps:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), IDLE)
            if time.monotonic() - checked > 5:
                checked = time.monotonic()
                if not await asyncio.to_thread(leads):
                    return
                await self._send_again_what_is_lost(stream)
                sweeps = self._swept is not None

    async def _send(self, stream: Stream) -> int:
        """Send a batch and keep what was acknowledged."""

        def waiting() -> Sequence[outbox.Waiting]:
            with self._engine.begin() as connection:
                return outbox.waiting(connection, BATCH)

        def mark(acknowledged: list[tuple[int, int]]) -> None:
            with self._engine.begin() as connection:
                outbox.mark_sent(connection, acknowledged)

        rows = await asyncio.to_thread(waiting)
        acknowledged: list[tuple[int, int]] = []
        failure: BaseException | None = None
        for run in _runs(rows):
            answers = await stream.publish([row[1:] for row in run])
            for row, answer in zip(run, answers, strict=True):
                if isinstance(answer, int):
                    acknowledged.append((row[0], answer))
                else:
                    failure = answer
            if failure:
                break
        if acknowledged:
            await asyncio.to_thread(mark, acknowledged)
            metrics.EVENTS_SENT.inc(len(acknowledged))
        if failure:
            raise failure
        return len(rows)

    async def _send_again_what_is_lost(self, stream: Stream) -> None:
        """If the stream lost its store or was rolled back, what it had acknowledged is sent again."""

        def newest() -> tuple[int, str] | None:
            with self._engine.begin() as connection:
                return outbox.last_acknowledged(connection)

        def again() -> int:
            with self._engine.begin() as connection:
                return outbox.send_again(connection)

        last = await asyncio.to_thread(newest)
        if last and await stream.event_id_at(last[0]) != last[1]:
            log.warning("the stream lost event %d: sending %d again", last[0], await asyncio.to_thread(again))

    async def _read(self, stream: Stream, leads: Callable[[], bool]) -> None:
        """Apply events from our position on until something goes wrong or we are told to stop."""
        assert self._inbox is not None
        position = await asyncio.to_thread(self._inbox.position)
        if position.sequence and not await stream.is_ours(position.sequence, position.mark):
            log.warning("the stream is not the one we read up to %d: reading it again", position.sequence)
            position = await asyncio.to_thread(self._inbox.start_over)
        reading = await stream.read(position.sequence, self._inbox.subjects)
        try:
            while not self._stopping.is_set():
                if batch := await reading.next():
                    await asyncio.to_thread(self._inbox.apply, batch)
                    await self._pause(BREATH)
                    continue
                if not await asyncio.to_thread(leads):
                    return
                if self._tells_freshness:
                    await asyncio.to_thread(self._inbox.caught_up)
        finally:
            await reading.close()

    async def _sweeping(self) -> None:
        """Forget once an hour what nobody needs any more."""

        def sweep() -> None:
            with self._engine.begin() as connection:
                outbox.sweep(connection)
                inbox.sweep(connection)
                idempotency.sweep(connection)
                organisation.sweep(connection)

        while not self._stopping.is_set():
            await self._pause(3600)
            if not self._stopping.is_set():
                try:
                    await asyncio.to_thread(sweep)
                except Exception as error:
                    log.warning("sweep: %s", logs.said(error))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def _let_others_finish() -> None:
    """Take the processor in turn with everybody, but from nobody who is at work, in this thread and those it starts.

    Events that arrive would otherwise stop, a few at a time, the import that makes them and the answer to a request.
    """
    if hasattr(os, "SCHED_BATCH"):  # Linux
        with contextlib.suppress(PermissionError):  # a container may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _runs(rows: Sequence[outbox.Waiting]) -> Iterator[list[outbox.Waiting]]:
    """In order, cut before every second event of a record: it leaves when the first one has arrived.

    Of several events under way the first may fail and the second arrive; of one record that must never happen.
    """
    run: list[outbox.Waiting] = []
    records: set[str] = set()
    for row in rows:
        record_id = Event.FromString(row[3]).record_id
        if record_id in records:
            yield run
            run, records = [], set()
        run.append(row)
        records.add(record_id)
    if run:
        yield run
