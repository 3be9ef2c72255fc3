"""Delivered at least once, applied once: the mark and the position commit with the effect.

A service keeps in its own database how far it has read the stream, and the ids of the events it has applied.
Reading goes on from there after any crash of anything: nothing depends on acknowledgements, so nothing waits
for their time-outs and events of one record keep their order. An event that cannot be applied goes to
`dead_letter` with the reason and holds back only later events of its own record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from crm.records.v1.event_pb2 import Event
from crm_kit import dead_letters, metrics
from crm_kit.db import one_of
from crm_kit.delivery import Delivery, Position
from crm_kit.inbox_tables import dead_letter, inbox, position

log = logging.getLogger(__name__)
_MARK = "INSERT INTO inbox (event_id) SELECT unnest(%(ids)s::uuid[]) ON CONFLICT DO NOTHING RETURNING event_id"
"""All events of a batch at once; the ids of those that were not marked yet."""

Handler = Callable[[Connection, Sequence[Event]], None]
"""Applies events of one record type, in order. May be called with one or with many."""

Every = Callable[[Connection, Sequence[tuple[str, Event]]], None]
"""Applies events of all services in the order of the stream, each with the name of its service."""


class Moved(Exception):
    """Somebody else moved the position, to rebuild what was made of the events: read on from where it is now."""

    def __str__(self) -> str:
        return "somebody moved the position: reading on from there"


class Inbox:
    """Applies a stream's events to one service's database."""

    def __init__(
        self, engine: Engine, stream: str, handlers: Mapping[str, Handler], every: Every | None = None
    ) -> None:
        self._engine, self._stream, self._handlers, self._every = engine, stream, handlers, every
        self._at: int | None = None
        """The position this reader goes on from, once it asked; it moves on only while the database says the same."""

    @property
    def subjects(self) -> list[str]:
        """Subjects to read: one for each `service.record_type` that has a handler, or all there are."""
        if self._every:
            return ["crm.>"]
        return [f"crm.{source}.*" for source in self._handlers]

    def position(self) -> Position:
        """How far the stream was read."""
        with self._engine.begin() as connection:
            query = select(position.c.last_seq, position.c.last_event_id).where(position.c.stream == self._stream)
            row = connection.execute(query).one_or_none()
        found = Position(row.last_seq, row.last_event_id) if row else Position(0, None)
        self._at = found.sequence
        return found

    def start_over(self) -> Position:
        """The stream is another one now: read it from its beginning; what was applied is known by its id."""
        with self._engine.begin() as connection:
            self._move(connection, 0, None)
        self._moved_to(0)
        return Position(0, None)

    def apply(self, deliveries: Sequence[Delivery]) -> None:
        """Apply a batch in one transaction; if one event fails, one by one."""
        try:
            with self._engine.begin() as connection:
                self._apply(connection, deliveries)
            self._moved_to(deliveries[-1].sequence)
        except Exception as error:
            if _is_elsewhere(error):
                raise
            for delivery in deliveries:
                self._apply_alone(delivery)
        metrics.EVENTS_APPLIED.inc(len(deliveries))

    def caught_up(self) -> None:
        """There is nothing more to read now: figures made from events are as fresh as this moment."""
        here = position.c.stream == self._stream
        if self._at is not None:
            here &= position.c.last_seq == self._at
        with self._engine.begin() as connection:
            noted = update(position).where(here).values(caught_up_time=func.now()).returning(position.c.stream)
            if connection.scalar(noted) is None and self._at:
                raise Moved

    def _apply(self, connection: Connection, deliveries: Sequence[Delivery]) -> None:
        events = [(d, Event.FromString(d.payload)) for d in deliveries]
        held = dead_letters.held(connection, [e.record_id for _, e in events])
        if held:
            waiting = [(d, e) for d, e in events if e.record_id in held]
            applied = set(connection.scalars(select(inbox.c.event_id).where(one_of(inbox.c.event_id, _ids(waiting)))))
            for d, e in waiting:
                if e.id not in applied:
                    dead_letters.bury(connection, d, e, "waits for an earlier event of the same record")
        wanted = [(d, e) for d, e in events if e.record_id not in held]
        new: set[str] = set()
        if wanted:
            new = set(connection.exec_driver_sql(_MARK, {"ids": _ids(wanted)}).scalars())
        metrics.EVENTS_REPEATED.inc(len(wanted) - len(new))
        fresh = []
        for d, e in wanted:
            if e.id in new:
                new.discard(e.id)
                fresh.append((d, e))
        self._hand_over(connection, [(d.subject, e) for d, e in fresh])
        last, event = events[-1]
        self._move(connection, last.sequence, last.mark, event.time.ToDatetime(UTC))

    def _hand_over(self, connection: Connection, events: Sequence[tuple[str, Event]]) -> None:
        """Give events, with their subjects, to whom they concern."""
        if self._every and events:
            self._every(connection, [(_source(subject).partition(".")[0], e) for subject, e in events])
        # Only events of one record have an order, so those of one record type are applied together.
        by_source: dict[str, list[Event]] = {}
        for subject, e in events:
            by_source.setdefault(_source(subject), []).append(e)
        for source, together in by_source.items():
            if source in self._handlers or not self._every:
                self._handlers[source](connection, together)

    def _apply_alone(self, delivery: Delivery) -> None:
        try:
            with self._engine.begin() as connection:
                self._apply(connection, [delivery])
        except Exception as error:
            if _is_elsewhere(error):
                raise
            log.exception("event %s (%d) cannot be applied", delivery.subject, delivery.sequence)
            with self._engine.begin() as connection:
                event = dead_letters.parse(delivery.payload)
                dead_letters.bury(connection, delivery, event, f"{type(error).__name__}: {error}"[:2000])
                self._move(connection, delivery.sequence, delivery.mark)
        self._moved_to(delivery.sequence)

    def _move(
        self, connection: Connection, sequence: int, mark: str | None, event_time: datetime | None = None
    ) -> None:
        row: dict[str, Any] = {"stream": self._stream, "last_seq": sequence, "last_event_id": mark}
        if event_time is not None:
            row["event_time"] = event_time
        unmoved = None if self._at is None else position.c.last_seq == self._at
        moved = insert(position).values(row).on_conflict_do_update(index_elements=["stream"], set_=row, where=unmoved)
        if connection.scalar(moved.returning(position.c.stream)) is None:
            raise Moved

    def _moved_to(self, sequence: int) -> None:
        if self._at is not None:
            self._at = sequence

    def retry_dead_letters(self) -> tuple[int, int]:
        """Apply buried events again, oldest first and also those buried meanwhile: (applied, still failing)."""
        return dead_letters.retry(self._engine, self._hand_over)


def forget(connection: Connection, stream: str) -> None:
    """Read the stream from its beginning again, with nothing known as applied; a running reader notices by itself.

    To be called first in the transaction that empties what was made of the events: it waits for the batch under
    way, and no other comes before the commit.
    """
    connection.execute(text("TRUNCATE inbox"))
    connection.execute(delete(dead_letter))
    nothing = {"last_seq": 0, "last_event_id": None, "event_time": None, "caught_up_time": None}
    connection.execute(update(position).where(position.c.stream == stream).values(nothing))


def sweep(connection: Connection, keep_days: int = 14) -> None:
    """Forget the ids of events applied long ago; they lie behind the position."""
    connection.execute(delete(inbox).where(inbox.c.time < func.now() - text(f"interval '{int(keep_days)} days'")))


def _is_elsewhere(error: Exception) -> bool:
    """Whether nothing is wrong with the event: the database is away, or somebody moved the position."""
    if isinstance(error, (Moved, PoolTimeout)):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    # 54: more than PostgreSQL can hold, e.g. in an index. 25: the transaction was ended, or only reading is allowed.
    state = getattr(cause, "sqlstate", None) or ""
    if isinstance(cause, (psycopg.OperationalError, psycopg.InterfaceError)):
        return not state.startswith("54")
    return state.startswith("25")


def _source(subject: str) -> str:
    """crm.sales.opportunity.won → sales.opportunity"""
    _, service, record_type, _ = subject.split(".")
    return f"{service}.{record_type}"


def _ids(events: Sequence[tuple[Delivery, Event]]) -> list[str]:
    """Each id once, in an order that is the same for everybody who locks them."""
    return sorted({event.id for _, event in events})
