"""Events wait in the outbox of the transaction that they tell of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text

from crm_kit import errors, outbox
from crm_kit.testing import database
from crm_kit.testing.recorder import announce, recorder, thing


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    service = recorder(database("outbox"))
    yield service.writer
    service.writer.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE outbox"))
        yield connection


def waiting(engine: Engine) -> list[str]:
    with engine.begin() as connection:
        return [event_id for _, event_id, _, _ in outbox.waiting(connection, 100)]


def places(connection: Connection) -> list[int]:
    return [place for place, _, _, _ in outbox.waiting(connection, 100)]


def test_an_event_leaves_only_with_its_commit(engine: Engine) -> None:
    kept, lost = thing("a", 1), thing("b", 1)
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE outbox"))
    with engine.connect() as connection:
        announce(connection, lost)
        connection.rollback()
    with engine.connect() as connection:
        announce(connection, kept)
        assert waiting(engine) == []
        connection.commit()

    assert waiting(engine) == [kept.id]


def test_the_oldest_wait_first(connection: Connection) -> None:
    events = [thing("a", version) for version in range(1, 8)]
    announce(connection, *events)

    assert [row[1:] for row in outbox.waiting(connection, 3)] == [
        (e.id, "crm.origin.thing.changed", e.SerializeToString()) for e in events[:3]
    ]


def test_what_was_acknowledged_waits_no_longer(connection: Connection) -> None:
    events = [thing("a", 1), thing("b", 1), thing("c", 1)]
    announce(connection, *events)
    first, second, third = places(connection)

    outbox.mark_sent(connection, [(third, 12), (first, 11)])

    assert places(connection) == [second]
    assert outbox.last_acknowledged(connection) == (12, events[2].id)


def test_where_nothing_was_acknowledged_there_is_no_newest(connection: Connection) -> None:
    announce(connection, thing("a", 1))

    assert outbox.last_acknowledged(connection) is None


def test_what_a_stream_lost_waits_again_in_its_old_order(connection: Connection) -> None:
    announce(connection, *(thing("a", version) for version in range(1, 6)))
    before = places(connection)
    outbox.mark_sent(connection, [(place, 100 - place) for place in before[:4]])

    assert outbox.send_again(connection) == 4

    assert places(connection) == before
    assert outbox.last_acknowledged(connection) is None


def test_only_what_was_sent_long_ago_is_dropped(connection: Connection) -> None:
    announce(connection, *(thing("a", version) for version in range(1, 5)))
    old, sent, waits, waits_long = places(connection)
    outbox.mark_sent(connection, [(old, 1), (sent, 2)])
    for place, column in ((old, "sent_time"), (waits_long, "create_time")):
        connection.execute(text(f"UPDATE outbox SET {column} = now() - interval '8 days' WHERE id = {place}"))

    outbox.sweep(connection)

    assert list(connection.scalars(text("SELECT id FROM outbox ORDER BY id"))) == [sent, waits, waits_long]


def test_an_event_that_the_stream_would_not_take_is_refused_with_its_write(connection: Connection) -> None:
    with pytest.raises(errors.Invalid):
        announce(connection, thing("a", 1, actor_name="宽" * 350_000))

    assert places(connection) == []
