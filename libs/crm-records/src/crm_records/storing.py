"""Rows: found and locked within the caller's scope, inserted, changed. What is checked and told stands in `writing`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import bindparam, select, update

from crm_kit import errors, scope, sealing
from crm_kit.inserting import Insertion
from crm_kit.rpc import Call
from crm_records import blind, changes, images, reaching, rows, search, sql
from crm_records import fields as kinds
from crm_records.record import Record, Row

_statements: dict[Any, sql.Prepared] = {}
_insertions: dict[tuple[Record, tuple[str, ...]], Insertion] = {}


def locked(
    call: Call, record: Record, record_id: str, etag: str | None, *, deleted: bool = False, alone: bool = False
) -> Row:
    """The row, locked, if it lies within the caller's scope and has the version that the caller read.

    `alone` is for deleting: it waits for those who are about to point at the row (see `references`).
    """
    if etag == "":
        raise errors.Conflict("etag_required")
    if not kinds.is_id(record_id):
        raise errors.NotFound()
    reach = record.reach(call)
    shape = scope.shape(reach)
    key = (record, "lock", shape, deleted, alone)
    statement = _statements.get(key)
    table = record.table
    if statement is None:
        query = select(table).where(table.c.id == bindparam("id", type_=table.c.id.type))
        query = query.where(table.c.delete_time.is_not(None) if deleted else table.c.delete_time.is_(None))
        within = record.within(shape)
        query = query if within is None else query.where(within)
        statement = _statements[key] = sql.prepare(query.with_for_update(of=table, key_share=not alone))
    found = statement.run(call.connection, {"id": record_id, **scope.parameters(reach)}).fetchone()
    if found is None:
        raise errors.NotFound() if deleted else reaching.refusal(call, record, record_id)
    row = as_row(call, record, found)
    if etag is not None and etag != str(row["version"]) and not changes.only_computed(call, record, row, etag):
        raise errors.Stale()
    return row


def as_row(call: Call, record: Record, values: Sequence[Any]) -> Row:
    """A row that was selected with every column of the table."""
    columns = tuple(record.table.c.keys())
    return dict(zip(columns, rows.opened(call.connection, record, columns, values), strict=True))


def record_changed(record: Record, before: Row, after: Row) -> bool:
    """Whether any column differs."""
    return any(after[n] != before.get(n) for n in after)


def insert_rows(call: Call, record: Record, new: Sequence[Row]) -> None:
    """Insert rows; each names only what it has."""
    with inserting(call, record, new):
        pass


@contextmanager
def inserting(call: Call, record: Record, new: Sequence[Row]) -> Iterator[None]:
    """The same; what is done inside is done while the database still takes the rows, so nothing there may ask it."""
    by_columns: dict[tuple[str, ...], list[Row]] = {}
    for row in new:
        _make_searchable(call, record, row, None)
        by_columns.setdefault(
            tuple([n for n, v in row.items() if v or (v is not None and v != [] and v != {})]), []
        ).append(row)
    if not by_columns:
        yield
        return
    *others, last = [
        (_insertion(record, columns), [rows.driver(call.connection, record, row, columns) for row in group])
        for columns, group in sorted(by_columns.items(), key=lambda pair: len(pair[1]))
    ]
    for insertion, group in others:
        insertion.run(call.connection, group)
    with last[0].going_on(call.connection, last[1]):
        yield
    images.keep(call, record, [(None, row) for row in new])


def _insertion(record: Record, columns: tuple[str, ...]) -> Insertion:
    found = _insertions.get((record, columns))
    if found is None:
        found = _insertions[record, columns] = Insertion(record.table, columns)
    return found


def store(call: Call, record: Record, before: Row, after: Row) -> None:
    """Write what differs; the version goes up by one."""
    store_many(call, record, [(before, after)])


def store_many(call: Call, record: Record, pairs: Sequence[tuple[Row, Row]]) -> None:
    """The same for several; those in which the same columns differ are written together."""
    now, who = datetime.now(UTC), call.caller.user_id or None
    by_columns: dict[tuple[str, ...], list[Row]] = {}
    for before, after in pairs:
        after["version"] = before["version"] + 1
        after["update_time"] = now
        after["updater_id"] = who
        _make_searchable(call, record, after, before)
        by_columns.setdefault(tuple(n for n in after if after[n] != before[n]), []).append(after)
    for columns, group in by_columns.items():
        key = (record, "update", columns)
        statement = _statements.get(key)
        if statement is None:
            if len(_statements) > 4000:
                _statements.clear()
            values = {n: bindparam(f"new_{n}", type_=record.table.c[n].type) for n in columns}
            where = record.table.c.id == bindparam("id", type_=record.table.c.id.type)
            statement = _statements[key] = sql.prepare(update(record.table).where(where).values(values))
        parameters = [
            {"id": after["id"]}
            | {f"new_{n}": value for n, value in rows.driver(call.connection, record, after, columns).items()}
            for after in group
        ]
        statement.run_many(call.connection, parameters)
    images.keep(call, record, pairs)


def _make_searchable(call: Call, record: Record, row: Row, before: Row | None) -> None:
    """What the search box looks into, made last: the number is given after every check."""
    changed = before is None or any(row[n] != before[n] for n in record.search)
    if changed and "search_grams" in record.table.c:
        row["search_text"], row["search_grams"] = search.keys(record.search_texts(call, row, before))
    encrypted = _encrypted(record)
    if encrypted and (before is None or any(row[n] != before[n] for n in encrypted)):
        keys = sealing.of(call.connection)
        row[blind.COLUMN] = blind.of(record.table).tokens(keys, call.connection, row)


@cache
def _encrypted(record: Record) -> list[str]:
    return [n for n, f in record.stored.items() if f.encrypted]
