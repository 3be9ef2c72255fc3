"""Events that are taken out of the stream again, because what they hold was erased where it lives.

A sweep says which events of this service are to go: earlier versions of records, and events that mention something. It
is noted in the transaction of the erasure, and made ready when whoever must have read these events has read them. Then
they go from the outbox, so that a stream that is lost is not filled with them again, and piece by piece from the
stream: looked for, noted, overwritten. Whoever is killed goes on from what the database says; a message that is gone
already stays gone, and a stream that is another one now is searched from its beginning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Engine,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from crm.records.v1.event_pb2 import Event
from crm_kit import outbox
from crm_kit.stream import Stream

metadata = MetaData()

PIECE = 0.5
"""Seconds that one piece of a search may take before the service's own events are looked after again."""

stream_sweep = Table(
    "stream_sweep",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("what", JSONB, nullable=False),
    Column("note", LargeBinary, nullable=False),
    Column("ready", Boolean, nullable=False, server_default="false"),
    Column("stream", Text, nullable=False, server_default=""),
    Column("position", BigInteger, nullable=False, server_default="0"),
    # Sequences that were found and not overwritten yet, and how many were.
    Column("found", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("removed", BigInteger, nullable=False, server_default="0"),
)


@dataclass(slots=True)
class Wanted:
    """Which events of one kind of record are to go."""

    below: dict[str, int] = field(default_factory=dict)
    """Record id → the first version that stays."""
    mentions: list[str] = field(default_factory=list)
    """Texts that an event must not hold anywhere."""

    def holds(self, payload: bytes) -> bool:
        """Whether an event is to go."""
        if any(word.encode() in payload for word in self.mentions):
            return True
        event = Event.FromString(payload)
        return event.version < self.below.get(event.record_id, 0)


@dataclass(slots=True)
class Sweep:
    """What is to go from the stream, and how far that is."""

    id: str
    what: dict[str, Wanted]
    """By `service.record_type`."""
    note: bytes
    """What whoever asked for it needs to know when it is done."""
    stream: str
    position: int
    found: list[int]
    removed: int

    def holds(self, subject: str, payload: bytes) -> bool:
        """Whether a message is to go."""
        wanted = self.what.get(_source(subject))
        return wanted is not None and wanted.holds(payload)


Finish = Callable[[Sweep], None]
"""Does what is to be done in the service's database when a sweep is through, and drops the sweep with it."""


def note(connection: Connection, sweep_id: str, what: Mapping[str, Wanted], about: bytes) -> None:
    """Note what is to go, by `service.record_type`. It waits until it is ready; a sweep of the same id begins anew."""
    said = {source: {"below": w.below, "mentions": w.mentions} for source, w in what.items()}
    fresh = {"ready": False, "stream": "", "position": 0, "found": [], "removed": 0}
    row = {"what": said, "note": about, **fresh}
    statement = insert(stream_sweep).values(id=sweep_id, **row)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))


def make_ready(connection: Connection, sweep_id: str) -> None:
    """Everybody who must has read the events: they leave the outbox now, and the stream soon."""
    row = connection.execute(select(stream_sweep).where(stream_sweep.c.id == sweep_id)).one_or_none()
    if row is not None:
        sweep = _sweep(row)
        outbox.drop(connection, list(sweep.what), sweep.holds)
        connection.execute(update(stream_sweep).where(stream_sweep.c.id == sweep_id).values(ready=True))


def drop(connection: Connection, sweep_id: str) -> None:
    """It is through."""
    connection.execute(delete(stream_sweep).where(stream_sweep.c.id == sweep_id))


def ready(connection: Connection) -> Sweep | None:
    """The oldest sweep that is ready."""
    query = select(stream_sweep).where(stream_sweep.c.ready).order_by(stream_sweep.c.create_time, stream_sweep.c.id)
    row = connection.execute(query.limit(1)).one_or_none()
    return _sweep(row) if row is not None else None


async def go_on(engine: Engine, stream: Stream, finish: Finish) -> bool:
    """Do the next piece of the oldest sweep; False where there was nothing to do.

    Only the relay's process calls it, between two batches, so nothing is sent meanwhile.
    """

    def oldest() -> Sweep | None:
        with engine.begin() as connection:
            return ready(connection)

    sweep = await asyncio.to_thread(oldest)
    if sweep is None:
        return False
    if sweep.stream != stream.born:
        sweep.stream, sweep.position, sweep.found = stream.born, 0, []
    over = False
    if sweep.found:
        await stream.erase(sweep.found, sweep.holds)
        sweep.removed, sweep.found = sweep.removed + len(sweep.found), []
    else:
        subjects = [f"crm.{source}.*" for source in sweep.what]
        sweep.found, sweep.position, over = await stream.look(sweep.position, subjects, sweep.holds, PIECE)
    if over and not sweep.found:
        await asyncio.to_thread(finish, sweep)
    else:
        await asyncio.to_thread(_keep, engine, sweep)
    return True


def _keep(engine: Engine, sweep: Sweep) -> None:
    so_far: dict[str, Any] = {n: getattr(sweep, n) for n in ("stream", "position", "found", "removed")}
    with engine.begin() as connection:
        connection.execute(update(stream_sweep).where(stream_sweep.c.id == sweep.id).values(so_far))


def _sweep(row: Any) -> Sweep:
    what = {source: Wanted(w["below"], w["mentions"]) for source, w in row.what.items()}
    return Sweep(row.id, what, bytes(row.note), row.stream, row.position, list(row.found), row.removed)


def _source(subject: str) -> str:
    """crm.sales.opportunity.won → sales.opportunity"""
    return ".".join(subject.split(".")[1:3])
