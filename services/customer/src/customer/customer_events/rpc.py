"""CustomerEventService and CustomerEventParticipantService."""

from __future__ import annotations

from crm.customer.v1 import customer_event_participants_pb2
from crm.customer.v1 import customer_events_pb2 as pb
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from customer.customer_events import record
from customer.customer_events.participants import PARTICIPANTS


class CustomerEventServicer(Servicer):
    record = record.CUSTOMER_EVENTS
    service = pb.DESCRIPTOR.services_by_name["CustomerEventService"]

    def HoldCustomerEvent(self, call: Call, request: pb.HoldCustomerEventRequest) -> pb.CustomerEvent:
        return record.hold(call, request)

    def CancelCustomerEvent(self, call: Call, request: pb.CancelCustomerEventRequest) -> pb.CustomerEvent:
        return record.cancel(call, request)

    def CloseCustomerEvent(self, call: Call, request: pb.CloseCustomerEventRequest) -> pb.CustomerEvent:
        return record.close(call, request)


class CustomerEventParticipantServicer(Servicer):
    record = PARTICIPANTS
    service = customer_event_participants_pb2.DESCRIPTOR.services_by_name["CustomerEventParticipantService"]
