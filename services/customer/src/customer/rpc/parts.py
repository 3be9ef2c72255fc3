"""Contacts, demands and interactions: the standard RPCs, and the timeline."""

from __future__ import annotations

from crm.customer.v1 import contacts_pb2, demands_pb2, interactions_pb2
from crm.records.v1 import records_pb2
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from customer import timeline
from customer.contacts import CONTACTS
from customer.demands import DEMANDS
from customer.interactions import INTERACTIONS
from customer.merging import redirects
from customer.review import marks


class ContactServicer(Servicer):
    record = CONTACTS
    service = contacts_pb2.DESCRIPTOR.services_by_name["ContactService"]

    def GetContact(self, call: Call, request: records_pb2.GetRequest) -> contacts_pb2.Contact:
        found: contacts_pb2.Contact = redirects.get(call, CONTACTS, request)
        return found

    def ApproveContact(self, call: Call, request: contacts_pb2.ApproveContactRequest) -> contacts_pb2.Contact:
        return marks.approve(call, CONTACTS, request)

    def ReturnContact(self, call: Call, request: contacts_pb2.ReturnContactRequest) -> contacts_pb2.Contact:
        return marks.send_back(call, CONTACTS, request)


class DemandServicer(Servicer):
    record = DEMANDS
    service = demands_pb2.DESCRIPTOR.services_by_name["DemandService"]


class InteractionServicer(Servicer):
    record = INTERACTIONS
    service = interactions_pb2.DESCRIPTOR.services_by_name["InteractionService"]

    def ListTimeline(
        self, call: Call, request: interactions_pb2.ListTimelineRequest
    ) -> interactions_pb2.ListTimelineResponse:
        return timeline.timeline(call, request)
