"""ReportService: what is asked is checked, what may be seen is decided, the rest is SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from crm.reporting.v1 import reports_pb2 as pb
from crm_kit import errors, scope
from crm_kit.errors import Problem
from crm_kit.field_names import camel
from crm_kit.rpc import Call
from crm_records import fields, sql, validation
from reporting import figures, names, sight, summaries
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
        by, seen = asked["group_by"], sight.measures(call, "opportunity")
        order = _order(call, asked, seen, ends)
        query = summaries.of_opportunities(by, shape, order, period)
        answer = pb.OpportunitySummary(fresh_time=fresh_time(call.connection))
        bound = {"lines": asked["limit"] or LINES, **ends}
        for line, row in _lines(call, "opportunity", by, summaries.OPPORTUNITIES[by], query, answer, bound):
            of = {
                "won_count": int(row.won or 0),
                "won_amount": f"{row.won_amount or 0:.2f}",
                "open_amount": f"{row.open_amount or 0:.2f}",
                "win_rate": int(row.won) / int(row.won + row.lost) if row.won or row.lost else None,
                "mean_cycle_days": int(row.cycle_days) / int(row.cycles) if row.cycles else None,
            }
            _fill(line, of, seen)
        return answer

    def GetFunnel(self, call: Call, request: pb.GetFunnelRequest) -> pb.Funnel:
        call.need("opportunity.read")
        if not sight.sees(call, "opportunity", sight.FUNNEL):
            raise errors.Denied("report_of_closed_fields")
        return funnel(call, _checked(request)["pipeline_id"] or "")

    def GetCustomerSummary(self, call: Call, request: pb.GetCustomerSummaryRequest) -> pb.CountSummary:
        call.need("customer.read")
        by = _checked(request)["group_by"]
        query = summaries.of_customers(by, scope.shape(call.access.reach("customer", "customer.read")))
        answer = pb.CountSummary(fresh_time=fresh_time(call.connection))
        for _ in _lines(call, "customer", by, summaries.CUSTOMERS[by], query, answer, {"lines": LINES}):
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
        seen = sight.measures(call, "service_request")
        for line, row in _lines(call, "service_request", by, group, query, answer, {"lines": LINES}):
            of = {
                "open_count": int(row.open or 0),
                "mean_satisfaction": int(row.satisfaction) / int(row.satisfied) if row.satisfied else None,
                "mean_handling_hours": float(row.seconds) / 3600 / int(row.handled) if row.handled else None,
            }
            _fill(line, of, seen)
        return answer


def _lines(
    call: Call, resource: str, by: str, group: Group, query: sql.Prepared, answer: Any, bound: dict[str, Any]
) -> Iterator[tuple[Any, Any]]:
    """Each line of the answer with its row: key, label and count are filled in."""
    sight.refuse_group(call, resource, by)
    parameters = scope.parameters(call.access.reach(resource, f"{resource}.read"))
    for row in figures.rows(query, call.connection, {**parameters, **bound}):
        if row.total:
            line = answer.total
            line.label = names.in_language(names.TOTAL, call.language)
        else:
            line = answer.rows.add(key=row.key or "")
            zh, en = group.labels.get(line.key, (row.label_zh, row.label_en))
            zh, en = (sight.label(call, by, text or "") for text in (zh, en))
            line.label = names.label(line.key, zh, en, call.language)
        line.count = int(row.n or 0)
        yield line, row


def _order(call: Call, asked: dict[str, Any], seen: frozenset[str], ends: Mapping[str, Any]) -> str:
    """The order of the lines. Neither it nor a period may tell what the caller does not see."""
    wrong = [n for n in ends if not sight.sees(call, "opportunity", sight.PERIOD)]
    order: str = asked["order_by"] or ("won_amount" if "won_amount" in seen else "count")
    if order in sight.MEASURES["opportunity"] and order not in seen:
        wrong.append("order_by")
    if wrong:
        raise errors.Invalid(*(Problem(camel(n), "unknown_field", {"name": camel(n)}) for n in wrong))
    return order


def _fill(line: Any, figures: Mapping[str, Any], seen: frozenset[str]) -> None:
    """Put the figures that there are and that the caller sees into a line."""
    for name, value in figures.items():
        if value is not None and name in seen:
            setattr(line, name, value)


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
