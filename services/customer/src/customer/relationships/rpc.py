"""RelationshipService and RelationshipKindService."""

from __future__ import annotations

from crm.customer.v1 import relationship_kinds_pb2
from crm.customer.v1 import relationships_pb2 as pb
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from customer.relationships import drawing
from customer.relationships.kinds import RELATIONSHIP_KINDS
from customer.relationships.record import RELATIONSHIPS


class RelationshipServicer(Servicer):
    record = RELATIONSHIPS
    service = pb.DESCRIPTOR.services_by_name["RelationshipService"]

    def GetRelationshipMap(self, call: Call, request: pb.GetRelationshipMapRequest) -> pb.RelationshipMap:
        return drawing.draw(call, request)


class RelationshipKindServicer(Servicer):
    record = RELATIONSHIP_KINDS
    service = relationship_kinds_pb2.DESCRIPTOR.services_by_name["RelationshipKindService"]
