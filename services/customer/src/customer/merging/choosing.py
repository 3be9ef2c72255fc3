"""Which record's value each field has after a merge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.field_access import HIDDEN, READ_ONLY
from crm_kit.rpc import Call
from crm_records import custom_fields, visibility
from crm_records import fields as kinds
from crm_records.given import EMPTY
from crm_records.record import Record, Row
from crm_records.view import CUSTOM

errors.texts(
    {
        "not_among_merged": ("{label}的取值记录不在合并之列", "{label} can only be taken from a record of the merge"),
        "no_list": ("{label}不是列表，不能取并集", "{label} is no list: it cannot hold all of them"),
        "choice_twice": ("{label}选择了两次", "{label} is chosen twice"),
    }
)

_LISTS = (kinds.TEXTS, kinds.IDS)


@dataclass(frozen=True, slots=True)
class Field:
    """A field that a merge can choose."""

    name: str
    """As the contract calls it; `custom.<key>` for a custom one."""
    path: str
    label: tuple[str, str]
    level: int
    is_list: bool

    def of(self, row: Row) -> Any:
        """Its value in a row."""
        if self.name.startswith(CUSTOM):
            return row["custom"].get(self.name.removeprefix(CUSTOM))
        return row[self.name]

    @property
    def open(self) -> bool:
        """Whether the caller may change it."""
        return self.level > READ_ONLY


def fields(call: Call, record: Record, rows: Sequence[Row]) -> Iterator[Field]:
    """Every field that is the record's own to have: not its parent, nor what follows from other fields.

    Each as open as the strictest rule has it for the states in which the rows are.
    """
    view = visibility.of(call, record)
    parent = record.parent[0] if record.parent else ""
    states = {row[record.states.column] for row in rows} if record.states is not None else {None}

    def level(name: str) -> int:
        return READ_ONLY + 1 if view is None else min(view.level(name, state) for state in states)

    for f in record.stored.values():
        if f.name in record.writable and f.kind != kinds.CUSTOM and f.name not in (parent, "department_id"):
            yield Field(f.name, f.json_name, f.label, level(f.name), f.kind in _LISTS)
    for row in custom_fields.KEPT.read(call.connection).get(record.type, {}).values():
        if not row.retired:
            name = CUSTOM + row.key
            yield Field(name, name, (row.label_zh, row.label_en), level(name), row.kind == "multi_choice")


def check(call: Call, record: Record, rows: Sequence[Row], choices: Sequence[Any]) -> dict[str, Any]:
    """The choices as a job keeps them: field → id, or None for everything of a list. Refuses wrong ones together."""
    ids = [row["id"] for row in rows]
    possible = list(fields(call, record, rows))
    known = {f.path: f for f in possible} | {f.name: f for f in possible}
    chosen: dict[str, Any] = {}
    problems = []
    for choice in choices:
        field = known.get(choice.field)
        if field is None or field.level == HIDDEN:
            problems.append(Problem(choice.field[:60], "unknown_field", {"name": choice.field[:60]}))
            continue
        wrong = _wrong(field, choice, ids, chosen)
        if wrong:
            problems.append(Problem(field.path, wrong, {"label": field.label}))
        chosen[field.name] = None if choice.union else choice.from_id
    if problems:
        raise errors.Invalid(*problems)
    return chosen


def _wrong(field: Field, choice: Any, ids: Sequence[str], chosen: Mapping[str, Any]) -> str:
    if field.name in chosen:
        return "choice_twice"
    if not field.open and (choice.union or choice.from_id != ids[0]):
        return "read_only"
    if choice.union:
        return "" if field.is_list else "no_list"
    return "" if choice.from_id in ids else "not_among_merged"


def proposal(field: Field, rows: Sequence[Row]) -> Row:
    """Whose value is proposed: that of the one that stays, or the first there is where that one has none."""
    if not field.open or field.of(rows[0]) not in (*EMPTY, False):
        return rows[0]
    return next((row for row in rows if field.of(row) not in (*EMPTY, False)), rows[0])


def settle(call: Call, record: Record, rows: Sequence[Row], chosen: Mapping[str, Any], fill_empty: bool) -> Row:
    """What the record that stays, the first of the rows, becomes. A choice is obeyed by what the rows hold now."""
    after = {**rows[0]}
    if "custom" in after:
        after["custom"] = {**after["custom"]}
    by_id = {row["id"]: row for row in rows}
    for field in fields(call, record, rows):
        if not field.open:
            continue
        if field.name in chosen:
            from_id = chosen[field.name]
            value = _all(field, rows) if from_id is None else field.of(by_id[from_id])
            owner = by_id.get(from_id)
        elif fill_empty:
            owner = proposal(field, rows)
            value = field.of(owner)
        else:
            continue
        if field.name.startswith(CUSTOM):
            after["custom"][field.name.removeprefix(CUSTOM)] = value
        else:
            after[field.name] = value
        if field.name == "owner_id" and owner is not None and owner is not rows[0]:
            after["department_id"] = owner["department_id"]
    return after


def _all(field: Field, rows: Sequence[Row]) -> list[Any]:
    return list(dict.fromkeys(v for row in rows for v in field.of(row) or ()))
