"""Reading: one record, one page. Scope, filter, order and columns become one prepared statement.

Statements are compiled once for each combination of shapes and run with parameters from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, bindparam, select

from crm.records.v1 import records_pb2 as pb
from crm_kit import errors, scope
from crm_kit.rpc import Call
from crm_records import conditions, counting, frequent, paging, rows, sql, visibility
from crm_records import fields as kinds
from crm_records.conditions import Also
from crm_records.record import Record
from crm_records.showing import chosen_fields, columns_of


@dataclass(frozen=True, slots=True)
class Page:
    """Rows as messages, where the next page begins, and the total if it was asked for."""

    messages: list[Any]
    next_page_token: str
    total: int | None
    total_capped: bool


def get(call: Call, record: Record, request: pb.GetRequest) -> Any:
    """One record within the caller's scope, as far as its fields are the caller's to see."""
    names = chosen_fields(record, request.fields, ())
    view = visibility.of(call, record)
    if view is None:
        return read(call, record, request.id, names, columns_of(record, names))
    names = view.chosen(names, request.fields)
    columns = view.columns(names, columns_of(record, names))
    message = read(call, record, request.id, names, columns)
    finish = view.finisher(names, columns)
    if finish is not None:
        finish(call, message)
    return message


def read(call: Call, record: Record, record_id: str, names: Sequence[str], columns: tuple[str, ...]) -> Any:
    """One record within the caller's scope, every field in full: for what the service itself must know."""
    if not kinds.is_id(record_id):
        raise errors.NotFound()
    reach = record.reach(call)
    shape = scope.shape(reach)
    key = (record, "get", columns, shape)
    statement = sql.KEPT.get(key)
    if statement is None:
        table = record.table
        query = select(*(table.c[c] for c in columns)).where(table.c.id == bindparam("id", type_=table.c.id.type))
        query = query.where(table.c.delete_time.is_(None))
        within = record.within(shape)
        statement = sql.keep(key, sql.prepare(query if within is None else query.where(within)))
    row = statement.run(call.connection, {"id": record_id, **scope.parameters(reach)}).fetchone()
    if row is None:
        raise errors.NotFound()
    message = rows.reader(call.connection, record, columns)(row)
    record.decorate_wanted(call, [message], names)
    return message


def page(call: Call, record: Record, request: pb.ListRequest, *, also: Also = None) -> Page:
    """One page of the records within the caller's scope. `also` narrows it further: a constant of a
    module, or a `Narrowing`."""
    size = paging.page_size(request)
    if request.count not in ("", "none", "capped", "exact"):
        problem = errors.Problem(
            "count",
            "not_a_choice",
            {"label": ("计数方式", "Count"), "value": request.count[:60], "choices": "none, capped, exact"},
        )
        raise errors.Invalid(problem)
    view = visibility.of(call, record)
    order = paging.parse_order(record, request.order_by, view.blind if view is not None else frozenset())
    names = chosen_fields(record, request.fields, record.list_fields)
    names = names if view is None else view.chosen(names, request.fields)
    columns = columns_of(record, names) if view is None else view.columns(names, columns_of(record, names))
    query_hash = paging.hash_of(record, request)
    cursor = paging.read_token(request.page_token, query_hash, order, record) if request.page_token else None
    nulls = tuple(v is None for v in cursor) if cursor else None
    where_key, where, parameters = conditions.of(
        call, record, request.filter, request.search, request.deleted, also, [k.name for k in order if k.name != "id"]
    )

    extra = tuple(k.name for k in order if k.name not in columns)
    windowed, is_rare = _is_windowed(call, record, request, order, also), False
    list_key = (where_key, "window" if windowed else "page", columns, order, nulls)
    bound = {**parameters, "page_rows": size + 1}
    if cursor:
        bound |= {f"cursor_{i}": v for i, v in enumerate(cursor) if v is not None}
    if windowed:
        kept = sql.KEPT.get(list_key)
        if kept is None:
            behind = [paging.behind(record, order, nulls)] if nulls is not None else []
            kept = sql.keep(list_key, frequent.statements(record, where, behind, columns, order))
        if not (is_rare := frequent.is_rare(call.connection, record, request.search, bound)):
            result = kept[0].run(call.connection, bound, planned_anew=True).fetchall()
            is_rare = len(result) <= size
        if is_rare:
            result = kept[1].run(call.connection, bound, planned_anew=True).fetchall()
    else:
        statement = sql.KEPT.get(list_key)
        if statement is None:
            statement = sql.keep(list_key, _page_statement(record, where, (*columns, *extra), order, nulls))
        asked = bool(request.filter or request.search)
        result = statement.run(call.connection, bound, planned_anew=asked).fetchall()

    more = len(result) > size
    result = result[:size]
    fill = rows.reader(call.connection, record, columns)
    messages = [fill(row) for row in result]
    token = ""
    if more:
        places = [(*columns, *extra).index(k.name) for k in order]
        token = paging.write_token([result[-1][p] for p in places], query_hash)
    record.decorate_wanted(call, messages, names)
    finish = view.finisher(names, columns) if view is not None else None
    if finish is not None:
        for message in messages:
            finish(call, message)
    total, capped = None, False
    if request.count in ("capped", "exact"):
        if not more and cursor is None:
            return Page(messages, token, len(result), False)
        total, capped = counting.total(call, record, where_key, where, parameters, request.count, fenced=is_rare)
    return Page(messages, token, total, capped)


def _page_statement(
    record: Record, where: ColumnElement[bool], columns: Sequence[str], order: Sequence[paging.Key], nulls: Any
) -> sql.Prepared:
    table = record.table
    chosen = select(*(table.c[c] for c in columns)).where(where)
    if nulls is not None:
        chosen = chosen.where(paging.behind(record, tuple(order), nulls))
    for k in order:
        chosen = chosen.order_by(table.c[k.name].desc() if k.descending else table.c[k.name].asc())
    return sql.prepare(chosen.limit(bindparam("page_rows", type_=table.c.version.type)))


def _is_windowed(call: Call, record: Record, request: pb.ListRequest, order: Sequence[paging.Key], also: Also) -> bool:
    """Whether nothing decides but words that many rows may hold, in a reach that leaves nothing out."""
    alone = not request.filter.strip() and also is None and not request.deleted and order[0].name == "id"
    if not alone or "search_grams" not in record.table.c or not frequent.may_be_frequent(request.search):
        return False
    return record.within(scope.shape(record.reach(call))) is None and not visibility.unseen_in_search(call, record)
