"""Reading: one record, one page. Scope, filter, order and columns become one prepared statement.

Statements are compiled once for each combination of shapes and run with parameters from then on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Numeric,
    Table,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    select,
    true,
)
from sqlalchemy.sql import visitors

from crm.records.v1 import records_pb2 as pb
from crm_kit import errors, scope
from crm_kit.rpc import Call
from crm_records import (
    custom_fields,
    filter_language,
    filter_me,
    filters,
    frequent,
    paging,
    pooling,
    rows,
    search,
    sql,
    visibility,
    whole,
)
from crm_records import fields as kinds
from crm_records.record import Record

CAP = 1000
"""A capped total is exact up to here."""
DEFAULT_PAGE, LARGEST_PAGE = 20, 200
GROUPS = 1000
"""Values of a field that are counted at most."""

_NOTHING = cast(null(), Numeric)
_statements: dict[Any, Any] = {}


@dataclass(frozen=True, slots=True)
class Page:
    """Rows as messages, where the next page begins, and the total if it was asked for."""

    messages: list[Any]
    next_page_token: str
    total: int | None
    total_capped: bool


@dataclass(frozen=True, slots=True)
class Narrowing:
    """A condition that comes beside a filter. Its statement is kept by `shape`, which must tell all of it but the
    values of its open parameters; no other parameter of a list may have their names."""

    condition: ColumnElement[bool]
    shape: Any
    values: Mapping[str, Any]
    compared: Collection[str] = ()
    """Fields of the record, and kinds of its parts, that the condition looks at."""


Also = ColumnElement[bool] | Narrowing | None


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
    statement = _statements.get(key)
    if statement is None:
        table = record.table
        query = select(*(table.c[c] for c in columns)).where(table.c.id == bindparam("id", type_=table.c.id.type))
        query = query.where(table.c.delete_time.is_(None))
        within = record.within(shape)
        statement = _keep(key, sql.prepare(query if within is None else query.where(within)))
    row = statement.run(call.connection, {"id": record_id, **scope.parameters(reach)}).fetchone()
    if row is None:
        raise errors.NotFound()
    message = rows.reader(call.connection, record, columns)(row)
    record.decorate_wanted(call, [message], names)
    return message


def page(call: Call, record: Record, request: pb.ListRequest, *, also: Also = None) -> Page:
    """One page of the records within the caller's scope. `also` narrows it further: a constant of a
    module, or a `Narrowing`."""
    size = _page_size(request)
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
    where_key, where, parameters = _selection(
        call, record, request.filter, request.search, request.deleted, also, [k.name for k in order if k.name != "id"]
    )

    extra = tuple(k.name for k in order if k.name not in columns)
    windowed, is_rare = _is_windowed(call, record, request, order, also), False
    list_key = (where_key, "window" if windowed else "page", columns, order, nulls)
    bound = {**parameters, "page_rows": size + 1}
    if cursor:
        bound |= {f"cursor_{i}": v for i, v in enumerate(cursor) if v is not None}
    if windowed:
        kept = _statements.get(list_key)
        if kept is None:
            behind = [paging.behind(record, order, nulls)] if nulls is not None else []
            kept = _keep(list_key, frequent.statements(record, where, behind, columns, order))
        result = kept[0].run(call.connection, bound, planned_anew=True).fetchall()
        if is_rare := len(result) <= size:
            result = kept[1].run(call.connection, bound, planned_anew=True).fetchall()
    else:
        statement = _statements.get(list_key)
        if statement is None:
            statement = _keep(list_key, _page_statement(record, where, (*columns, *extra), order, nulls))
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
        total, capped = _count(call, record, where_key, where, parameters, request.count, fenced=is_rare)
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


def count(call: Call, record: Record, also: Also) -> int:
    """How many records there are within the caller's scope, narrowed as a page would be."""
    key, where, parameters = _selection(call, record, "", "", False, also)
    return _count(call, record, key, where, parameters, "exact")[0]


