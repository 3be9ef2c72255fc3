"""The ledger and its sums by month, and what sales tells of its opportunities."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    Uuid,
    text,
)

from crm.customer.v1.trade_pb2 import TradeEntry
from crm_kit import db
from crm_records import schema
from customer.tables import metadata

trade_entry = schema.table(metadata, TradeEntry.DESCRIPTOR, "trade_entry")
trade_entry.append_constraint(CheckConstraint(trade_entry.c.amount != 0, name="ck_trade_entry_amount_not_zero"))
Index("uq_trade_entry_source", trade_entry.c.source_type, trade_entry.c.source_id, unique=True)
trade_entry.append_column(Column("number_shared", Boolean, nullable=False, server_default=text("false")))
"""Another entry of the customer has its document number as well: from before that was refused, or by a merge."""
Index(
    "uq_trade_entry_document_number",
    *(trade_entry.c[n] for n in ("customer_id", "kind", "document_number")),
    unique=True,
    postgresql_where=text("delete_time IS NULL AND NOT number_shared AND source_type IN ('manual', 'import')"),
)
db.UNIQUE["uq_trade_entry_document_number"] = ("documentNumber", ("单据号", "Document number"))
Index("ix_trade_entry_date", trade_entry.c.customer_id, trade_entry.c.date)

trade_month = Table(
    "customer_trade_month",
    metadata,
    Column("customer_id", Uuid(as_uuid=False), primary_key=True),
    # The first day of the month.
    Column("month", Date, primary_key=True),
    Column("order_amount", Numeric(20, 2), nullable=False, server_default=text("0")),
    Column("order_count", Integer, nullable=False, server_default=text("0")),
    Column("receipt_amount", Numeric(20, 2), nullable=False, server_default=text("0")),
    Column("receipt_count", Integer, nullable=False, server_default=text("0")),
)
"""Sums of the living entries in CNY, kept in the transaction of each. Returns lower amounts and are not counted."""

customer_opportunity = Table(
    "customer_opportunity",
    metadata,
    Column("record_id", Uuid(as_uuid=False), primary_key=True),
    Column("customer_id", Uuid(as_uuid=False), nullable=False),
    Column("state", Text, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    # Where it is won; stays when it is archived, goes when it is opened again.
    Column("won_date", Date),
    Column("amount", Numeric(18, 2)),
    Column("version", Integer, nullable=False),
    Column("deleted", Boolean, nullable=False),
)
"""The opportunities of sales as far as rules here ask for them."""
Index("ix_customer_opportunity_customer_id", customer_opportunity.c.customer_id)
