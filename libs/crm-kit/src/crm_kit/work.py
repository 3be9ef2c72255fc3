"""Background work of a service: the relay that sends its events, the reader that applies the others'.

One thread with its own event loop, because nats-py is asyncio. Several processes may run it: the one that
holds the service's advisory lock works, the others stand by.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StorageType, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError
from sqlalchemy import Connection, Engine, text

from crm_kit import idempotency, inbox, metrics, outbox
from crm_kit.inbox import Delivery, Inbox

log = logging.getLogger("work")

STREAM = "CRM"
BATCH = 256
PUBLISH_TIMEOUT = 5.0
IDLE = 0.5
"""Seconds between looks at an outbox that nobody woke us for (another process wrote to it)."""


class LostTrack(Exception):
    """The reader saw a gap: read on from the position in the database."""


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
    ) -> None:
        self._engine, self._nats_url, self._inbox = engine, nats_url, the_inbox
        self._relays, self._tells_freshness = relay, tells_freshness
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()
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
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())

    async def _main(self) -> None:
        client = await self._connect()
        if client is None:
            return
        tasks = [self._sweeping()]
        if self._relays:
            tasks.append(self._forever("relay", 1, client, self._relay))
        if self._inbox is not None:
            tasks.append(self._forever("reader", 2, client, self._read))
        await asyncio.gather(*tasks)
        await client.close()

    async def _connect(self) -> Client | None:
        """Connect however long it takes; afterwards the client reconnects for ever by itself."""
        while not self._stopping.is_set():
            try:
                return await nats.connect(
                    self._nats_url,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.25,
                    ping_interval=10,
                    error_cb=_quiet,
                    disconnected_cb=_quietly("disconnected from NATS"),
                    reconnected_cb=_quietly("connected to NATS again"),
                )
            except Exception as error:
                log.warning("NATS is not there: %s", error)
                await self._pause(0.5)
        return None

    async def _forever(
        self,
        name: str,
        lock: int,
        client: Client,
        step: Callable[[JetStreamContext, Callable[[], bool]], Awaitable[None]],
    ) -> None:
        """Run a loop that may fail for reasons outside (NATS or PostgreSQL away) until told to stop."""
        leader = Leader(self._engine, 0x43524D00 + lock)
        said = ""
        while not self._stopping.is_set():
            try:
                if await asyncio.to_thread(leader.holds):
                    stream = client.jetstream(timeout=PUBLISH_TIMEOUT)
                    await _ensure_stream(stream)
                    await step(stream, leader.holds)
                    said = ""
                else:
                    await self._pause(0.5)
            except Exception as error:
                what = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                if what != said:
                    log.warning("%s: %s", name, what)
                    said = what
                await self._pause(0.25)
        await asyncio.to_thread(leader.release)

    async def _relay(self, stream: JetStreamContext, leads: Callable[[], bool]) -> None:
        """Send what waits until something goes wrong or we are told to stop."""
        await self._send_again_what_is_lost(stream)
        checked = time.monotonic()
        while not self._stopping.is_set():
            self._woken.clear()
            if await self._send(stream) == BATCH:
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), IDLE)
            if time.monotonic() - checked > 5:
                checked = time.monotonic()
                if not await asyncio.to_thread(leads):
                    return
                await self._send_again_what_is_lost(stream)

    async def _send(self, stream: JetStreamContext) -> int:
        def waiting() -> list[tuple[int, str, str, bytes]]:
            with self._engine.begin() as connection:
                return list(outbox.waiting(connection, BATCH))

        def mark(acknowledged: list[tuple[int, int]]) -> None:
            with self._engine.begin() as connection:
                outbox.mark_sent(connection, acknowledged)

        rows = await asyncio.to_thread(waiting)
        if not rows:
            return 0
        futures = [
            await stream.publish_async(subject, payload, headers={"Nats-Msg-Id": event_id})
            for _, event_id, subject, payload in rows
        ]
        acks = await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), PUBLISH_TIMEOUT)
        # A later event may have been stored though an earlier one was not: order per record is only sure if
        # nothing after the first failure counts as sent.
        acknowledged: list[tuple[int, int]] = []
        failure: BaseException | None = None
        for row, ack in zip(rows, acks, strict=True):
            if isinstance(ack, BaseException):
                failure = ack
                break
            acknowledged.append((row[0], ack.seq))
        if acknowledged:
            await asyncio.to_thread(mark, acknowledged)
            metrics.EVENTS_SENT.inc(len(acknowledged))
        if failure:
            raise failure
        return len(rows)

    async def _send_again_what_is_lost(self, stream: JetStreamContext) -> None:
        """If the stream lost its store or was rolled back, what it had acknowledged is sent again."""

        def newest() -> tuple[int, str] | None:
            with self._engine.begin() as connection:
                return outbox.last_acknowledged(connection)

        def again() -> int:
            with self._engine.begin() as connection:
                return outbox.send_again(connection)

        last = await asyncio.to_thread(newest)
        if last and await _event_id_at(stream, last[0]) != last[1]:
            log.warning("the stream lost event %d: sending %d again", last[0], await asyncio.to_thread(again))

    async def _read(self, stream: JetStreamContext, leads: Callable[[], bool]) -> None:
        """Apply events from our position on until something goes wrong or we are told to stop."""
        assert self._inbox is not None
        position = await asyncio.to_thread(self._inbox.position)
        if position.sequence and await _event_id_at(stream, position.sequence) != position.event_id:
            log.warning("the stream is not the one we read up to %d: reading it again", position.sequence)
            position = await asyncio.to_thread(self._inbox.start_over)
        consumer = await stream.add_consumer(
            STREAM,
            ConsumerConfig(
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=position.sequence + 1,
                ack_policy=AckPolicy.NONE,
                filter_subjects=self._inbox.subjects,
                inactive_threshold=60,
                mem_storage=True,
            ),
        )
        subscription = await stream.pull_subscribe_bind(consumer.name, STREAM)
        expected = 1
        try:
            while not self._stopping.is_set():
                try:
                    messages = await subscription.fetch(BATCH, timeout=1)
                except NatsTimeout:
                    await subscription.consumer_info()  # fails where the server forgot the consumer
                    if not await asyncio.to_thread(leads):
                        return
                    if self._tells_freshness:
                        await asyncio.to_thread(self._inbox.caught_up)
                    continue
                for message in messages:
                    if message.metadata.sequence.consumer != expected:
                        raise LostTrack(f"expected message {expected}, got {message.metadata.sequence.consumer}")
                    expected += 1
                batch = [_delivery(message) for message in messages]
                await asyncio.to_thread(self._inbox.apply, batch)
        finally:
            await subscription.unsubscribe()

    async def _sweeping(self) -> None:
        """Forget once an hour what nobody needs any more."""

        def sweep() -> None:
            with self._engine.begin() as connection:
                outbox.sweep(connection)
                inbox.sweep(connection)
                idempotency.sweep(connection)

        while not self._stopping.is_set():
            await self._pause(3600)
            if not self._stopping.is_set():
                try:
                    await asyncio.to_thread(sweep)
                except Exception as error:
                    log.warning("sweep: %s", error)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


async def _ensure_stream(stream: JetStreamContext) -> None:
    """The one stream of the suite. Kept without limit: read models are rebuilt from it."""
    try:
        await stream.stream_info(STREAM)
    except NotFoundError:
        await stream.add_stream(
            StreamConfig(name=STREAM, subjects=["crm.>"], storage=StorageType.FILE, duplicate_window=120)
        )


async def _event_id_at(stream: JetStreamContext, sequence: int) -> str | None:
    """The id of the event that the stream holds at a sequence."""
    try:
        message = await stream.get_msg(STREAM, seq=sequence)
    except NotFoundError:
        return None
    return (message.headers or {}).get("Nats-Msg-Id")


def _delivery(message: Msg) -> Delivery:
    headers = message.headers or {}
    return Delivery(message.metadata.sequence.stream, headers.get("Nats-Msg-Id", ""), message.subject, message.data)


async def _quiet(_error: Exception) -> None:
    """Connection errors show in what fails because of them; nats-py would print each with a trace."""


def _quietly(message: str) -> Callable[[], Awaitable[None]]:
    async def say() -> None:
        log.warning(message)

    return say
