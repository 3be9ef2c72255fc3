"""Events are applied once and in order; one that cannot be applied waits with those of its record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, TimeoutError

from crm.records.v1.event_pb2 import Event
from crm_kit import inbox
from crm_kit.delivery import Delivery, Position
from crm_kit.inbox import Inbox, Moved
from crm_kit.service import Service
from crm_kit.testing import database
from crm_kit.testing.recorder import apply, metadata, recorded, recorder, thing


class Reader:
    """A recorder and what the stream brings it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.inbox = self.new()
        self.sequence = 0

    def new(self) -> Inbox:
        made = self.service.inbox()
        assert made is not None
        return made

    def deliver(self, *events: Event | bytes) -> list[Delivery]:
        """Apply events as one batch; gives it, to be delivered again."""
        batch = []
        for event in events:
            self.sequence += 1
            payload = event if isinstance(event, bytes) else event.SerializeToString()
            batch.append(Delivery(self.sequence, f"mark {self.sequence}", "crm.origin.thing.changed", payload))
        self.inbox.apply(batch)
        return batch

    def sql(self, statement: str) -> list[Any]:
        with self.service.writer.begin() as connection:
            result = connection.execute(text(statement))
            return list(result) if result.returns_rows else []

    def refuse(self, *record_ids: str) -> None:
        self.sql("TRUNCATE refused")
        for record_id in record_ids:
            self.sql(f"INSERT INTO refused VALUES ('{record_id}')")

    @property
    def buried(self) -> list[tuple[str, str]]:
        return [tuple(row) for row in self.sql("SELECT record_id, reason FROM dead_letter ORDER BY id")]

    @property
    def applied(self) -> list[tuple[str, int]]:
        return recorded(self.service.writer)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    service = recorder(database("inbox"))
    yield service
    service.writer.dispose()


@pytest.fixture
def reader(service: Service) -> Reader:
    reader = Reader(service)
    names = ["inbox", "inbox_position", "dead_letter", *metadata.tables]
    reader.sql(f"TRUNCATE {', '.join(names)} RESTART IDENTITY")
    return reader


WAITS = "waits for an earlier event of the same record"


def test_effect_and_position_are_one_commit(reader: Reader) -> None:
    reader.deliver(thing("a", 1), thing("b", 1))
    assert reader.applied == [("a", 1), ("b", 1)]
    assert reader.inbox.position() == Position(2, "mark 2")

    class Interrupted(BaseException):
        """As if the process ended between effect and commit."""

    def interrupted(connection: Connection, _events: Sequence[Event]) -> None:
        connection.execute(text("INSERT INTO applied (event_id, record_id, version) VALUES ('', 'c', 1)"))
        raise Interrupted

    broken = Inbox(reader.service.writer, "CRM", {"origin.thing": interrupted})
    with pytest.raises(Interrupted):
        broken.apply([Delivery(3, "mark 3", "crm.origin.thing.changed", thing("c", 1).SerializeToString())])

    assert reader.applied == [("a", 1), ("b", 1)]
    assert reader.inbox.position() == Position(2, "mark 2")


def test_a_repeat_is_not_applied_again(reader: Reader) -> None:
    first, second = thing("a", 1), thing("a", 2)

    reader.deliver(first, first, second)
    reader.deliver(second, first, thing("a", 3))

    assert reader.applied == [("a", 1), ("a", 2), ("a", 3)]
    assert reader.buried == []


def test_two_readers_of_the_same_events_apply_them_once(reader: Reader) -> None:
    batches = [
        [
            Delivery(n, "", "crm.origin.thing.changed", thing(f"{n % 7}", n).SerializeToString())
            for n in range(start, start + 20)
        ]
        for start in range(1, 400, 20)
    ]

    def read(other: Inbox) -> None:
        for batch in batches:
            other.apply(batch)

    with ThreadPoolExecutor(2) as both:
        list(both.map(read, [reader.new(), reader.new()]))

    assert sorted(version for _, version in reader.applied) == list(range(1, 401))
    assert reader.buried == []


