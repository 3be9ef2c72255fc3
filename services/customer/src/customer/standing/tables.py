"""What is computed of customers, what people say instead, how it was; and which customers are to be computed anew."""

from sqlalchemy import BigInteger, Column, Date, DateTime, Identity, Index, Integer, Table, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB

from customer.tables import metadata

mark = Table(
    "standing_mark",
    metadata,
    # Never waits for another mark of the same customer: there may be several.
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("customer_id", Uuid(as_uuid=False), nullable=False),
)
"""Customers of whom something was written since they were last computed."""

result = Table(
    "standing_result",
    metadata,
    Column("customer_id", Uuid(as_uuid=False), primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("since_date", Date, nullable=False),
    Column("rule_id", Uuid(as_uuid=False)),
    Column("rule_version", Integer),
    Column("reasons", JSONB, nullable=False),
)
"""The computed value of a customer in one respect. Whatever people say, it goes on being computed."""
Index("ix_standing_result_value", result.c.topic, result.c.value)

overruling = Table(
    "standing_overruling",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("customer_id", Uuid(as_uuid=False), nullable=False),
    Column("topic", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("user_id", Uuid(as_uuid=False)),
    Column("user_name", Text, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("end_time", DateTime(timezone=True)),
)
"""What a person said instead, until it is taken back or said anew."""
Index(
    "uq_standing_overruling",
    overruling.c.customer_id,
    overruling.c.topic,
    unique=True,
    postgresql_where=overruling.c.end_time.is_(None),
)

history = Table(
    "standing_history",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("customer_id", Uuid(as_uuid=False), nullable=False),
    Column("topic", Text, nullable=False),
    Column("from_value", Text),
    Column("to_value", Text),
    Column("date", Date, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("action", Text, nullable=False),
    Column("rule_id", Uuid(as_uuid=False)),
    Column("rule_version", Integer),
    Column("reasons", JSONB, nullable=False),
    Column("note", Text),
    Column("user_id", Uuid(as_uuid=False)),
    Column("user_name", Text),
)
"""Each change of what counts."""
Index("ix_standing_history_customer", history.c.customer_id, history.c.id)
Index("ix_standing_history_topic", history.c.customer_id, history.c.topic, history.c.id)
