"""PrivacyRequestService: every RPC asks for the right on all records."""

from __future__ import annotations

from typing import Any

from crm.identity.v1 import privacy_pb2 as pb
from crm.records.v1 import records_pb2 as records_pb
from crm_kit.rpc import Call
from crm_records import listing, writing
from crm_records.exporting import refuse_narrow
from crm_records.servicer import Servicer
from identity import privacy_requests
from identity.privacy_requests import REQUESTS


class PrivacyRequestServicer(Servicer):
    record = REQUESTS
    service = pb.DESCRIPTOR.services_by_name["PrivacyRequestService"]

    def GetPrivacyRequest(self, call: Call, request: records_pb.GetRequest) -> Any:
        refuse_narrow(call)
        return listing.get(call, REQUESTS, request)

    def ListPrivacyRequests(self, call: Call, request: records_pb.ListRequest) -> pb.ListPrivacyRequestsResponse:
        refuse_narrow(call)
        page = listing.page(call, REQUESTS, request)
        return pb.ListPrivacyRequestsResponse(
            privacy_requests=page.messages,
            next_page_token=page.next_page_token,
            total=page.total,
            total_capped=page.total_capped,
        )

    def CreatePrivacyRequest(self, call: Call, request: pb.CreatePrivacyRequestRequest) -> Any:
        refuse_narrow(call)
        return writing.create(call, REQUESTS, request.privacy_request)

    def StartPrivacyRequest(self, call: Call, request: pb.StartPrivacyRequestRequest) -> Any:
        refuse_narrow(call)
        return privacy_requests.start(call, request)

    def RepeatPrivacyRequest(self, call: Call, request: pb.RepeatPrivacyRequestRequest) -> Any:
        refuse_narrow(call)
        return privacy_requests.repeat(call, request)
