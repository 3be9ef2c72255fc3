"""How many records there are: of a page, of a list, for each value of a field, with sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Numeric, Table, cast, func, literal_column, null, select
from sqlalchemy.sql import visitors

from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import conditions, frequent, sql, visibility
from crm_records.conditions import Also
from crm_records.record import Record

CAP = 1000
"""A capped total is exact up to here."""
GROUPS = 1000
"""Values of a field that are counted at most."""

_NOTHING = cast(null(), Numeric)


def count(call: Call, record: Record, also: Also) -> int:
    """How many records there are within the caller's scope, narrowed as a page would be."""
    key, where, parameters = conditions.of(call, record, "", "", False, also)
    return total(call, record, key, where, parameters, "exact")[0]


def count_groups(
    call: Call, record: Record, name: str, filter_text: str, words: str
) -> tuple[list[tuple[Any, int]], int]:
    """How many records there are for each value of a field, most frequent first; and how many of all values, those
    that are not told one by one too."""
    groups = [(key, count) for key, count in group(call, record, name, filter_text, words, most=GROUPS)]
    if len(groups) < GROUPS:
        return groups, sum(n for _, n in groups)
    key, where, parameters = conditions.of(call, record, filter_text, words, False, None, {name})
    return groups, total(call, record, key, where, parameters, "exact")[0]


def group(
    call: Call,
    record: Record,
    name: str,
    filter_text: str,
    words: str = "",
    sums: Sequence[ColumnElement[Any]] = (),
    *,
    also: Also = None,
    most: int = GROUPS,
) -> Sequence[Sequence[Any]]:
    """For each value of a field: the value, how many records have it, and the sums; the `most` most frequent first.

    `sums` must be constants; those of fields that the caller does not see in full are null. `also` is as for a
    page: what it leaves is little, so it is counted each time.
    """
    blind = visibility.blind(call, record)
    if name in blind:
        raise errors.Invalid(errors.Problem("groupBy", "unknown_field", {"name": record.fields[name].json_name}))
    sums = [s if blind.isdisjoint(columns_in(s, record.table)) else _NOTHING for s in sums] if blind else sums
    compared = {name}.union(*(columns_in(s, record.table) for s in sums))
    where_key, where, parameters = conditions.of(call, record, filter_text, words, False, also, compared)
    key = (where_key, "group", name, tuple(sums), most)
    statement = sql.KEPT.get(key)
    if statement is None:
        column = record.table.c[name]
        query = select(column, func.count(), *(func.sum(s) for s in sums)).where(where).group_by(column)
        statement = sql.keep(key, sql.prepare(query.order_by(func.count().desc(), column).limit(most)))
    if also is not None:
        return statement.run(call.connection, parameters).fetchall()
    return sql.unchanged(call.connection, statement, parameters)


def columns_in(expression: ColumnElement[Any], table: Table) -> set[str]:
    """The columns of a table that an expression is made of."""
    parts = visitors.iterate(expression)
    return {part.name for part in parts if isinstance(part, Column) and part.table is table}


def total(
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
    statement = sql.KEPT.get(key)
    if statement is None:
        inner: Any = select(literal_column("1"))
        inner = inner.select_from(frequent.fenced(record, where) if fenced else record.table)
        inner = inner if fenced else inner.where(where)
        if how == "capped":
            inner = inner.limit(CAP + 1)
        statement = sql.keep(key, sql.prepare(select(func.count()).select_from(inner.subquery())))
    found = statement.run(call.connection, parameters, planned_anew=True).fetchone()
    total = int(found[0])
    return (CAP, True) if how == "capped" and total > CAP else (total, False)