def count_groups(call: Call, record: Record, name: str, filter_text: str, words: str) -> list[tuple[Any, int]]:
    """How many records there are for each value of a field, most frequent first."""
    return [(key, count) for key, count in group(call, record, name, filter_text, words)]


def group(
    call: Call,
    record: Record,
    name: str,
    filter_text: str,
    words: str = "",
    sums: Sequence[ColumnElement[Any]] = (),
    *,
    also: Also = None,
) -> Sequence[Sequence[Any]]:
    """For each value of a field: the value, how many records have it, and the sums; most frequent first.

    `sums` must be constants; those of fields that the caller does not see in full are null. `also` is as for a
    page: what it leaves is little, so it is counted each time.
    """
    blind = visibility.blind(call, record)
    if name in blind:
        raise errors.Invalid(errors.Problem("groupBy", "unknown_field", {"name": record.fields[name].json_name}))
    sums = [s if blind.isdisjoint(columns_in(s, record.table)) else _NOTHING for s in sums] if blind else sums
    compared = {name}.union(*(columns_in(s, record.table) for s in sums))
    where_key, where, parameters = _selection(call, record, filter_text, words, False, also, compared)
    key = (where_key, "group", name, tuple(sums))
    statement = _statements.get(key)
    if statement is None:
        column = record.table.c[name]
        query = select(column, func.count(), *(func.sum(s) for s in sums)).where(where).group_by(column)
        statement = _keep(key, sql.prepare(query.order_by(func.count().desc(), column).limit(GROUPS)))
    if also is not None:
        return statement.run(call.connection, parameters).fetchall()
    return sql.unchanged(call.connection, statement, parameters)


def columns_in(expression: ColumnElement[Any], table: Table) -> set[str]:
    """The columns of a table that an expression is made of."""
    parts = visitors.iterate(expression)
    return {part.name for part in parts if isinstance(part, Column) and part.table is table}


@lru_cache(maxsize=1000)
def chosen_fields(record: Record, wanted: str, default: Sequence[str]) -> tuple[str, ...]:
    """The fields of a comma-separated list; the default ones where it is empty, all where there are none."""
    if not wanted.strip():
        return tuple(default or record.fields)
    if wanted.strip() == "*":
        return tuple(record.fields)
    by_json = {f.json_name: n for n, f in record.fields.items()}
    names = []
    for one in (w.strip() for w in wanted.split(",")):
        name = one if one in record.fields else by_json.get(one)
        if name is None:
            raise errors.Invalid(errors.Problem("fields", "unknown_field", {"name": one[:60]}))
        names.append(name)
    return tuple(names)


@lru_cache(maxsize=1000)
def columns_of(record: Record, names: Sequence[str]) -> tuple[str, ...]:
    """The columns that hold fields or what they are made of; `id` and the version come along."""
    stored = [c for n in names for c in ((n,) if n in record.stored else record.made_of.get(n, ()))]
    return tuple(dict.fromkeys(["id", *stored, "version"]))


