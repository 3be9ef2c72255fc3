"""Rules of relation grading."""

from sqlalchemy import Index

from crm.customer.v1.gradings_pb2 import GradingRule
from crm_records import schema
from customer.tables import metadata

grading_rule = schema.table(metadata, GradingRule.DESCRIPTOR, "grading_rule")
_c = grading_rule.c
Index(
    "uq_grading_rule_position",
    _c.position,
    unique=True,
    postgresql_where=(_c.state == "active") & _c.delete_time.is_(None),
)
schema.tell_unique(grading_rule, GradingRule.DESCRIPTOR)
