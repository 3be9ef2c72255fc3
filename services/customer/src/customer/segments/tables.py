"""Segments, and the members of those that are written down."""

from sqlalchemy import Column, Index, Table, Text, Uuid

from crm.customer.v1.segments_pb2 import Segment
from crm_records import schema
from customer.tables import FOLLOWS_MERGES, metadata

_ID = Uuid(as_uuid=False)

segment = schema.table(metadata, Segment.DESCRIPTOR, "segment")
Index("ix_segment_creator_id", segment.c.creator_id, segment.c.id)

member = Table(
    "segment_member",
    metadata,
    Column("segment_id", _ID, primary_key=True),
    Column("customer_id", _ID, primary_key=True),
    # "computed", "added", "removed": who was removed by hand stays here, so that it does not come back.
    Column("origin", Text, nullable=False),
    # The job that found it last.
    Column("job_id", _ID),
    info={FOLLOWS_MERGES: True},
)
Index("ix_segment_member_customer_id", member.c.customer_id)
