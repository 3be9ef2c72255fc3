"""Tables of behaviour. The events lie in one partition for each month, in a schema of their own (see `partitions`)."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Index, Integer, Numeric, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm.customer.v1.behaviour_tags_pb2 import BehaviourTagRule
from crm_records import schema
from customer.tables import metadata

_ID = Uuid(as_uuid=False)
_TIME = DateTime(timezone=True)

event = Table(
    "behaviour_event",
    metadata,
    Column("time", _TIME, nullable=False),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("visitor", Text),
    Column("customer_id", _ID),
    Column("contact_id", _ID),
    Column("subject", Text),
    Column("amount", Numeric(18, 2)),
    Column("properties", JSONB),
    postgresql_partition_by="RANGE (time)",
)
"""One row an event. Each partition has a unique index on (source, event_id): a key over all of them would have to hold
the time. An event belongs to its customer, or, where it names none, to whom its visitor was then."""
Index(
    "ix_behaviour_event_customer",
    event.c.customer_id,
    event.c.time,
    postgresql_where=event.c.customer_id.is_not(None),
)
Index(
    "ix_behaviour_event_visitor",
    event.c.source,
    event.c.visitor,
    event.c.time,
    postgresql_where=event.c.customer_id.is_(None),
)

identity = Table(
    "behaviour_identity",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("source", Text, nullable=False),
    Column("visitor", Text, nullable=False),
    Column("customer_id", _ID, nullable=False),
    Column("contact_id", _ID),
    # From when until when, the end not included; the first begins and the last ends at infinity.
    Column("from_time", _TIME, nullable=False),
    Column("until_time", _TIME, nullable=False),
    Column("creator_id", _ID),
    Column("create_time", _TIME, nullable=False),
    Column("version", Integer, nullable=False),
)
"""Whose a visitor is, and when. Joined at reading: no event is ever rewritten."""
Index("uq_behaviour_identity_visitor", identity.c.source, identity.c.visitor, identity.c.from_time, unique=True)
Index("ix_behaviour_identity_customer_id", identity.c.customer_id)

pending = Table(
    "behaviour_pending",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("source", Text, nullable=False),
    Column("visitors", ARRAY(Text), nullable=False),
    Column("customer_ids", ARRAY(_ID), nullable=False),
    Column("from_time", _TIME, nullable=False),
    Column("last_time", _TIME),
)
"""Who is to be looked at again, since when: one row for each batch, gone when it was done."""

active = Table(
    "behaviour_customer",
    metadata,
    Column("customer_id", _ID, primary_key=True),
    Column("last_time", _TIME),
    # What was changed and is not announced yet; null when all is.
    Column("changed_from", _TIME),
    Column("told_time", _TIME),
    Column("version", Integer, nullable=False),
)
"""Customers of whom there is behaviour."""
Index("ix_behaviour_customer_changed", active.c.told_time, postgresql_where=active.c.changed_from.is_not(None))

settings = Table(
    "behaviour_settings",
    metadata,
    Column("id", Boolean, primary_key=True),
    Column("keep_months", Integer, nullable=False),
    Column("version", Integer, nullable=False),
)
"""At most one row; none is the same as the default."""

rule = schema.table(metadata, BehaviourTagRule.DESCRIPTOR, "behaviour_tag_rule")

rule_progress = Table(
    "behaviour_rule_progress",
    metadata,
    Column("rule_id", _ID, primary_key=True),
    Column("rule_version", Integer, nullable=False),
    Column("position", _ID),
    Column("done", Boolean, nullable=False),
)
"""How far a new or changed rule has come through the customers."""

tag = Table(
    "behaviour_tag",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("customer_id", _ID, nullable=False),
    Column("tag", Text, nullable=False),
    Column("rule_id", _ID, nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    Column("put_time", _TIME, nullable=False),
    Column("valid_until", _TIME, nullable=False),
    Column("removed_time", _TIME),
    Column("remover_id", _ID),
    Column("note", Text),
    Column("version", Integer, nullable=False, server_default=text("1")),
)
Index("uq_behaviour_tag_customer_rule", tag.c.customer_id, tag.c.rule_id, unique=True)
Index("ix_behaviour_tag_rule_id", tag.c.rule_id)
Index("ix_behaviour_tag_valid_until", tag.c.valid_until, postgresql_where=tag.c.removed_time.is_(None))
