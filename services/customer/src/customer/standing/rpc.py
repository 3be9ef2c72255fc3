"""StandingService."""

from __future__ import annotations

from crm.customer.v1 import standings_pb2 as pb
from crm_kit.rpc import Call
from customer.standing import overruling, showing


class StandingServicer:
    def ListStandings(self, call: Call, request: pb.ListStandingsRequest) -> pb.ListStandingsResponse:
        return showing.of_customer(call, request.customer_id)

    def ListStandingHistory(self, call: Call, request: pb.ListStandingHistoryRequest) -> pb.ListStandingHistoryResponse:
        return showing.past(call, request)

    def OverruleStanding(self, call: Call, request: pb.OverruleStandingRequest) -> pb.Standing:
        overruling.overrule(call, request)
        return showing.one(call, request.customer_id, request.topic)

    def TakeBackOverruling(self, call: Call, request: pb.TakeBackOverrulingRequest) -> pb.Standing:
        overruling.take_back(call, request)
        return showing.one(call, request.customer_id, request.topic)
