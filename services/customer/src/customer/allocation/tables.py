"""The rules, whose turn it is, and what each gave away."""

from sqlalchemy import Column, DateTime, Index, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm.customer.v1.allocation_pb2 import AllocationRule
from crm_records import schema
from customer.tables import metadata

allocation_rule = schema.table(metadata, AllocationRule.DESCRIPTOR, "allocation_rule")

turn = Table(
    "allocation_turn",
    metadata,
    Column("rule_id", Uuid(as_uuid=False), primary_key=True),
    Column("last_user_id", Uuid(as_uuid=False), nullable=False),
)
"""Who got the last one of a rule that takes turns."""

allocation = Table(
    "allocation",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("customer_id", Uuid(as_uuid=False), nullable=False),
    Column("rule_id", Uuid(as_uuid=False), nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("rule_name", Text, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("from_user_id", Uuid(as_uuid=False)),
    Column("to_user_id", Uuid(as_uuid=False)),
    Column("to_department_id", Uuid(as_uuid=False)),
    Column("why", JSONB, nullable=False),
    Column("act_id", Uuid(as_uuid=False)),
    Column("actor_id", Uuid(as_uuid=False)),
    Column("actor_name", Text, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
)
Index("ix_allocation_customer_id", allocation.c.customer_id, allocation.c.id)
