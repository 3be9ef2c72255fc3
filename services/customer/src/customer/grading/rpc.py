"""GradingRuleService."""

from __future__ import annotations

from typing import Any

from crm.customer.v1 import gradings_pb2 as pb
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from customer import clock
from customer.grading import grading
from customer.grading.rules import GRADING_RULES


class GradingRuleServicer(Servicer):
    record = GRADING_RULES
    service = pb.DESCRIPTOR.services_by_name["GradingRuleService"]

    def ActivateGradingRule(self, call: Call, request: pb.ActivateGradingRuleRequest) -> Any:
        return GRADING_RULES.activate(call, request)

    def RetireGradingRule(self, call: Call, request: pb.RetireGradingRuleRequest) -> Any:
        return GRADING_RULES.retire(call, request)

    def SimulateGradingRule(self, call: Call, request: pb.SimulateGradingRuleRequest) -> pb.SimulateGradingRuleResponse:
        return grading.simulate(call, request.id, clock.today(call))
