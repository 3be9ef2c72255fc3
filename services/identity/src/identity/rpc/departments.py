"""DepartmentService: the standard RPCs, and where a department stood."""

from crm.identity.v1 import departments_pb2 as pb
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from identity import moves
from identity.departments import DEPARTMENTS


class DepartmentServicer(Servicer):
    record = DEPARTMENTS
    service = pb.DESCRIPTOR.services_by_name["DepartmentService"]

    def ListDepartmentMoves(self, call: Call, request: pb.ListMovesRequest) -> pb.ListMovesResponse:
        return moves.page(call, DEPARTMENTS, request)
