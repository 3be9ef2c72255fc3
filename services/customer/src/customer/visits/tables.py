"""Tables of visits."""

from sqlalchemy import Index

from crm.customer.v1.visit_rules_pb2 import VisitRule
from crm.customer.v1.visits_pb2 import Visit
from crm_records import schema
from customer.tables import metadata

visit = schema.table(metadata, Visit.DESCRIPTOR, "visit", searchable=True)
Index("ix_visit_plan_day", visit.c.plan_day, visit.c.plan_start, visit.c.id)
Index("ix_visit_timeline", visit.c.customer_id, visit.c.check_in_time, visit.c.id)
Index("ix_visit_planned", visit.c.plan_start, postgresql_where=visit.c.state == "planned")
Index("ix_visit_participant_ids", visit.c.participant_ids, postgresql_using="gin")

visit_rule = schema.table(metadata, VisitRule.DESCRIPTOR, "visit_rule")
