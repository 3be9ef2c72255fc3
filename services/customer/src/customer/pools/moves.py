"""What came into pools and went, listed and counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select

from crm.customer.v1 import pool_customers_pb2 as moves_pb
from crm.customer.v1 import pools_pb2 as pb
from crm_kit import errors, organisation
from crm_kit.pool import today
from crm_kit.rpc import Call
from crm_records import dictionaries, paging, validation
from crm_records import fields as kinds
from customer.pools.config import administers, of_row
from customer.pools.tables import pool, pool_move
from customer.tables import customer

USUAL_DAYS = 30
_c = pool_move.c


def administered(call: Call, pool_id: str) -> None:
    """Refuse unless the caller administers a pool or configures pools. NOT_FOUND for an unknown one."""
    query = select(pool).where(pool.c.id == pool_id, pool.c.delete_time.is_(None))
    row = call.connection.execute(query).one_or_none() if kinds.is_id(pool_id) else None
    if row is None:
        raise errors.NotFound()
    if call.access.may("pool.configure"):
        return
    if not administers(of_row(row), call.access.user_id, call.access.role_codes):
        raise errors.Denied("not_pool_administrator")


def page(call: Call, of: ColumnElement[bool], request: Any) -> moves_pb.ListPoolMovesResponse:
    """Moves, newest first."""
    size = paging.page_size(request)
    query = select(pool_move, customer.c.number).outerjoin(customer, customer.c.id == _c.customer_id).where(of)
    if request.page_token:
        if not kinds.is_id(request.page_token):
            raise errors.Invalid(key="bad_page_token")
        query = query.where(_c.id < request.page_token)
    rows = call.connection.execute(query.order_by(_c.id.desc()).limit(size + 1)).all()
    token = rows[size - 1].id if len(rows) > size else ""
    return moves_pb.ListPoolMovesResponse(moves=_messages(call, rows[:size]), next_page_token=token)


def newest(call: Call, customer_id: str) -> moves_pb.PoolMove:
    """The last move of a customer."""
    query = select(pool_move, customer.c.number).join(customer, customer.c.id == _c.customer_id)
    row = call.connection.execute(query.where(_c.customer_id == customer_id).order_by(_c.id.desc()).limit(1)).one()
    return _messages(call, [row])[0]


def _messages(call: Call, rows: Sequence[Any]) -> list[moves_pb.PoolMove]:
    ways = ("from_user", "to_user", "actor")
    people = {getattr(r, f"{way}_id") for r in rows for way in ways} - {None}
    names = organisation.names(call.connection, people)
    made = []
    for row in rows:
        words: dict[str, Any] = {n: getattr(row, n) or "" for n in ("number", "reason", "note")}
        facts: dict[str, Any] = {
            n: getattr(row, n) for n in ("id", "pool_id", "customer_id", "into", "kind", "time", "pool_version", "rule")
        }
        message = moves_pb.PoolMove(**words, **facts, day=row.day.isoformat(), reason_label=_label(call, row.reason))
        for way in ways:
            who = getattr(row, f"{way}_id")
            setattr(message, f"{way}_id", who or "")
            setattr(message, f"{way}_name", names.get(who, ""))
        made.append(message)
    return made


def _label(call: Call, reason: str | None) -> str:
    return dictionaries.label(call, "return_reason", reason) if reason else ""


def period(request: Any, first: date, last: date) -> tuple[date, date]:
    """The days of a request, or these. INVALID_ARGUMENT for what is no day, or a period that ends before it begins."""
    named = kinds.of(request.DESCRIPTOR)
    problems: list[errors.Problem] = []
    given = validation.row_values(request, ("from_date", "until_date"), named, problems)
    begin, end = given["from_date"] or first, given["until_date"] or last
    if not problems and end < begin:
        problems.append(errors.Problem("untilDate", "ends_before_start"))
    if problems:
        raise errors.Invalid(*problems)
    return begin, end


def statistics(call: Call, request: pb.GetPoolStatisticsRequest) -> pb.PoolStatistics:
    """The size of a pool and what came and went on these days, by reason."""
    last = today()
    begin, end = period(request, last - timedelta(days=USUAL_DAYS - 1), last)
    size = select(func.count()).select_from(customer)
    size = size.where(customer.c.pool_id == request.id, customer.c.delete_time.is_(None))
    answer = pb.PoolStatistics(size=call.connection.scalar(size))
    count = func.count().label("n")
    query = select(_c.into, _c.kind, _c.reason, count).where(_c.pool_id == request.id, _c.day.between(begin, end))
    for row in call.connection.execute(query.group_by(_c.into, _c.kind, _c.reason).order_by(count.desc(), _c.kind)):
        lines = answer.incoming if row.into else answer.outgoing
        lines.add(kind=row.kind, reason=row.reason or "", reason_label=_label(call, row.reason), count=row.n)
        if row.into:
            answer.came_in += row.n
        else:
            answer.went_out += row.n
    return answer
