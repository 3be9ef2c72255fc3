"""VisitService and VisitRuleService."""

from __future__ import annotations

from crm.customer.v1 import visit_rules_pb2
from crm.customer.v1 import visits_pb2 as pb
from crm_kit.rpc import Call
from crm_records.servicer import Servicer
from customer.visits import calendar, verbs
from customer.visits.record import VISITS
from customer.visits.rules import VISIT_RULES


class VisitServicer(Servicer):
    record = VISITS
    service = pb.DESCRIPTOR.services_by_name["VisitService"]

    def CheckInVisit(self, call: Call, request: pb.CheckInVisitRequest) -> pb.Visit:
        return verbs.check_in(call, request)

    def CheckOutVisit(self, call: Call, request: pb.CheckOutVisitRequest) -> pb.Visit:
        return verbs.check_out(call, request)

    def ReportVisit(self, call: Call, request: pb.ReportVisitRequest) -> pb.Visit:
        return verbs.report(call, request)

    def CancelVisit(self, call: Call, request: pb.CancelVisitRequest) -> pb.Visit:
        return verbs.cancel(call, request)

    def CommentVisit(self, call: Call, request: pb.CommentVisitRequest) -> pb.Visit:
        return verbs.comment(call, request)

    def GetVisitCalendar(self, call: Call, request: pb.GetVisitCalendarRequest) -> pb.VisitCalendar:
        return calendar.calendar(call, request)

    def GetVisitRoute(self, call: Call, request: pb.GetVisitRouteRequest) -> pb.VisitRoute:
        return calendar.route(call, request)

    def GetVisitStatistics(self, call: Call, request: pb.GetVisitStatisticsRequest) -> pb.VisitStatistics:
        return calendar.statistics(call, request)


class VisitRuleServicer(Servicer):
    record = VISIT_RULES
    service = visit_rules_pb2.DESCRIPTOR.services_by_name["VisitRuleService"]
