"""ReviewRuleService."""

from __future__ import annotations

from crm.customer.v1 import review_rules_pb2 as pb
from crm_records.servicer import Servicer
from customer.review.rules import REVIEW_RULES


class ReviewRuleServicer(Servicer):
    record = REVIEW_RULES
    service = pb.DESCRIPTOR.services_by_name["ReviewRuleService"]
