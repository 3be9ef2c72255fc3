"""Where an id leads that went into another, and what a merge moved beside records."""

from sqlalchemy import Column, DateTime, Index, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from customer.tables import metadata

redirect = Table(
    "merge_redirect",
    metadata,
    Column("from_id", Uuid(as_uuid=False), primary_key=True),
    Column("record_type", Text, nullable=False),
    # The record it went into, and where that is now.
    Column("into_id", Uuid(as_uuid=False), nullable=False),
    Column("to_id", Uuid(as_uuid=False), nullable=False),
    Column("act_id", Uuid(as_uuid=False), nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
)
Index("ix_merge_redirect_to_id", redirect.c.to_id)
Index("ix_merge_redirect_act_id", redirect.c.act_id)

trace = Table(
    "merge_trace",
    metadata,
    Column("act_id", Uuid(as_uuid=False), primary_key=True),
    # The table whose row was moved, and the row's own key.
    Column("table_name", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    # What the row pointed at; of a place in a team, what it was, where there was one.
    Column("from_id", Uuid(as_uuid=False)),
    Column("before", JSONB),
    Column("version", Integer),
)
"""Rows that are no records leave no image: this is theirs."""
