"""HandoverService: the preview, the start, the way back."""

from __future__ import annotations

from typing import Any

from crm.identity.v1 import handovers_pb2 as pb
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from identity import handover_steps
from identity.handovers import HANDOVERS


class HandoverServicer(Servicer):
    record = HANDOVERS
    service = pb.DESCRIPTOR.services_by_name["HandoverService"]

    def CreateHandover(self, call: Call, request: pb.CreateHandoverRequest) -> pb.Handover:
        return handover_steps.create(call, request)

    def StartHandover(self, call: Call, request: pb.StartHandoverRequest) -> Any:
        return handover_steps.start(call, request)

    def UndoHandover(self, call: Call, request: pb.UndoHandoverRequest) -> Any:
        return handover_steps.undo(call, request)
