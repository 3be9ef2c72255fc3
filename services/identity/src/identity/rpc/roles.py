"""RoleService: the standard RPCs, and the list of rights."""

from crm.identity.v1 import roles_pb2 as pb
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from identity import rights
from identity.roles import ROLES


class RoleServicer(Servicer):
    record = ROLES
    service = pb.DESCRIPTOR.services_by_name["RoleService"]

    def ListRights(self, _call: Call, _request: pb.ListRightsRequest) -> pb.ListRightsResponse:
        every = rights.every().items()
        return pb.ListRightsResponse(
            rights=[pb.ListRightsResponse.Right(right=r, label_zh=zh, label_en=en) for r, (zh, en) in every]
        )
