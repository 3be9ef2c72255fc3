"""ReportService: what is asked is checked, what may be seen is decided, the rest is SQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crm.reporting.v1 import reports_pb2 as pb
from crm_kit import errors, scope
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import fields, sql, validation
from reporting import figures, names, summaries
from reporting.figures import LINES, Group, Period
from reporting.freshness import fresh_time
from reporting.funnel import funnel


class ReportServicer:
    """Every figure is within the caller's scope for the records it counts, and says how fresh it is."""

    def GetOpportunitySummary(self, call: Call, request: pb.GetOpportunitySummaryRequest) -> pb.OpportunitySummary:
        call.need("opportunity.read")
        asked = _checked(request)
        ends = {n: asked[n] for n in ("from_date", "until_date") if asked[n] is not None}
        period = Period(begins="from_date" in ends, ends="until_date" in ends)
        shape = scope.shape(call.access.reach("opportunity", "opportunity.read"))
        query = summaries.of_opportunities(asked["group_by"], shape, asked["order_by"] or "won_amount", period)
        answer = pb.OpportunitySummary(fresh_time=fresh_time(call.connection))
        group = summaries.OPPORTUNITIES[asked["group_by"]]
        bound = {"lines": asked["limit"] or LINES, **ends}
        for line, row in _lines(call, "opportunity", group, query, answer, bound):
            line.won_count = int(row.won or 0)
            line.won_amount, line.open_amount = f"{row.won_amount or 0:.2f}", f"{row.open_amount or 0:.2f}"
            if row.won or row.lost:
                line.win_rate = int(row.won) / int(row.won + row.lost)
            if row.cycles:
                line.mean_cycle_days = int(row.cycle_days) / int(row.cycles)
        return answer

    def GetFunnel(self, call: Call, request: pb.GetFunnelRequest) -> pb.Funnel:
        call.need("opportunity.read")
        return funnel(call, _checked(request)["pipeline_id"] or "")

    def GetCustomerSummary(self, call: Call, request: pb.GetCustomerSummaryRequest) -> pb.CountSummary:
        call.need("customer.read")
        by = _checked(request)["group_by"]
        query = summaries.of_customers(by, scope.shape(call.access.reach("customer", "customer.read")))
        answer = pb.CountSummary(fresh_time=fresh_time(call.connection))
        for _ in _lines(call, "customer", summaries.CUSTOMERS[by], query, answer, {"lines": LINES}):
            pass
        return answer

    def GetServiceSummary(self, call: Call, request: pb.GetServiceSummaryRequest) -> pb.ServiceSummary:
        call.need("service_request.read")
        by = _checked(request)["group_by"]
        query = summaries.of_service_requests(
            by, scope.shape(call.access.reach("service_request", "service_request.read"))
        )
        answer = pb.ServiceSummary(fresh_time=fresh_time(call.connection))
        group = summaries.SERVICE_REQUESTS[by]
        for line, row in _lines(call, "service_request", group, query, answer, {"lines": LINES}):
            line.open_count = int(row.open or 0)
            if row.satisfied:
                line.mean_satisfaction = int(row.satisfaction) / int(row.satisfied)
            if row.handled:
                line.mean_handling_hours = float(row.seconds) / 3600 / int(row.handled)
        return answer


def _lines(
    call: Call, resource: str, group: Group, query: sql.Prepared, answer: Any, bound: dict[str, Any]
) -> Iterator[tuple[Any, Any]]:
    """Each line of the answer with its row: key, label and count are filled in."""
    parameters = scope.parameters(call.access.reach(resource, f"{resource}.read"))
    for row in figures.rows(query, call.connection, {**parameters, **bound}):
        if row.total:
            line = answer.total
            line.label = names.in_language(names.TOTAL, call.language)
        else:
            line = answer.rows.add(key=row.key or "")
            zh, en = group.labels.get(line.key, (row.label_zh, row.label_en))
            line.label = names.label(line.key, zh, en, call.language)
        line.count = int(row.n or 0)
        yield line, row


def _checked(request: Any) -> dict[str, Any]:
    """The request's own fields, by the contract; one problem for each wrong one."""
    known = fields.of(request.DESCRIPTOR)
    problems: list[Problem] = []
    asked = validation.row_values(request, known, known, problems)
    begin, end = asked.get("from_date"), asked.get("until_date")
    if begin and end and end < begin:
        problems.append(Problem("untilDate", "too_small", {"label": known["until_date"].label, "limit": begin}))
    if problems:
        raise errors.Invalid(*problems)
    return asked
