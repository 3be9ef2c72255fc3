"""Tables of alerts."""

from sqlalchemy import Column, Index, Text

from crm.customer.v1.alert_rules_pb2 import AlertRule
from crm.customer.v1.alerts_pb2 import Alert
from crm_records import schema
from customer.tables import demand, metadata

alert_rule = schema.table(metadata, AlertRule.DESCRIPTOR, "alert_rule")
Index(
    "uq_alert_rule_place",
    *(alert_rule.c.kind, alert_rule.c.level, alert_rule.c.department_id),
    unique=True,
    postgresql_nulls_not_distinct=True,
    postgresql_where=alert_rule.c.delete_time.is_(None),
)

alert = schema.table(metadata, Alert.DESCRIPTOR, "alert", Column("unique_key", Text, nullable=False))
"""`unique_key` names the reason, "birthday:<contact>": as long as it holds it is raised once."""
Index("uq_alert_lasting", alert.c.unique_key, unique=True, postgresql_where=alert.c.state != "done")
Index("ix_alert_record_id", alert.c.record_id)
Index("ix_alert_user_id", alert.c.user_id, alert.c.id)
Index("ix_alert_open", alert.c.customer_id, postgresql_where=alert.c.state != "done")

Index("ix_demand_valid_until", demand.c.customer_id, demand.c.valid_until)