def test_a_reader_whose_position_another_one_moved_reads_on_from_there(reader: Reader) -> None:
    other = reader.new()
    assert other.position().sequence == reader.inbox.position().sequence == 0
    batch = reader.deliver(thing("a", 1))

    with pytest.raises(Moved):
        other.apply(batch)

    assert other.position().sequence == 1
    assert reader.applied == [("a", 1)]


@pytest.mark.figure("R03")
def test_an_event_that_cannot_be_applied_holds_back_only_its_own_record(reader: Reader) -> None:
    reader.refuse("a")

    reader.deliver(thing("b", 1), thing("a", 1), thing("b", 2), thing("a", 2))
    reader.refuse()
    reader.deliver(thing("a", 3), thing("b", 3))

    assert reader.applied == [("b", 1), ("b", 2), ("b", 3)]
    assert [record for record, _ in reader.buried] == ["a", "a", "a"]
    assert reader.buried[0][1].startswith("ValueError: a is refused")
    assert {reason for _, reason in reader.buried[1:]} >= {WAITS}
    assert reader.inbox.position().sequence == 6


@pytest.mark.figure("R03")
def test_buried_events_are_retried_in_order_and_then_the_record_goes_on(reader: Reader) -> None:
    reader.refuse("a", "c")
    reader.deliver(thing("a", 1), thing("c", 1), thing("a", 2), thing("c", 2), thing("b", 1))
    reader.refuse("c")

    assert reader.inbox.retry_dead_letters() == (2, 2)

    reader.deliver(thing("a", 3), thing("c", 3))
    assert reader.applied == [("b", 1), ("a", 1), ("a", 2), ("a", 3)]
    assert [record for record, _ in reader.buried] == ["c", "c", "c"]
    reader.refuse()
    assert reader.inbox.retry_dead_letters() == (3, 0)
    assert reader.applied[4:] == [("c", 1), ("c", 2), ("c", 3)]


def test_two_who_retry_at_once_apply_each_event_once(reader: Reader) -> None:
    reader.refuse("a")
    reader.deliver(*(thing("a", version) for version in range(1, 30)))
    reader.refuse()

    with ThreadPoolExecutor(2) as both:
        counts = list(both.map(lambda one: one.retry_dead_letters(), [reader.new(), reader.new()]))

    assert sum(applied for applied, _ in counts) == 29
    assert reader.applied == [("a", version) for version in range(1, 30)]


def test_an_event_that_comes_while_its_record_is_retried_is_not_left_behind(reader: Reader) -> None:
    version = 0

    def come(many: int) -> None:
        nonlocal version
        for _ in range(many):
            version += 1
            reader.deliver(thing("a", version))

    with ThreadPoolExecutor(1) as beside:
        for _ in range(20):
            reader.refuse("a")
            come(3)
            reader.refuse()
            retried = beside.submit(reader.new().retry_dead_letters)
            come(5)
            retried.result()
            assert reader.buried == []

    assert reader.applied == [("a", v) for v in range(1, version + 1)]


def test_an_event_of_another_stream_is_buried_though_one_had_its_place(reader: Reader) -> None:
    reader.refuse("a", "b")
    reader.deliver(thing("a", 1))
    reader.inbox.start_over()
    reader.sequence = 0

    reader.deliver(thing("b", 1))

    assert [record for record, _ in reader.buried] == ["a", "b"]


def test_a_stream_read_again_buries_nothing_that_was_applied_or_is_buried(reader: Reader) -> None:
    events = [thing("a", version) for version in range(1, 6)]
    reader.deliver(*events[:2])
    reader.refuse("a")
    reader.deliver(*events[2:4])
    reader.refuse()
    reader.inbox.start_over()

    reader.deliver(*events)

    assert len(reader.buried) == 3
    assert reader.inbox.retry_dead_letters() == (3, 0)
    assert reader.applied == [("a", version) for version in range(1, 6)]


