"""ReviewRuleService and ReviewService."""

from __future__ import annotations

from crm.customer.v1 import review_rules_pb2 as pb
from crm.customer.v1 import reviews_pb2
from crm.records.v1 import jobs_pb2
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from customer.review import many
from customer.review.rules import REVIEW_RULES


class ReviewRuleServicer(Servicer):
    record = REVIEW_RULES
    service = pb.DESCRIPTOR.services_by_name["ReviewRuleService"]


class ReviewServicer:
    def BulkApprove(self, call: Call, request: reviews_pb2.BulkApproveRequest) -> jobs_pb2.Job:
        return many.start(call, many.APPROVE, request)

    def BulkReturn(self, call: Call, request: reviews_pb2.BulkReturnRequest) -> jobs_pb2.Job:
        return many.start(call, many.RETURN, request)
