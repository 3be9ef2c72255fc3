"""The one stream of the suite, kept by NATS, over a connection that is used until it breaks.

A broken connection is never mended: what was on its way in it must not arrive later, behind what was sent again,
or in a stream that has meanwhile lost what came before. Whoever works with it connects anew and starts from what
its database says, however often.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError
from nats.errors import TimeoutError as NatsTimeout
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, Header, PubAck, StorageType, StreamConfig, StreamInfo
from nats.js.errors import NotFoundError

from crm_kit.delivery import Delivery

log = logging.getLogger("work")

STREAM = "CRM"
BATCH = 256
AT_ONCE = 32
"""Messages that are taken out together."""
PATIENCE = 5.0
"""Seconds that the stream is given to answer."""


class LostTrack(Exception):
    """The reader saw a gap: read on from the position in the database."""


class Stream:
    """The stream over one connection."""

    def __init__(self) -> None:
        self._client = Client()
        self._broken = asyncio.Event()
        self.born = ""
        self._jetstream = self._client.jetstream(timeout=PATIENCE)

    async def connect(self, url: str) -> None:
        """Connect once and make the stream where there is none."""
        await self._client.connect(
            url,
            allow_reconnect=False,
            connect_timeout=5,
            ping_interval=10,
            error_cb=_quiet,
            closed_cb=self._closed,
        )
        try:
            self.born = str((await self._info()).created)
        except BaseException:
            await self.close()
            raise

    async def _info(self) -> StreamInfo:
        try:
            return await self._jetstream.stream_info(STREAM)
        except NotFoundError:
            # Kept without limit: read models are rebuilt from it.
            return await self._jetstream.add_stream(
                StreamConfig(name=STREAM, subjects=["crm.>"], storage=StorageType.FILE, duplicate_window=120)
            )

    @property
    def broken(self) -> bool:
        return self._broken.is_set()

    async def close(self) -> None:
        self._broken.set()
        await self._client.close()

    async def event_id_at(self, sequence: int) -> str | None:
        """The id of the event that the stream holds at a sequence."""
        try:
            message = await self._jetstream.get_msg(STREAM, seq=sequence)
        except NotFoundError:
            return None
        return (message.headers or {}).get(Header.MSG_ID, "")

    async def is_ours(self, sequence: int, mark: str | None) -> bool:
        """Whether this is the stream in which the message at a sequence had this mark.

        Another stream may hold the same event there, or another event. Where the message was taken out, the time at
        which the stream was made tells, and that the stream has come that far.
        """
        event_id = await self.event_id_at(sequence)
        if event_id is not None:
            return self.mark(event_id) == mark
        info = await self._info()
        return sequence <= info.state.last_seq and (mark or "").endswith(f" {info.created}")

    def mark(self, event_id: str) -> str:
        return f"{event_id} {self.born}"

    async def publish(self, events: Sequence[tuple[str, str, bytes]]) -> list[int | BaseException]:
        """Send (event id, subject, payload) in one go: the sequence of each, or why it may not have arrived."""
        futures = [
            await self._jetstream.publish_async(subject, payload, headers={Header.MSG_ID: event_id})
            for event_id, subject, payload in events
        ]
        if futures:
            await self._until(asyncio.ensure_future(asyncio.wait(futures)), PATIENCE)
        nothing = ConnectionClosedError() if self.broken else NatsTimeout()
        return [nothing if future.cancel() else _answer(future) for future in futures]

    async def look(
        self, after: int, subjects: list[str], holds: Callable[[str, bytes], bool], seconds: float
    ) -> tuple[list[int], int, bool]:
        """Search behind a sequence for about so long: what was found, up to where, and whether that was all."""
        found: list[int] = []
        until = time.monotonic() + seconds
        reading = await self.read(after, subjects, linger=0.05)
        try:
            while time.monotonic() < until:
                deliveries = await reading.next()
                if not deliveries and not await reading.left():
                    return found, after, True
                found += [d.sequence for d in deliveries if holds(d.subject, d.payload)]
                after = max([after, *(d.sequence for d in deliveries)])
            return found, after, False
        finally:
            await reading.close()

    async def erase(self, sequences: Sequence[int], holds: Callable[[str, bytes], bool]) -> None:
        """Take messages out and overwrite where they lay, those that are there and of which `holds` is true."""
        for start in range(0, len(sequences), AT_ONCE):
            await asyncio.gather(*(self._erase(n, holds) for n in sequences[start : start + AT_ONCE]))

    async def _erase(self, sequence: int, holds: Callable[[str, bytes], bool]) -> None:
        try:
            message = await self._jetstream.get_msg(STREAM, seq=sequence)
        except NotFoundError:
            return
        if holds(message.subject or "", message.data or b""):
            await self._jetstream.delete_msg(STREAM, sequence)  # overwrites: `no_erase` is not set

    async def read(self, after: int, subjects: list[str], linger: float = 1.0) -> Reading:
        """Events of these subjects behind a sequence. `linger`: see `Reading`."""
        consumer = await self._jetstream.add_consumer(
            STREAM,
            ConsumerConfig(
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=after + 1,
                ack_policy=AckPolicy.NONE,
                filter_subjects=subjects,
                inactive_threshold=60,
                mem_storage=True,
            ),
        )
        return Reading(self, consumer.name, linger)

    async def _until(self, done: asyncio.Future[Any], seconds: float) -> None:
        """Wait until it is done, the time is over or the connection breaks; then it is cancelled."""
        broken = asyncio.ensure_future(self._broken.wait())
        await asyncio.wait((done, broken), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        broken.cancel()
        done.cancel()

    async def _closed(self) -> None:
        if not self.broken:
            log.warning("the connection to NATS broke")
        self._broken.set()


class Reading:
    """Events as they come: whoever asks gets what is there and never waits for a batch to fill.

    `linger` is for how many seconds the server keeps a request open for events to come.
    """

    def __init__(self, stream: Stream, consumer: str, linger: float) -> None:
        self._stream, self._client, self._consumer, self._linger = stream, stream._client, consumer, linger
        self._inbox = self._client.new_inbox()
        self._arrived: asyncio.Queue[Msg] = asyncio.Queue()
        self._subscription: Subscription | None = None
        self._asked = self._seen = 0

    async def next(self) -> list[Delivery]:
        """At most a batch; nothing where nothing came in time. Fails where the server forgot the consumer."""
        if self._subscription is None:
            self._subscription = await self._client.subscribe(self._inbox, cb=self._arrived.put)
        if not self._asked:
            wanted = {"batch": BATCH, "expires": int(self._linger * 1e9)}
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{self._consumer}"
            await self._client.publish(subject, json.dumps(wanted).encode(), reply=self._inbox)
            self._asked = BATCH
        messages = await self._arriving()
        deliveries = [self._delivery(message) for message in messages if not self._ends_request(message)]
        if not deliveries:
            await self._stream._jetstream.consumer_info(STREAM, self._consumer)
        return deliveries

    async def left(self) -> int:
        """How many events are there that were not handed out yet."""
        return (await self._stream._jetstream.consumer_info(STREAM, self._consumer)).num_pending or 0

    async def close(self) -> None:
        """Nobody will ask any more; the server forgets the consumer by itself."""
        if self._subscription is not None and not self._stream.broken:
            await self._subscription.unsubscribe()

    async def _arriving(self) -> list[Msg]:
        first = asyncio.ensure_future(self._arrived.get())
        await self._stream._until(first, self._linger + 1)
        if not first.done():
            self._asked = 0
            return []
        messages = [first.result()]
        while len(messages) < BATCH and not self._arrived.empty():
            messages.append(self._arrived.get_nowait())
        return messages

    def _ends_request(self, message: Msg) -> bool:
        """Whether the server says that the request is over; else it is the next event."""
        if (message.headers or {}).get(Header.STATUS):
            self._asked = 0
            return True
        self._asked -= 1
        self._seen += 1
        if message.metadata.sequence.consumer != self._seen:
            raise LostTrack(f"expected message {self._seen}, got {message.metadata.sequence.consumer}")
        return False

    def _delivery(self, message: Msg) -> Delivery:
        mark = self._stream.mark((message.headers or {}).get(Header.MSG_ID, ""))
        return Delivery(message.metadata.sequence.stream, mark, message.subject, message.data)


def _answer(future: asyncio.Future[PubAck]) -> int | BaseException:
    return future.exception() or future.result().seq


async def _quiet(_error: Exception) -> None:
    """Connection errors show in what fails because of them; nats-py would print each with a trace."""