UNREADABLE = {
    "no message at all": b"\xff\xff\xff",
    "no id": Event(record_id="x", version=1).SerializeToString(),
    "an id that is none": Event(id="first", record_id="x", version=1).SerializeToString(),
    "a character that no text can hold": thing("x\0y", 1).SerializeToString(),
    "more than an index can hold": thing("x", 1, "widened", actor_name="宽" * 100_000).SerializeToString(),
}


@pytest.mark.figure("R03")
@pytest.mark.parametrize("name", UNREADABLE)
def test_whatever_is_wrong_with_an_event_the_next_one_is_applied(reader: Reader, name: str) -> None:
    reader.deliver(UNREADABLE[name], thing("b", 1))

    assert ("b", 1) in reader.applied
    assert len(reader.buried) == 1
    assert sum(reader.inbox.retry_dead_letters()) == 1


def test_while_the_database_is_away_no_event_is_buried(reader: Reader) -> None:
    def gone(connection: Connection, _events: Sequence[Event]) -> None:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    def busy(_connection: Connection, _events: Sequence[Event]) -> None:
        raise TimeoutError("every connection of the pool is in use")

    for handler, error in ((gone, OperationalError), (busy, TimeoutError)):
        away = Inbox(reader.service.writer, "CRM", {"origin.thing": handler})
        with pytest.raises(error):
            away.apply([Delivery(1, "", "crm.origin.thing.changed", thing("a", 1).SerializeToString())])

    assert reader.buried == []
    reader.deliver(thing("a", 1))
    assert reader.applied == [("a", 1)]


def test_what_was_applied_long_ago_is_forgotten(reader: Reader) -> None:
    reader.deliver(thing("a", 1), thing("a", 2))
    reader.sql(
        "UPDATE inbox SET time = now() - interval '15 days' WHERE event_id = (SELECT event_id FROM inbox LIMIT 1)"
    )

    with reader.service.writer.begin() as connection:
        inbox.sweep(connection)

    assert len(reader.sql("SELECT 1 FROM inbox")) == 1


def test_who_reads_everything_gets_it_in_the_order_of_the_stream_beside_the_handlers(reader: Reader) -> None:
    seen: list[tuple[str, str, int]] = []

    def every(_connection: Connection, events: Sequence[tuple[str, Event]]) -> None:
        seen.extend((service, e.record_id, e.version) for service, e in events)

    everything = Inbox(reader.service.writer, "CRM", {"origin.thing": apply}, every)
    told = [("origin.thing", "a", 1), ("elsewhere.other", "b", 1), ("origin.thing", "a", 2), ("origin.kind", "c", 1)]
    batch = [
        Delivery(i, f"mark {i}", f"crm.{source}.changed", thing(record_id, version).SerializeToString())
        for i, (source, record_id, version) in enumerate(told, 1)
    ]
    everything.apply(batch)
    everything.apply(batch)

    assert everything.subjects == ["crm.>"]
    assert seen == [(source.partition(".")[0], record_id, version) for source, record_id, version in told]
    assert reader.applied == [("a", 1), ("a", 2)]
    assert everything.position() == Position(4, "mark 4")


def test_what_cannot_be_given_to_who_reads_everything_is_buried_and_given_when_it_is_mended(reader: Reader) -> None:
    seen: list[str] = []

    def every(_connection: Connection, events: Sequence[tuple[str, Event]]) -> None:
        if any(e.record_id == "b" for _, e in events) and not mended:
            raise ValueError("b")
        seen.extend(e.record_id for _, e in events)

    mended = False
    everything = Inbox(reader.service.writer, "CRM", {}, every)
    everything.apply(
        [Delivery(i, "", "crm.x.y.z", thing(name, 1).SerializeToString()) for i, name in enumerate("abc", 1)]
    )
    mended = True

    assert everything.retry_dead_letters() == (1, 0)
    assert seen == ["a", "c", "b"]
