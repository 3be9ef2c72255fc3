"""SegmentService."""

from __future__ import annotations

from crm.customer.v1 import segments_pb2 as pb
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from customer.segments import members
from customer.segments.record import SEGMENTS


class SegmentServicer(Servicer):
    record = SEGMENTS
    service = pb.DESCRIPTOR.services_by_name["SegmentService"]

    def ListSegmentMembers(self, call: Call, request: pb.ListSegmentMembersRequest) -> pb.ListSegmentMembersResponse:
        return members.page(call, request)

    def CountSegmentMembers(self, call: Call, request: pb.CountSegmentMembersRequest) -> pb.CountSegmentMembersResponse:
        return pb.CountSegmentMembersResponse(count=members.count(call, request.id))

    def FreezeSegment(self, call: Call, request: pb.FreezeSegmentRequest) -> pb.FreezeSegmentResponse:
        return pb.FreezeSegmentResponse(job_id=members.start(call, request))

    def AddSegmentMembers(self, call: Call, request: pb.SegmentMembersRequest) -> pb.SegmentMembersResponse:
        return pb.SegmentMembersResponse(changed=members.put(call, request, members.ADDED))

    def RemoveSegmentMembers(self, call: Call, request: pb.SegmentMembersRequest) -> pb.SegmentMembersResponse:
        return pb.SegmentMembersResponse(changed=members.put(call, request, members.REMOVED))
