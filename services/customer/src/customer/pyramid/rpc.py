"""PyramidService."""

from __future__ import annotations

from crm.customer.v1 import pyramids_pb2 as pb
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from customer.pyramid import reading, taking
from customer.pyramid.record import PYRAMIDS


class PyramidServicer(Servicer):
    record = PYRAMIDS
    service = pb.DESCRIPTOR.services_by_name["PyramidService"]

    def TakePyramidSnapshot(self, call: Call, request: pb.TakePyramidSnapshotRequest) -> pb.TakePyramidSnapshotResponse:
        return pb.TakePyramidSnapshotResponse(job_id=taking.start(call, request.id))

    def ListPyramidSnapshots(
        self, call: Call, request: pb.ListPyramidSnapshotsRequest
    ) -> pb.ListPyramidSnapshotsResponse:
        return reading.snapshots(call, request)

    def GetPyramidFigures(self, call: Call, request: pb.GetPyramidFiguresRequest) -> pb.PyramidFigures:
        return reading.figures(call, request.snapshot_id)

    def ComparePyramidSnapshots(
        self, call: Call, request: pb.ComparePyramidSnapshotsRequest
    ) -> pb.ComparePyramidSnapshotsResponse:
        return reading.compare(call, request.from_snapshot_id, request.to_snapshot_id)

    def ListPyramidCustomers(
        self, call: Call, request: pb.ListPyramidCustomersRequest
    ) -> pb.ListPyramidCustomersResponse:
        return reading.customers(call, request)
