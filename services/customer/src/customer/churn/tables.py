"""Churn: rules, cases, and the complaints that other services announce."""

from sqlalchemy import Column, DateTime, Index, Table, Uuid

from crm.customer.v1.churn_cases_pb2 import ChurnCase
from crm.customer.v1.churn_rules_pb2 import ChurnRule
from crm_records import schema
from customer.tables import metadata

churn_rule = schema.table(metadata, ChurnRule.DESCRIPTOR, "churn_rule")

churn_case = schema.table(metadata, ChurnCase.DESCRIPTOR, "churn_case")
_c = churn_case.c
Index(
    "uq_churn_case_open",
    _c.customer_id,
    unique=True,
    postgresql_where=_c.state.in_(("warned", "postponed", "confirmed")) & _c.delete_time.is_(None),
)
Index("ix_churn_case_latest", _c.customer_id, _c.id)
Index("ix_churn_case_confirm_date", _c.confirm_date, _c.id)
schema.tell_unique(churn_case, ChurnCase.DESCRIPTOR)

complaint = Table(
    "customer_complaint",
    metadata,
    Column("request_id", Uuid(as_uuid=False), primary_key=True),
    Column("customer_id", Uuid(as_uuid=False), nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
)
"""Service requests that are complaints."""
Index("ix_customer_complaint_customer_id", complaint.c.customer_id, complaint.c.time)
