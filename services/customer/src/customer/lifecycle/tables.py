"""Rules of the lifecycle."""

from sqlalchemy import Index

from crm.customer.v1.lifecycles_pb2 import LifecycleRule
from crm_records import schema
from customer.tables import metadata

lifecycle_rule = schema.table(metadata, LifecycleRule.DESCRIPTOR, "lifecycle_rule")
_c = lifecycle_rule.c
Index(
    "uq_lifecycle_rule_active",
    _c.state,
    unique=True,
    postgresql_where=(_c.state == "active") & _c.delete_time.is_(None),
)
schema.tell_unique(lifecycle_rule, LifecycleRule.DESCRIPTOR)