def _selection(
    call: Call,
    record: Record,
    filter_text: str,
    words: str,
    deleted: bool,
    also: Also,
    compared: Collection[str] = (),
) -> tuple[Any, ColumnElement[bool], dict[str, Any]]:
    """What a caller asks for within the scope: the shape it is kept by, the condition, and the values to bind.

    `compared` are fields that the result is sorted, counted or added up by.
    """
    tree = filter_me.named(call, record, filter_language.parse(filter_text)) if filter_text.strip() else None
    custom_kinds = custom_fields.kinds_of(call, record) if tree is not None and "custom." in filter_text else {}
    asked = search.words_of(words)
    searching = bool(asked)
    if searching and not record.search:
        raise errors.Invalid(key="bad_filter", what=("不支持搜索", "this cannot be searched"))
    view = visibility.of(call, record)
    if view is not None and tree is not None:
        filter_language.refuse(tree, view.is_blind)
    unseen = visibility.unseen_in_search(call, record) if searching else {}
    narrowing = also if isinstance(also, Narrowing) else None
    looked_at = [
        *compared,
        *(filter_language.names(tree) if tree is not None else ()),
        *(narrowing.compared if narrowing else ()),
    ]
    spared = visibility.spared(call, record, looked_at, searching)
    reach = record.reach(call)
    shape = scope.shape(reach)
    tree_shape = filter_language.shape(tree) if tree is not None else None
    kinds_key = tuple(sorted(custom_kinds.items()))
    searched = (len(asked), *unseen.items()) if asked else ()
    condition = also.condition if isinstance(also, Narrowing) else also
    also_shape = narrowing.shape if narrowing is not None else also
    key = (record, shape, tree_shape, searched, spared.shape, deleted, also_shape, kinds_key)
    found = _statements.get(key)
    if found is None:
        compiled = filters.compile_tree(record, tree, custom_kinds) if tree is not None else None
        found = _keep(key, (_where(record, shape, compiled, len(asked), deleted, condition, unseen, spared), compiled))
    where, compiled = found
    parameters: dict[str, Any] = {**scope.parameters(reach), **spared.parameters()}
    if compiled is not None:
        parameters |= compiled.parameters(tree, call.connection)
    for place, word in enumerate(asked):
        bound = record.search_parameters(call, word, unseen) | whole.parameters(call, record, words, word)
        parameters |= search.named(bound, place)
    if narrowing is not None:
        parameters |= narrowing.values
    return key, where, parameters


def _where(
    record: Record,
    shape: scope.Shape,
    compiled: filters.Compiled | None,
    words: int,
    deleted: bool,
    also: ColumnElement[bool] | None,
    unseen: Mapping[str, frozenset[str]],
    spared: pooling.Narrowing,
) -> ColumnElement[bool]:
    table = record.table
    parts: list[ColumnElement[bool]] = [table.c.delete_time.is_not(None) if deleted else table.c.delete_time.is_(None)]
    within = record.within(shape)
    if within is not None:
        parts.append(within)
    if compiled is not None:
        parts.append(compiled.condition)
    if words:
        found = record.narrow_search(unseen) if unseen else record.search_condition()
        found = spared.searched(record, found)
        parts += [search.of_word(found, place) for place in range(words)]
    parts += spared.conditions(record)
    if also is not None:
        parts.append(also)
    return and_(true(), *parts)


def _count(
    call: Call,
    record: Record,
    where_key: Any,
    where: Any,
    parameters: dict[str, Any],
    how: str,
    *,
    fenced: bool = False,
) -> tuple[int, bool]:
    key = (where_key, "count", how, fenced)
    statement = _statements.get(key)
    if statement is None:
        inner: Any = select(literal_column("1"))
        inner = inner.select_from(frequent.fenced(record, where) if fenced else record.table)
        inner = inner if fenced else inner.where(where)
        if how == "capped":
            inner = inner.limit(CAP + 1)
        statement = _keep(key, sql.prepare(select(func.count()).select_from(inner.subquery())))
    found = statement.run(call.connection, parameters, planned_anew=True).fetchone()
    total = int(found[0])
    return (CAP, True) if how == "capped" and total > CAP else (total, False)


def _keep(key: Any, value: Any) -> Any:
    if len(_statements) > 4000:
        _statements.clear()
    _statements[key] = value
    return value


def _page_size(request: Any) -> int:
    if not 0 <= request.page_size <= LARGEST_PAGE:
        label = ("每页条数", "Page size")
        key, limit = ("too_small", 0) if request.page_size < 0 else ("too_large", LARGEST_PAGE)
        raise errors.Invalid(errors.Problem("pageSize", key, {"label": label, "limit": limit}))
    return request.page_size or DEFAULT_PAGE
