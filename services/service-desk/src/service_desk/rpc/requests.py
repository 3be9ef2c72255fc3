"""ServiceRequestService: the standard RPCs, and the way of a request from hand to hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from crm.records.v1 import records_pb2 as records_pb
from crm.service_desk.v1 import requests_pb2 as pb
from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import listing, writing
from crm_records.record import Row
from crm_records.servicer import Servicer
from service_desk.requests import CONTENT, REQUESTS, STATES, merge_target

_TAKEN_OVER = ("kind", "customer_id", "contact_id", "product_id", "priority", "channel")
"""What the second request of a split has of the first."""


class ServiceRequestServicer(Servicer):
    record = REQUESTS
    service = pb.DESCRIPTOR.services_by_name["ServiceRequestService"]

    def AssignServiceRequest(self, call: Call, request: pb.AssignServiceRequestRequest) -> pb.ServiceRequest:
        return writing.act(call, REQUESTS, request.id, request.etag, "assign", writing.given(request))

    def HandleServiceRequest(self, call: Call, request: pb.HandleServiceRequestRequest) -> pb.ServiceRequest:
        done = writing.given(request)

        def handle(before: Row) -> dict[str, Any]:
            now = datetime.now(UTC)
            return {**done, "handler_id": call.caller.user_id, "handle_time": now, "rounds": before["rounds"] + 1}

        return writing.act(call, REQUESTS, request.id, request.etag, "handle", handle)

    def FeedBackServiceRequest(self, call: Call, request: pb.FeedBackServiceRequestRequest) -> pb.ServiceRequest:
        said = {**writing.given(request), "feedback_time": datetime.now(UTC)}
        to = "feedback" if said["satisfaction"] >= CONTENT else "assigned"
        return writing.act(call, REQUESTS, request.id, request.etag, "feedBack", said, to=to)

    def ArchiveServiceRequest(self, call: Call, request: pb.ArchiveServiceRequestRequest) -> pb.ServiceRequest:
        put_away = {"archive_time": datetime.now(UTC)}
        return writing.act(call, REQUESTS, request.id, request.etag, "archive", put_away)

    def MergeServiceRequest(self, call: Call, request: pb.MergeServiceRequestRequest) -> pb.ServiceRequest:
        into_id = writing.given(request)["into_id"]

        def merge(before: Row) -> dict[str, Any]:
            into = merge_target(call, before, into_id)
            return {
                "merged_into_id": into["id"],
                "archive_time": datetime.now(UTC),
                "linked_ids": list(dict.fromkeys([*before["linked_ids"], into["id"]])),
            }

        return writing.act(call, REQUESTS, request.id, request.etag, "merge", merge)

    def SplitServiceRequest(self, call: Call, request: pb.SplitServiceRequestRequest) -> pb.ServiceRequest:
        made = pb.ServiceRequest(summary=request.summary, request=request.request)

        def split(before: Row) -> dict[str, Any]:
            if before["state"] == "archived":
                label = STATES.labels["archived"]
                raise errors.Conflict("action_not_allowed", state=label, action=("拆分", "split it"))
            for name in _TAKEN_OVER:
                setattr(made, name, before[name] or "")
            made.id = writing.create(call, REQUESTS, made, taken_over=_TAKEN_OVER).id
            return {"linked_ids": [*before["linked_ids"], made.id]}

        writing.write(call, REQUESTS, request.id, request.etag, "split", split)
        return listing.get(call, REQUESTS, records_pb.GetRequest(id=made.id))
