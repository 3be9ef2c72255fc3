"""The reports: which groups each has, what is added up, in which order the lines stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from sqlalchemy import Column, ColumnElement, Double, FromClause, Table, UnaryExpression, cast, extract, func

from crm_kit import organisation, scope
from crm_records import sql
from reporting import figures, names
from reporting.figures import Group, Period
from reporting.tables import dim_product, fact_customer, fact_opportunity, fact_opportunity_line, fact_service_request

_o, _l, _c, _s = fact_opportunity.c, fact_opportunity_line.c, fact_customer.c, fact_service_request.c
_people = partial(names.named, organisation.user)
_departments = partial(names.named, organisation.department)
_customers = partial(names.named, fact_customer)

STATES = {
    "created": ("已创建", "Created"),
    "assigned": ("已分配", "Assigned"),
    "handled": ("已处理", "Handled"),
    "feedback": ("已反馈", "Answered by the customer"),
    "archived": ("已归档", "Archived"),
}
PRIORITIES = {"low": ("低", "Low"), "normal": ("普通", "Normal"), "high": ("高", "High"), "urgent": ("紧急", "Urgent")}
CLOSED = ("feedback", "archived")
"""States in which a service request needs nobody any more."""


def _entries(service: str, dictionary: str) -> Callable[[], Any]:
    return partial(names.entries, service, dictionary)


def _by(column: Column[Any], *how: Any, **more: Any) -> Group:
    return Group(column.table, column, *how, **more)


_REGIONS = _entries("customer", "region")

OPPORTUNITIES = {
    "stage": _by(_o.stage, names=names.stages),
    "product": _by(_l.product_id, names=partial(names.named, dim_product), total_of=fact_opportunity),
    "customer": _by(_o.customer_id, names=_customers),
    "owner": Group(fact_opportunity, names.credited(fact_opportunity), names=_people),
    "manager": Group(fact_opportunity, names.credited(fact_opportunity), names.by_manager, _people),
    "region": Group(fact_opportunity, names.home_of(fact_opportunity), names.by_region, _REGIONS),
    "quarter": _by(_o.quarter),
}
CUSTOMERS = {
    "type": _by(_c.type, names=_entries("customer", "customer_type")),
    "level": _by(_c.level, names=_entries("customer", "customer_level")),
    "relation": _by(_c.relation, names=_entries("customer", "customer_relation")),
    "industry": _by(_c.industry, names=_entries("customer", "industry")),
    "province": _by(_c.province),
    "region": _by(_c.region, names=_REGIONS),
    "source": _by(_c.source, names=_entries("customer", "customer_source")),
    "owner": _by(_c.owner_id, names=_people),
    "department": Group(fact_customer, names.home_of(fact_customer), names.by_department, _departments),
    "month": _by(_c.month),
}
SERVICE_REQUESTS = {
    "state": _by(_s.state, labels=STATES),
    "kind": _by(_s.kind, names=_entries("service-desk", "service_kind")),
    "priority": _by(_s.priority, labels=PRIORITIES),
    "owner": _by(_s.owner_id, names=_people),
    "customer": _by(_s.customer_id, names=_customers),
    "month": _by(_s.month),
}


@cache
def of_opportunities(group: str, shape: scope.Shape, order: str, period: Period) -> sql.Prepared:
    """Opportunities by a group, the lines with the largest figure first."""
    return figures.statement(OPPORTUNITIES[group], _of_opportunities, shape, _ORDERS[order], period)


@cache
def of_customers(group: str, shape: scope.Shape) -> sql.Prepared:
    """Customers by a group, the largest first; months as they pass."""
    return figures.statement(CUSTOMERS[group], _of_customers, shape, _order_of(group), Period())


@cache
def of_service_requests(group: str, shape: scope.Shape) -> sql.Prepared:
    """Service requests by a group, the largest first; months as they pass."""
    return figures.statement(SERVICE_REQUESTS[group], _of_service_requests, shape, _order_of(group), Period())


def _of_opportunities(table: Table) -> Mapping[str, ColumnElement[Any]]:
    c = table.c
    return {
        "n": func.count(),
        "won": func.count().filter(c.outcome == "won"),
        "lost": func.count().filter(c.outcome == "lost"),
        "won_amount": func.sum(c.won_amount),
        "open_amount": func.sum(c.open_amount),
        "cycle_days": func.sum(c.cycle_days),
        "cycles": func.count(c.cycle_days),
    }


def _of_customers(_table: Table) -> Mapping[str, ColumnElement[Any]]:
    return {"n": func.count()}


def _of_service_requests(table: Table) -> Mapping[str, ColumnElement[Any]]:
    c = table.c
    return {
        "n": func.count(),
        "open": func.count().filter(*(c.state != state for state in CLOSED)),
        "satisfaction": func.sum(c.satisfaction),
        "satisfied": func.count(c.satisfaction),
        "seconds": extract("epoch", func.sum(c.first_handle_time - c.create_time)),
        "handled": func.count(c.first_handle_time - c.create_time),
    }


def _largest(name: str, lines: FromClause) -> UnaryExpression[Any]:
    return lines.c[name].desc()


def _best_rate(lines: FromClause) -> UnaryExpression[Any]:
    closed = func.nullif(lines.c.won + lines.c.lost, 0)
    return (cast(lines.c.won, Double) / cast(closed, Double)).desc().nulls_last()


def _by_key(_lines: FromClause) -> None:
    return None


_ORDERS: dict[str, figures.Order] = {
    "won_amount": partial(_largest, "won_amount"),
    "count": partial(_largest, "n"),
    "win_rate": _best_rate,
    "key": _by_key,
}


def _order_of(group: str) -> figures.Order:
    return _by_key if group == "month" else _ORDERS["count"]
