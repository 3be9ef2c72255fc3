"""What customers are compared by, keys that are taken, pairs that are none, clusters."""

from sqlalchemy import Column, DateTime, Index, SmallInteger, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY

from crm.customer.v1.duplicate_dismissals_pb2 import DuplicateDismissal
from crm.customer.v1.duplicate_keys_pb2 import DuplicateKey
from crm_records import schema
from customer.tables import metadata

likeness = Table(
    "likeness",
    metadata,
    Column("record_id", Uuid(as_uuid=False), primary_key=True),
    Column("record_type", Text, nullable=False),
    Column("kind", Text, nullable=False),
    # The name taken apart, see `customer.names`.
    Column("full_name", Text, nullable=False),
    Column("core", Text, nullable=False),
    Column("province", Text, nullable=False),
    Column("city", Text, nullable=False),
    Column("trade", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("branch", Text, nullable=False),
    Column("short_core", Text, nullable=False),
    Column("domain", Text, nullable=False),
    # What it is found by, see `customer.duplicates.keys`.
    Column("keys", ARRAY(Text), nullable=False),
)
"""One row for each living record that may be somebody's duplicate, made with the record."""
# Without a list of what is still to be sorted in: each question would read all of it.
Index("ix_likeness_keys", likeness.c["keys"], postgresql_using="gin", postgresql_with={"fastupdate": "off"})
Index("ix_likeness_full_name", likeness.c.full_name)

hard_key = Table(
    "hard_key",
    metadata,
    Column("field", Text, primary_key=True),
    # A normal name, or the blind index of a number.
    Column("value", Text, primary_key=True),
    Column("customer_id", Uuid(as_uuid=False), nullable=False),
)
"""Values that only one living customer may have: the primary key is what guarantees it."""
Index("ix_hard_key_customer_id", hard_key.c.customer_id)

duplicate_key = schema.table(metadata, DuplicateKey.DESCRIPTOR, "duplicate_key")
Index("uq_duplicate_key_field", duplicate_key.c.field, duplicate_key.c.kind, unique=True)

duplicate_dismissal = schema.table(metadata, DuplicateDismissal.DESCRIPTOR, "duplicate_dismissal")
Index(
    "uq_duplicate_dismissal_pair",
    duplicate_dismissal.c.customer_id,
    duplicate_dismissal.c.other_id,
    unique=True,
    postgresql_where=duplicate_dismissal.c.delete_time.is_(None),
)

duplicate_pair = Table(
    "duplicate_pair",
    metadata,
    Column("run_id", Uuid(as_uuid=False), primary_key=True),
    # The smaller id first.
    Column("customer_id", Uuid(as_uuid=False), primary_key=True),
    Column("other_id", Uuid(as_uuid=False), primary_key=True),
    Column("score", SmallInteger, nullable=False),
    Column("reasons", ARRAY(Text), nullable=False),
)
"""Two customers that are very likely the same, as a run of the job found them."""

duplicate_cluster = Table(
    "duplicate_cluster",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("run_id", Uuid(as_uuid=False), nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False, server_default=text("now()")),
)
Index("ix_duplicate_cluster_run_id", duplicate_cluster.c.run_id, duplicate_cluster.c.id)

duplicate_member = Table(
    "duplicate_member",
    metadata,
    Column("run_id", Uuid(as_uuid=False), primary_key=True),
    Column("customer_id", Uuid(as_uuid=False), primary_key=True),
    Column("cluster_id", Uuid(as_uuid=False), nullable=False),
)
"""Which cluster a customer is in: the disjoint sets of a run, joined as pairs are found."""
Index("ix_duplicate_member_cluster_id", duplicate_member.c.cluster_id)
