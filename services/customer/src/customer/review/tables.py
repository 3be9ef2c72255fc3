"""The table of review rules."""

from crm.customer.v1.review_rules_pb2 import ReviewRule
from crm_records import schema
from customer.tables import metadata

review_rule = schema.table(metadata, ReviewRule.DESCRIPTOR, "review_rule")
schema.unique(review_rule, "record_type")
schema.tell_unique(review_rule, ReviewRule.DESCRIPTOR)
