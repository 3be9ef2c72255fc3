"""Parts that a row of a file brings along with its record: stored with it, both or neither."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import select

from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.field_names import snake
from crm_kit.rpc import Call
from crm_records import bulk_store, rows, validation
from crm_records.bulk_store import Item
from crm_records.companion import Companion
from crm_records.imports import targets
from crm_records.imports.drafts import Draft
from crm_records.imports.targets import Target
from crm_records.record import Record

errors.texts(
    {
        "companion_right": (
            "导入“{label}”各列需要权限：{right}",
            "The columns of “{label}” take the right {right}",
        ),
        "companion_key": ("没有列对应{label}，不能导入该部分", "No column is mapped to {label}, which the others take"),
    }
)


def right(companion: Companion) -> str:
    """What it takes to bring one along."""
    return f"{companion.type}.create"


def refused(
    call: Call, record: Record, columns: Sequence[Mapping[str, Any]], known: Mapping[str, Target]
) -> Iterator[Problem]:
    """What is wrong with a mapping that has columns of parts."""
    mapped = [known[c["field"]] for c in columns if c["field"] in known]
    for companion in record.companions:
        names = [t.field.name for t in mapped if t.companion is companion and t.field is not None]
        if not names:
            continue
        if not call.access.may(right(companion)):
            params = {"label": companion.label, "right": right(companion)}
            yield Problem("columns", "companion_right", params)
        elif companion.fields[0] not in names:
            key = known.get(f"{companion.path}.{companion.of(record).fields[companion.fields[0]].json_name}")
            yield Problem("columns", "companion_key", {"label": key.label if key else companion.label})


def store(
    call: Call, record: Record, drafts: Sequence[Draft], *, dry: bool, looked_for: Collection[str]
) -> dict[Draft, Item]:
    """Store rows with what they bring along; what became of each. A part that is refused takes its row with it.

    Rows whose part is refused were stored already, so all of them are stored again without these.
    """
    while True:
        announced = len(call.events)
        with call.connection.begin_nested() as savepoint:
            items = {
                d: Item(d.message, d.record_id, list(d.problems), d.origin, strict=True, merged=d.merged)
                for d in drafts
            }
            bulk_store.store(call, record, list(items.values()), dry=dry, looked_for=looked_for)
            wrong = [pair for c in record.companions for pair in _bring_along(call, record, c, items, dry)]
            if not wrong:
                _examine(record, items)
                return items
            savepoint.rollback()
        del call.events[announced:]
        for draft, problems in wrong:
            draft.problems += problems


def _examine(record: Record, items: Mapping[Draft, Item]) -> None:
    """Tell wrong values of a part also where its record is wrong: whoever corrects the row shall do it once."""
    for companion in record.companions:
        part = companion.of(record)
        for draft, item in items.items():
            values = draft.brought.get(companion.name)
            if not values or item.refusal is None or not item.refusal.problems:
                continue
            found: list[Problem] = []
            names = [n for n in companion.fields if n in values or n == companion.fields[0]]
            validation.row_values(part.message(**values), names, part.fields, found)
            told = {p.path for p in item.refusal.problems}
            own = (_of_column(companion, part, p) for p in found)
            item.refusal.problems += tuple(p for p in own if p.path not in told)


def _bring_along(
    call: Call, record: Record, companion: Companion, items: Mapping[Draft, Item], dry: bool
) -> list[tuple[Draft, list[Problem]]]:
    """Store the parts of the rows that were stored; those that were refused, and why."""
    part = companion.of(record)
    chosen = {d: i for d, i in items.items() if companion.name in d.brought and i.refusal is None}
    if not chosen:
        return []
    assert part.parent is not None
    there = _there(call, companion, part, chosen)
    marked = _marked(call, companion, part, [i.record_id for i in chosen.values()])
    wrong: list[tuple[Draft, list[Problem]]] = []
    brought: dict[Draft, Item] = {}
    for draft, item in chosen.items():
        values = draft.brought[companion.name]
        found = there.get((item.record_id, values.get(companion.fields[0], "")), [])
        if len(found) > 1:
            key = part.fields[companion.fields[0]]
            params = {"label": targets.said(companion, key), "value": str(values[key.name])[:60]}
            wrong.append((draft, [Problem(f"{companion.path}.{key.json_name}", "several_match", params)]))
            continue
        above = {} if found else {part.parent[0]: item.record_id}
        mark = {companion.mark: True} if companion.mark and not found and item.record_id not in marked else {}
        message = part.message(**{**values, **above, **mark})
        brought[draft] = Item(message, found[0] if found else "", strict=True)
    for action, some in (
        ("create", [i for i in brought.values() if not i.record_id]),
        ("update", [i for i in brought.values() if i.record_id]),
    ):
        with _asking(call, f"{part.type}.{action}"):
            bulk_store.store(call, part, some, dry=dry)
    may_change = call.access.may(f"{part.type}.update")
    for draft, own in brought.items():
        if own.outcome == "updated" and not may_change:  # everything stored here is then taken back
            own.refuse(errors.Denied("right_missing", right=f"{part.type}.update"))
        if own.refusal is not None:
            wrong.append((draft, _problems(companion, part, own.refusal)))
        else:
            _tell(companion, part, draft, chosen[draft], own)
    return wrong


def _there(
    call: Call, companion: Companion, part: Record, chosen: Mapping[Draft, Item]
) -> dict[tuple[str, str], list[str]]:
    """(record, key) → the parts that it has already."""
    assert part.parent is not None
    c = part.table.c
    above, key = c[part.parent[0]], c[companion.fields[0]]
    keys = {d.brought[companion.name].get(companion.fields[0], "") for d in chosen}
    query = select(above, key, c.id).where(
        one_of(above, {i.record_id for i in chosen.values()}), one_of(key, keys), c.delete_time.is_(None)
    )
    found: dict[tuple[str, str], list[str]] = {}
    for record_id, value, part_id in call.connection.execute(query):
        found.setdefault((record_id, value), []).append(part_id)
    return found


def _marked(call: Call, companion: Companion, part: Record, ids: Sequence[str]) -> set[str]:
    """Those of the records that have a part with the mark."""
    if not companion.mark or part.parent is None:
        return set()
    c = part.table.c
    above = c[part.parent[0]]
    return set(
        call.connection.scalars(select(above).where(one_of(above, ids), c[companion.mark], c.delete_time.is_(None)))
    )


@contextmanager
def _asking(call: Call, asked: str) -> Iterator[None]:
    """What is stored meanwhile takes this right and its reach."""
    before, call.caller.right = call.caller.right, asked
    try:
        yield
    finally:
        call.caller.right = before


def _problems(companion: Companion, part: Record, refusal: errors.Refusal) -> list[Problem]:
    """Why a part was refused, told of its columns."""
    if not refusal.problems:
        key = part.fields[companion.fields[0]].json_name
        return [Problem(f"{companion.path}.{key}", refusal.key, refusal.params)]
    return [_of_column(companion, part, p) for p in refusal.problems]


def _of_column(companion: Companion, part: Record, problem: Problem) -> Problem:
    """What is wrong of a part, with the names of the record's row."""
    params, field = problem.params, part.fields.get(snake(problem.path))
    if field is not None and "label" in params:
        params = {**params, "label": targets.said(companion, field)}
    return Problem(f"{companion.path}.{problem.path}", problem.key, params)


def _tell(companion: Companion, part: Record, draft: Draft, item: Item, own: Item) -> None:
    """A record that stays as it is, but whose part is new or changed, was updated."""
    if item.outcome == "created" or own.outcome == "unchanged":
        return
    item.outcome = "updated"
    told = own.changes
    if own.outcome == "created":
        given = draft.brought[companion.name]
        told = [(part.fields[n].json_name, None, rows.plain(value)) for n, value in given.items()]
    item.changes = [*item.changes, *((f"{companion.path}.{n}", b, a) for n, b, a in told)]
