"""How a report is computed: one scan of one table within the caller's scope, grouped, named, and its total.

What a record belongs to *now* (its owner's manager, department, region) is not in the facts: they are grouped by
owner first, and the few groups are then put together by the organisation as it stands. So a person who moves takes
the figures along at once and no fact is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    FromClause,
    Integer,
    Label,
    Select,
    Subquery,
    Table,
    Text,
    UnaryExpression,
    and_,
    bindparam,
    cast,
    false,
    func,
    null,
    select,
    true,
    union_all,
)

from crm_kit import scope
from crm_records import sql

LINES = 1000
"""Lines at most."""

Measures = Callable[[Table], Mapping[str, ColumnElement[Any]]]
"""What is added up over the rows of a table: sums and counts, so that groups can be put together."""

Regroup = Callable[[FromClause], tuple[FromClause, ColumnElement[Any]]]
"""Groups by a column of the facts → the same joined with the organisation, and the key in its place."""

Order = Callable[[FromClause], UnaryExpression[Any] | None]
"""What decides which lines come first; None leaves it to the key."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """One way to group a table's rows."""

    table: Table
    by: Column[Any] | Label[Any]
    regroup: Regroup | None = None
    names: Callable[[], Subquery] | None = None
    """Where keys get their labels: `key`, `label_zh`, `label_en`."""
    labels: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Labels of keys that the program itself defines."""
    total_of: Table | None = None
    """Where the total is taken from, if the rows of a record are several here."""


@dataclass(frozen=True, slots=True)
class Period:
    """Which ends of a period are given."""

    begins: bool = False
    ends: bool = False


def statement(group: Group, measures: Measures, shape: scope.Shape, order: Order, period: Period) -> sql.Prepared:
    """Lines in order, then the total: `total`, `place`, `key`, `label_zh`, `label_en`, and the measures by name."""
    of = measures(group.table)
    inner = _within(select(group.by, *(m.label(n) for n, m in of.items())), group.table, shape, period)
    grouped: FromClause = inner.group_by(group.by).cte("grouped")
    total = select(*(func.sum(grouped.c[n]).label(n) for n in of))
    if group.total_of is not None:
        again = measures(group.total_of)
        total = _within(select(*(m.label(n) for n, m in again.items())), group.total_of, shape, period)
    key: ColumnElement[Any] = grouped.c[group.by.name]
    lines = select(key.label("key"), *(grouped.c[n] for n in of))
    if group.regroup is not None:
        joined, key = group.regroup(grouped)
        lines = select(key.label("key"), *(func.sum(grouped.c[n]).label(n) for n in of)).select_from(joined)
        lines = lines.group_by(key)
    shown = _first(lines.cte("lines"), order)
    named: FromClause = shown
    label_zh: ColumnElement[Any] = null()
    label_en: ColumnElement[Any] = null()
    if group.names is not None:
        names = group.names()
        named = shown.outerjoin(names, names.c.key == shown.c.key)
        label_zh, label_en = names.c.label_zh, names.c.label_en
    text = Text()
    rows = select(
        false().label("total"),
        shown.c.place,
        cast(shown.c.key, text).label("key"),
        cast(label_zh, text).label("label_zh"),
        cast(label_en, text).label("label_en"),
        *(shown.c[n] for n in of),
    ).select_from(named)
    sums = total.subquery()
    over_all = select(
        true(), cast(null(), Integer), cast(null(), text), cast(null(), text), cast(null(), text), *sums.c
    )
    both = union_all(rows, over_all).subquery()
    return sql.prepare(select(both).order_by(both.c.total, both.c.place))


def rows(query: sql.Prepared, connection: Connection, parameters: Mapping[str, Any]) -> psycopg.Cursor[Any]:
    """Run it; the columns of its rows are known by their names."""
    cursor: psycopg.Cursor[Any] = query.run(connection, dict(parameters))
    cursor.row_factory = namedtuple_row
    return cursor


def _within(query: Select[Any], table: Table, shape: scope.Shape, period: Period) -> Select[Any]:
    """Living rows in the caller's scope and the period."""
    conditions = [~table.c.deleted]
    creator = table.c.get("creator_id")
    also = [] if creator is None else [creator]
    # The first column of every key is the record that a row is of.
    record = next(iter(table.primary_key))
    pool = table.c.get("pool_id")
    within = scope.condition(shape, table.c.owner_id, table.c.department_id, also, creator, record, pool)
    if within is not None:
        conditions.append(within)
    if period.begins:
        conditions.append(table.c.report_date >= bindparam("from_date", type_=Date()))
    if period.ends:
        conditions.append(table.c.report_date <= bindparam("until_date", type_=Date()))
    return query.where(and_(*conditions))


def _first(lines: FromClause, order: Order) -> Subquery:
    """The lines that are shown, each with its place; equal ones by their key."""
    key: ColumnElement[Any] = lines.c.key
    by_key = (key.collate("C") if isinstance(key.type, Text) else key).asc().nulls_first()
    chosen = order(lines)
    place = func.row_number().over(order_by=[by_key] if chosen is None else [chosen, by_key])
    ordered = select(*lines.c, place.label("place")).subquery("ordered")
    return select(ordered).order_by(ordered.c.place).limit(bindparam("lines", type_=Integer())).subquery("shown")
