"""Pipelines and opportunities: the standard RPCs, the verbs, and the sums of a board."""

from __future__ import annotations

from decimal import Decimal

from crm.sales.v1 import opportunities_pb2 as pb
from crm_kit.rpc import Call
from crm_records import counting, rows, visibility, writing
from crm_records.servicer import Servicer
from sales import verbs
from sales.lines import CENT
from sales.opportunities import OPPORTUNITIES
from sales.pipelines import PIPELINES
from sales.tables import opportunity

_SERVICES = pb.DESCRIPTOR.services_by_name
_WEIGHTED = opportunity.c.expected_amount * opportunity.c.probability / 100


class PipelineServicer(Servicer):
    record = PIPELINES
    service = _SERVICES["PipelineService"]


class OpportunityServicer(Servicer):
    record = OPPORTUNITIES
    service = _SERVICES["OpportunityService"]

    def AssignOpportunity(self, call: Call, request: pb.AssignOpportunityRequest) -> pb.Opportunity:
        return verbs.assign(call, request)

    def MoveOpportunity(self, call: Call, request: pb.MoveOpportunityRequest) -> pb.Opportunity:
        return verbs.move(call, request)

    def WinOpportunity(self, call: Call, request: pb.WinOpportunityRequest) -> pb.Opportunity:
        return verbs.win(call, request)

    def LoseOpportunity(self, call: Call, request: pb.LoseOpportunityRequest) -> pb.Opportunity:
        return verbs.lose(call, request)

    def ReopenOpportunity(self, call: Call, request: pb.ReopenOpportunityRequest) -> pb.Opportunity:
        return verbs.reopen(call, request)

    def ArchiveOpportunity(self, call: Call, request: pb.ArchiveOpportunityRequest) -> pb.Opportunity:
        return verbs.archive(call, request)

    def SummarizeOpportunities(
        self, call: Call, request: pb.SummarizeOpportunitiesRequest
    ) -> pb.SummarizeOpportunitiesResponse:
        by = writing.given(request)["group_by"]
        blind = visibility.blind(call, OPPORTUNITIES)
        expected_seen = "expected_amount" not in blind
        weighted_seen = expected_seen and "probability" not in blind
        sums = (opportunity.c.expected_amount, _WEIGHTED)
        groups = counting.group(call, OPPORTUNITIES, by, request.filter, sums=sums)
        return pb.SummarizeOpportunitiesResponse(
            groups=[
                pb.SummarizeOpportunitiesResponse.Group(
                    key=key or "",
                    count=count,
                    expected_amount=_amount(expected) if expected_seen else "",
                    weighted_amount=_amount(weighted) if weighted_seen else "",
                )
                for key, count, expected, weighted in groups
            ]
        )


def _amount(value: Decimal | None) -> str:
    return rows.decimal_text((value or Decimal(0)).quantize(CENT))
