"""Pyramids, and where customers stood when a snapshot was taken."""

from sqlalchemy import Boolean, Column, Date, DateTime, Index, Integer, Numeric, Table, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm.customer.v1.pyramids_pb2 import Pyramid
from crm_records import schema
from customer.tables import metadata

_ID = Uuid(as_uuid=False)

pyramid = schema.table(metadata, Pyramid.DESCRIPTOR, "pyramid")

snapshot = Table(
    "pyramid_snapshot",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("pyramid_id", _ID, nullable=False),
    Column("pyramid_version", Integer, nullable=False),
    Column("date", Date, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
    # The base with its field or model, the method, the tiers with the limits that were found, and what each has in all.
    Column("rule", JSONB, nullable=False),
    Column("complete", Boolean, nullable=False),
)
Index("ix_pyramid_snapshot_pyramid_id", snapshot.c.pyramid_id, snapshot.c.id)

place = Table(
    "pyramid_place",
    metadata,
    Column("snapshot_id", _ID, primary_key=True),
    Column("customer_id", _ID, primary_key=True),
    Column("amount", Numeric(24, 6), nullable=False),
)
"""The figure of each customer. Its tier follows from the limits of the snapshot, so nothing is written twice."""
Index("ix_pyramid_place_amount", place.c.snapshot_id, place.c.amount, place.c.customer_id)
