"""Tables of the inbox: which events were applied, how far the stream was read, and what could not be applied."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, LargeBinary, MetaData, Table, Text, Uuid, func

metadata = MetaData()

inbox = Table(
    "inbox",
    metadata,
    Column("event_id", Uuid(as_uuid=False), primary_key=True),
    Column("time", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
Index("ix_inbox_time", inbox.c.time)

position = Table(
    "inbox_position",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
    Column("last_event_id", Text),
    # Time of the newest event applied, and when the reader last found nothing more to read.
    Column("event_time", DateTime(timezone=True)),
    Column("caught_up_time", DateTime(timezone=True)),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("stream_seq", BigInteger, nullable=False),
    Column("event_id", Uuid(as_uuid=False), nullable=False, unique=True),
    Column("subject", Text, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
Index("ix_dead_letter_record_id", dead_letter.c.record_id)
