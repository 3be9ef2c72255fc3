"""LifecycleRuleService."""

from __future__ import annotations

from typing import Any

from crm.customer.v1 import lifecycles_pb2 as pb
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from customer.lifecycle.rules import LIFECYCLE_RULES


class LifecycleRuleServicer(Servicer):
    record = LIFECYCLE_RULES
    service = pb.DESCRIPTOR.services_by_name["LifecycleRuleService"]

    def ActivateLifecycleRule(self, call: Call, request: pb.ActivateLifecycleRuleRequest) -> Any:
        return LIFECYCLE_RULES.activate(call, request)

    def RetireLifecycleRule(self, call: Call, request: pb.RetireLifecycleRuleRequest) -> Any:
        return LIFECYCLE_RULES.retire(call, request)
