"""Storing many rows together: what is bad is told and kept out beforehand, the good ones go in at once.

Each row stands for itself. What a rule or a look at the database refuses leaves nothing behind; where the database
itself refuses one of many, they are halved until it is found, so that a bad one does not cost the others their speed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import psycopg
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from crm_kit import errors, failures, scope
from crm_kit.db import one_of
from crm_kit.errors import Problem, Refusal
from crm_kit.rpc import Call
from crm_records import changes, references, sql, storing, validation, writing
from crm_records.given import changed, told_once
from crm_records.new_rows import new_row
from crm_records.record import Record, Row

_Refused = (IntegrityError, psycopg.IntegrityError, Refusal)


@dataclass(slots=True)
class Item:
    """One row on its way in, and what became of it."""

    message: Any
    record_id: str = ""
    """The record that it changes; empty for a new one, whose id stands here afterwards."""
    problems: list[Problem] = field(default_factory=list)
    """What is known to be wrong already."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """Columns of a new row that no message brings: who made it where it comes from, and when."""
    strict: bool = False
    """What is fixed once it is given stays: a person sends it, not the system that the record came from."""
    merged: bool = False
    """Found by the key of a record that went into the one that it changes: that one keeps its own."""
    outcome: str = ""
    refusal: Refusal | None = None
    given: frozenset[str] = frozenset()
    changes: list[tuple[str, Any, Any]] = field(default_factory=list)
    """(field, before, after) of an update, with what is sensitive: for nobody but whoever may see it."""

    def refuse(self, refusal: Refusal) -> None:
        self.outcome, self.refusal = "failed", refusal


def store(
    call: Call, record: Record, items: Sequence[Item], *, dry: bool = False, looked_for: Collection[str] = ()
) -> None:
    """Store what is not refused yet. `dry`: the caller takes it back, so no number is spent on it. `looked_for`: fields
    of whose values the caller has seen that no record has them."""
    _change_all(call, record, [i for i in items if i.record_id and not i.refusal])
    drafts = [(i, _draft(call, record, i)) for i in items if not i.record_id and not i.refusal]
    references.look_up_together(call, record, [row for _, row in drafts])
    record.prepare_many(call, [row for item, row in drafts if not item.problems])
    new: list[tuple[Item, Row]] = []
    for item, row in drafts:
        try:
            writing.check(call, record, row, None, item.problems)
            new.append((item, row))
        except Refusal as refusal:
            item.refuse(refusal)
    new = _without_taken(call, record, new, [n for n in unique_fields(record) if n not in looked_for])
    if new:
        _number(call, record, new, dry)
        _insert(call, record, new)


def _draft(call: Call, record: Record, item: Item) -> Row:
    row = new_row(call, record, item.message, item.problems, record.importable)
    row.update(item.origin)
    return row


def _number(call: Call, record: Record, new: Sequence[tuple[Item, Row]], dry: bool) -> None:
    if not record.number:
        return
    if dry:
        for i, (_, row) in enumerate(new):
            row["number"] = f"{row['id']}-{i}"
        return
    assert record.registry.numbers is not None
    for (_, row), number in zip(new, record.registry.numbers.take(call.connection, record, len(new)), strict=True):
        row["number"] = number


@cache
def unique_fields(record: Record) -> tuple[str, ...]:
    """Fields whose value no two living records share; `number` apart, which is handed out."""
    table = record.table
    living = str(table.c.delete_time.is_(None))
    found = []
    for index in table.indexes:
        names = [c.name for c in index.columns]
        where = index.dialect_options["postgresql"]["where"]
        alone = index.unique and len(names) == 1 and names[0] in record.writable
        if alone and (where is None or str(where) == living):
            found.append(names[0])
    return tuple(sorted(found))


def _without_taken(
    call: Call, record: Record, new: Sequence[tuple[Item, Row]], names: Sequence[str]
) -> list[tuple[Item, Row]]:
    """Those without a value that another record has: found by one look instead of by the refusal of a whole batch."""
    for name in names:
        given = {row[name] for _, row in new if row.get(name) is not None}
        if not given:
            continue
        column = record.table.c[name]
        query = select(column).where(one_of(column, given), record.table.c.delete_time.is_(None))
        taken = set(call.connection.scalars(query))
        left = []
        for item, row in new:
            value = row.get(name)
            if value is not None and value in taken:
                described = record.fields[name]
                params = {"label": described.label, "value": str(value)[:60]}
                item.refuse(errors.Exists("exists", Problem(described.json_name, "taken", params)))
                continue
            if value is not None:
                taken.add(value)
            left.append((item, row))
        new = left
    return list(new)


def _insert(call: Call, record: Record, new: Sequence[tuple[Item, Row]]) -> None:
    refusal = _attempt(call, lambda: _create(call, record, [row for _, row in new]))
    if refusal is None:
        for item, row in new:
            item.outcome, item.record_id = "created", row["id"]
    elif len(new) == 1:
        new[0][0].refuse(refusal)
    else:
        half = len(new) // 2
        _insert(call, record, new[:half])
        _insert(call, record, new[half:])


def _create(call: Call, record: Record, new: list[Row]) -> None:
    pairs = [(None, row) for row in new]
    with storing.inserting(call, record, new):
        told = changes.drawn_up(call, record, "created", pairs, new[0]["update_time"], bulk=True)
        record.foresee(call, new)
    record.written_many(call, pairs)
    changes.put(call, told)
    record.created(call, new, many=True)


def _change_all(call: Call, record: Record, old: Sequence[Item]) -> None:
    """What is wrong by itself is told first; the rest together, and if the database refuses one, in halves."""
    rows = _locked(call, record, [item.record_id for item in old])
    good: list[tuple[Item, Row, Row]] = []
    for item in old:
        before = rows.get(item.record_id)
        try:
            after = _merged(call, record, item, before)
        except Refusal as refusal:
            item.refuse(refusal)
            continue
        assert before is not None
        if after is None:
            item.outcome = "unchanged"
        else:
            good.append((item, before, after))
    _store_changed(call, record, good)


def _store_changed(call: Call, record: Record, good: Sequence[tuple[Item, Row, Row]]) -> None:
    if not good:
        return
    refusal = _attempt(call, lambda: _change(call, record, good))
    if refusal is None:
        return
    if len(good) == 1:
        good[0][0].changes = []
        good[0][0].refuse(refusal)
        return
    half = len(good) // 2
    _store_changed(call, record, good[:half])
    _store_changed(call, record, good[half:])


def _merged(call: Call, record: Record, item: Item, row: Row | None) -> Row | None:
    """The row with what the message gives; None where nothing differs. What it does not give stays."""
    if row is None:  # it lies outside the caller's scope: not even its id is told
        item.record_id = ""
        raise errors.NotFound()
    message, problems = item.message, item.problems
    given = sorted({f.name for f, _ in message.ListFields()} & {*record.writable, *record.importable})
    values = validation.row_values(message, given, record.fields, problems)
    validation.keep_what_stands(message, values, row, record.fields, problems)
    if item.merged and row[record.key]:
        values.pop(record.key, None)
    after = {**row, **values}
    touched = [f.name for f, _ in message.ListFields() if f.name in record.fields and f.name != "custom"]
    if "custom" in values:
        touched += [f"custom.{key}" for key in values["custom"]]
        values["custom"] = after["custom"] = {**row["custom"], **values["custom"]}
    writing.refuse(told_once(changed(call, record, touched, row, after), problems))
    if not storing.record_changed(record, row, after):
        return None
    item.given = frozenset(values)
    fixed = [n for n in values if item.strict and record.fields[n].immutable and n not in record.importable]
    immutable = [n for n in fixed if values[n] != row[n]]
    writing.refuse(
        Problem(record.fields[n].json_name, "read_only", {"label": record.fields[n].label}) for n in immutable
    )
    writing.examine(call, record, after, row)
    return after


def _change(call: Call, record: Record, good: Sequence[tuple[Item, Row, Row]]) -> None:
    stored: list[tuple[Row, Row]] = []
    for item, row, merged in good:
        after = dict(merged)
        writing.name_fields(call, item.given)
        record.prepare(call, after, row)
        item.outcome = "updated" if storing.record_changed(record, row, after) else "unchanged"
        if item.outcome == "updated":
            item.changes = changes.between(record, row, after, whole=True)
            stored.append((row, after))
    storing.store_many(call, record, stored)
    record.written_many(call, stored)
    if stored:
        changes.tell(call, record, "updated", stored, stored[0][1]["update_time"], bulk=True)


def _attempt(call: Call, step: Callable[[], Any]) -> Refusal | None:
    """Run a step in a savepoint; what refuses it leaves nothing behind."""
    announced = len(call.events)
    try:
        with call.connection.begin_nested():
            step()
        return None
    except _Refused as error:
        del call.events[announced:]
        return error if isinstance(error, Refusal) else failures.translate(error)


def _locked(call: Call, record: Record, ids: Sequence[str]) -> dict[str, Row]:
    """Those of the rows that lie within the caller's scope, locked in one order, so that imports do not cross."""
    if not ids:
        return {}
    reach = record.reach(call)
    table = record.table
    query = select(table).where(one_of(table.c.id, ids), table.c.delete_time.is_(None)).order_by(table.c.id)
    within = record.within(scope.shape(reach))
    query = query if within is None else query.where(within)
    found = sql.prepare(query.with_for_update(of=table)).run(call.connection, scope.parameters(reach)).fetchall()
    rows = [storing.as_row(call, record, values) for values in found]
    return {row["id"]: row for row in rows}
