"""Events leave through the same transaction as the change they tell of.

`record` queues an event; it leaves only if the transaction commits. One relay per service sends what waits,
oldest first, and keeps the sequence that the stream acknowledged: if the stream no longer holds the newest of
them (its store was lost or rolled back), everything still kept here is sent again. Consumers drop repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    delete,
    func,
    select,
    text,
    update,
)

from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.inserting import Insertion

metadata = MetaData()

LARGEST = 1_000_000
"""Bytes of an event that the stream takes. A larger one is refused with its write: it would never leave, nor would
any event behind it."""

errors.texts({"event_too_large": ("本次改动的内容过大", "This change holds more than can be passed on at once")})

Waiting = tuple[int, str, str, bytes]
"""An event that was not sent: its place, its id, its subject, its payload."""

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Uuid(as_uuid=False), nullable=False),
    Column("subject", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("sent_time", DateTime(timezone=True)),
    Column("stream_seq", BigInteger),
)
Index("ix_outbox_waiting", outbox.c.id, postgresql_where=outbox.c.sent_time.is_(None))
Index("ix_outbox_stream_seq", outbox.c.stream_seq, postgresql_where=outbox.c.stream_seq.is_not(None))

_waiting = (
    select(outbox.c.id, outbox.c.event_id, outbox.c.subject, outbox.c.payload)
    .where(outbox.c.sent_time.is_(None))
    .order_by(outbox.c.id)
)
_GIVEN = ("event_id", "subject", "payload")
_INSERT = Insertion(outbox, _GIVEN)
_sent = text(
    "UPDATE outbox SET sent_time = now(), stream_seq = s.seq"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:seqs AS bigint[])) AS s(id, seq) WHERE outbox.id = s.id"
)


def record(connection: Connection, rows: Sequence[tuple[str, str, bytes]]) -> None:
    """Queue events as (event id, subject, payload)."""
    if any(len(body) > LARGEST for _, _, body in rows):
        raise errors.Invalid(key="event_too_large")
    if not connection.in_transaction():
        connection.begin()  # SQLAlchemy does not see what the driver begins, and would not commit it
    _INSERT.run(connection, [dict(zip(_GIVEN, row, strict=True)) for row in rows])


def waiting(connection: Connection, limit: int) -> list[Waiting]:
    """The oldest events that were not sent."""
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(_waiting.limit(limit))]


def mark_sent(connection: Connection, acknowledged: Sequence[tuple[int, int]]) -> None:
    """Keep what the stream acknowledged, as (outbox id, stream sequence)."""
    connection.execute(_sent, {"ids": [a for a, _ in acknowledged], "seqs": [b for _, b in acknowledged]})


def last_acknowledged(connection: Connection) -> tuple[int, str] | None:
    """The newest event that the stream acknowledged: (stream sequence, event id)."""
    query = select(outbox.c.stream_seq, outbox.c.event_id).where(outbox.c.stream_seq.is_not(None))
    row = connection.execute(query.order_by(outbox.c.stream_seq.desc()).limit(1)).one_or_none()
    return (row.stream_seq, row.event_id) if row else None


def send_again(connection: Connection) -> int:
    """The stream lost what it had acknowledged: queue everything that is still here; consumers drop repeats."""
    lost = update(outbox).where(outbox.c.stream_seq.is_not(None)).values(sent_time=None, stream_seq=None)
    return len(connection.execute(lost.returning(outbox.c.id)).all())


def drop(connection: Connection, sources: Sequence[str], holds: Callable[[str, bytes], bool]) -> int:
    """Drop events of these `service.record_type`, sent or not, of which `holds` is true: how many.

    Only where whoever needs them has read them: what is not here is not sent again to a stream that was lost.
    """
    o = outbox.c
    source = func.split_part(o.subject, ".", 2) + "." + func.split_part(o.subject, ".", 3)
    query = select(o.id, o.subject, o.payload).where(source.in_(sources))
    rows = connection.execute(query, execution_options={"yield_per": 500})
    gone = [row.id for row in rows if holds(row.subject, bytes(row.payload))]
    connection.execute(delete(outbox).where(one_of(o.id, gone)))
    return len(gone)


def sweep(connection: Connection, keep_days: int = 7) -> None:
    """Drop what was sent more than `keep_days` ago."""
    connection.execute(
        delete(outbox).where(outbox.c.sent_time < func.now() - text(f"interval '{int(keep_days)} days'"))
    )
