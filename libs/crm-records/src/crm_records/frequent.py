"""A page of what many rows may hold: one or two characters, and letters such as pinyin, initials, Latin names.

PostgreSQL guesses how many rows hold such a word from its keys, which it takes for independent of each other and of
the text, and was seen to be wrong by a factor of a thousand both ways: it walks through a million rows for a name that
nobody has, or fetches thirty thousand before it shows twenty. Therefore the first rows in the order of the page are
looked at one by one; if they do not fill it, few rows have the word, and all of those are fetched by the index. They
are fetched at once where a sample of the rows has none: the whole reading of a person's name is rare, that of a legal
form is not, and both are long.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    BinaryExpression,
    Column,
    ColumnElement,
    Connection,
    Select,
    bindparam,
    case,
    column,
    func,
    literal,
    select,
    table,
    true,
)
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.sql import visitors

from crm_records import search, sql
from crm_records.record import Record

WINDOW = 8000
"""Rows that are looked at one by one: some milliseconds. What fills no page of them, one row in 400 has at most."""
FEW = 2
"""Characters of a word that may be anywhere. Three in Chinese have two keys at least, which few rows hold both."""
_LETTERS = re.compile(r"[a-z ]+")
LONG = 6
"""Letters of a word from which on a sample is worth its time: shorter ones are initials, or of a syllable or two."""
SAMPLE = 1500
"""Rows of a sample, about. What none of them has, some rows in a thousand have at most."""


def may_be_frequent(words: str) -> bool:
    """Whether many rows may hold the words."""
    asked = search.words_of(words)
    return bool(asked) and all(len(word) <= FEW or _LETTERS.fullmatch(word) is not None for word in asked)


def is_rare(connection: Connection, record: Record, words: str, parameters: dict[str, Any]) -> bool:
    """Whether few rows hold the words for certain enough to fetch all of them; a guess, by which no page changes.

    The sample is of the same pages each time, which stay in memory.
    """
    asked = search.words_of(words)
    if all(len(word) < LONG for word in asked):
        return False
    key = (record, "sample", len(asked))
    statement = sql.KEPT.get(key) or sql.keep(key, sql.prepare(_sampled(record, len(asked))))
    return statement.run(connection, parameters).fetchone() is None


def _sampled(record: Record, words: int) -> Select[Any]:
    rows: ColumnElement[float] = column("reltuples")
    known = select(case((rows < 0, 1), else_=func.least(100, SAMPLE * 100 / func.greatest(rows, 1))))
    share = known.select_from(table("pg_class")).where(column("oid") == literal(record.table.name).cast(REGCLASS))
    some = record.table.tablesample(func.system(share.scalar_subquery()), name="some", seed=literal(1))
    held = [search.of_word(search.like(some.c.search_text), place) for place in range(words)]
    return select(some.c.id).where(some.c.delete_time.is_(None), *held).limit(1)


def fenced(record: Record, where: ColumnElement[bool]) -> CTE:
    """The ids of all rows that a condition leaves, fetched by the index before anything is made of them."""
    return select(record.table.c.id).where(where).cte("found").prefix_with("MATERIALIZED")


def statements(
    record: Record,
    where: ColumnElement[bool],
    behind: Sequence[ColumnElement[bool]],
    columns: Sequence[str],
    order: Any,
) -> tuple[sql.Prepared, sql.Prepared]:
    """The page out of the window, and the page out of all; both bind `page_rows` and what the conditions leave open.

    The order is by id, and nothing in the condition depends on who asks.
    """
    of, limit = record.table, bindparam("page_rows", type_=record.table.c.version.type)
    compared = {e.name for e in visitors.iterate(where) if isinstance(e, Column) and e.table is of}
    needed = dict.fromkeys([*columns, *sorted(compared - {"search_grams"})])
    first = select(*(of.c[n] for n in needed)).where(of.c.delete_time.is_(None), *behind)
    window = first.order_by(_by(of.c.id, order)).limit(WINDOW).subquery("seen")

    def inside(element: Any, **_: Any) -> Any:
        if isinstance(element, BinaryExpression) and element.left is of.c.search_grams:
            return true()  # what it finds the text decides
        return window.c[element.name] if isinstance(element, Column) and element.table is of else None

    held = visitors.replacement_traverse(where, {}, inside)
    page = select(*(window.c[n] for n in columns)).where(held).order_by(_by(window.c.id, order))
    found = fenced(record, where if not behind else where & behind[0])
    all_of_them = select(*(of.c[n] for n in columns)).join(found, found.c.id == of.c.id)
    return sql.prepare(page.limit(limit)), sql.prepare(all_of_them.order_by(_by(found.c.id, order)).limit(limit))


def _by(column: ColumnElement[Any], order: Any) -> ColumnElement[Any]:
    return column.desc() if order[0].descending else column.asc()
