"""The RPCs of duplicates."""

from __future__ import annotations

from crm.customer.v1 import duplicate_clusters_pb2 as clusters_pb
from crm.customer.v1 import duplicate_dismissals_pb2 as dismissals_pb
from crm.customer.v1 import duplicate_keys_pb2 as keys_pb
from crm.customer.v1 import duplicates_pb2 as pb
from crm.records.v1 import jobs_pb2
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from customer.duplicates import checking, dismissals, key_switch, listing


class DuplicateServicer:
    def CheckDuplicates(self, call: Call, request: pb.CheckDuplicatesRequest) -> pb.CheckDuplicatesResponse:
        return checking.check(call, request)


class DuplicateKeyServicer(Servicer):
    record = key_switch.KEYS
    service = keys_pb.DESCRIPTOR.services_by_name["DuplicateKeyService"]

    def SwitchOnDuplicateKey(self, call: Call, request: keys_pb.SwitchDuplicateKeyRequest) -> keys_pb.DuplicateKey:
        return key_switch.switch_on(call, request)

    def SwitchOffDuplicateKey(self, call: Call, request: keys_pb.SwitchDuplicateKeyRequest) -> keys_pb.DuplicateKey:
        return key_switch.switch_off(call, request)


class DuplicateDismissalServicer(Servicer):
    record = dismissals.DISMISSALS
    service = dismissals_pb.DESCRIPTOR.services_by_name["DuplicateDismissalService"]


class DuplicateClusterServicer:
    def FindDuplicateClusters(self, call: Call, _request: clusters_pb.FindDuplicateClustersRequest) -> jobs_pb2.Job:
        return listing.find(call)

    def ListDuplicateClusters(
        self, call: Call, request: clusters_pb.ListDuplicateClustersRequest
    ) -> clusters_pb.ListDuplicateClustersResponse:
        return listing.page(call, request)
