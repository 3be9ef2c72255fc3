"""Tables of the pools."""

from sqlalchemy import Boolean, Column, Date, DateTime, Index, Integer, Table, Text, Uuid, text

from crm.customer.v1.pools_pb2 import Pool
from crm_records import schema
from customer.tables import customer, metadata

pool = schema.table(metadata, Pool.DESCRIPTOR, "pool")
Index(
    "ix_customer_pool",
    customer.c.pool_id,
    customer.c.id,
    postgresql_where=customer.c.pool_id.is_not(None),
)
Index(
    "ix_customer_pool_time",
    *(customer.c.pool_id, customer.c.pool_time, customer.c.id),
    postgresql_where=customer.c.pool_id.is_not(None),
)

pool_move = Table(
    "pool_move",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("pool_id", Uuid(as_uuid=False), nullable=False),
    Column("customer_id", Uuid(as_uuid=False), nullable=False),
    Column("into", Boolean, nullable=False),
    # returned, given_back; claimed, assigned, taken_out; undone
    Column("kind", Text, nullable=False),
    Column("from_user_id", Uuid(as_uuid=False)),
    Column("to_user_id", Uuid(as_uuid=False)),
    Column("reason", Text),
    Column("note", Text),
    Column("day", Date, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
    # Of a return by rule: the pool's version, and which of its rules.
    Column("pool_version", Integer),
    Column("rule", Integer),
    Column("actor_id", Uuid(as_uuid=False)),
)
"""Every way of a customer into a pool and out of it."""
Index("ix_pool_move_pool_id", pool_move.c.pool_id, pool_move.c.id)
Index("ix_pool_move_pool_day", pool_move.c.pool_id, pool_move.c.day)
Index("ix_pool_move_customer_id", pool_move.c.customer_id, pool_move.c.id)
Index("ix_pool_move_claims", pool_move.c.to_user_id, pool_move.c.day, postgresql_where=text("kind = 'claimed'"))

pool_warning = Table(
    "pool_warning",
    metadata,
    Column("customer_id", Uuid(as_uuid=False), primary_key=True),
    # What the owner was warned of, and when: another due day is another term and another warning.
    Column("due_day", Date, nullable=False),
    Column("warned_day", Date, nullable=False),
)
"""The last warning about each customer."""

simulated_return = Table(
    "simulated_return",
    metadata,
    Column("job_id", Uuid(as_uuid=False), primary_key=True),
    Column("customer_id", Uuid(as_uuid=False), primary_key=True),
    Column("pool_id", Uuid(as_uuid=False), nullable=False),
    Column("day", Date, nullable=False),
    Column("warning_day", Date),
    Column("owner_id", Uuid(as_uuid=False), nullable=False),
    Column("reason", Text, nullable=False),
    Column("open_opportunity", Boolean, nullable=False),
    Column("open_contract", Boolean, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
)
"""What simulations found; dropped some days later."""
Index(
    "ix_simulated_return_day",
    simulated_return.c.job_id,
    simulated_return.c.day,
    simulated_return.c.owner_id,
    simulated_return.c.customer_id,
)
Index("ix_simulated_return_time", simulated_return.c.time)
