"""ChurnRuleService and ChurnCaseService."""

from __future__ import annotations

from typing import Any

from crm.customer.v1 import churn_cases_pb2, churn_rules_pb2
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from customer.churn import cases, statistics
from customer.churn.cases import CHURN_CASES
from customer.churn.rules import CHURN_RULES


class ChurnRuleServicer(Servicer):
    record = CHURN_RULES
    service = churn_rules_pb2.DESCRIPTOR.services_by_name["ChurnRuleService"]

    def ActivateChurnRule(self, call: Call, request: churn_rules_pb2.ActivateChurnRuleRequest) -> Any:
        return CHURN_RULES.activate(call, request)

    def RetireChurnRule(self, call: Call, request: churn_rules_pb2.RetireChurnRuleRequest) -> Any:
        return CHURN_RULES.retire(call, request)


class ChurnCaseServicer(Servicer):
    record = CHURN_CASES
    service = churn_cases_pb2.DESCRIPTOR.services_by_name["ChurnCaseService"]

    def PostponeChurnCase(self, call: Call, request: churn_cases_pb2.PostponeChurnCaseRequest) -> Any:
        return cases.postpone(call, request)

    def ConfirmChurnCase(self, call: Call, request: churn_cases_pb2.ConfirmChurnCaseRequest) -> Any:
        return cases.confirm(call, request)

    def RegainChurnCase(self, call: Call, request: churn_cases_pb2.RegainChurnCaseRequest) -> Any:
        return cases.end(call, request, "regain")

    def CloseChurnCase(self, call: Call, request: churn_cases_pb2.CloseChurnCaseRequest) -> Any:
        return cases.end(call, request, "close")

    def CountChurn(self, call: Call, request: churn_cases_pb2.CountChurnRequest) -> churn_cases_pb2.CountChurnResponse:
        return statistics.count(call, request)
