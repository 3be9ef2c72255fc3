"""Ids that point at other records: they must exist and, where they are records with a scope, lie within it."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Select, Table, any_, bindparam, select

from crm_kit import errors, organisation, scope
from crm_kit.errors import Problem
from crm_kit.reach import Reach
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import reaching, sql
from crm_records.fields import Field
from crm_records.record import Record, Row
from crm_records.registry import Registry

errors.texts(
    {
        "part_of_deleted": (
            "它的{part}指向的{label}在回收站中，请先恢复",
            "What it comes back with ({part}) points at a deleted record ({label}): restore that first",
        ),
        "owner_deactivated": ("{label}的账号已停用", "{label}: the account of this person is deactivated"),
    }
)

USER = "user"
_statements: dict[Any, sql.Prepared] = {}


@cache
def _pointing(record: Record) -> list[Field]:
    return [f for f in record.stored.values() if f.references and not f.output_only]


def check(call: Call, record: Record, row: Row, before: Row | None, problems: list[Problem]) -> None:
    """Every id that is new on the record must exist for the caller."""
    for field in _pointing(record):
        if not row.get(field.name):
            continue
        value = row[field.name]
        if before is not None and before.get(field.name) == value:
            continue
        kept = (before or {}).get(field.name) if isinstance(value, list) else None
        ids = [i for i in (value if isinstance(value, list) else [value]) if i not in (kept or ())]
        if record.parent is not None and field.name == record.parent[0]:
            known = _parents(call, record, ids)
            for missing in set(ids) - known:
                refusal = reaching.refusal(call, record.parent[1], missing)
                if isinstance(refusal, errors.Denied):
                    raise refusal
        else:
            known = existing(call, record, field.references, ids)
        wrong = "unknown_reference" if set(ids) - known else ""
        if not wrong and field.name == record.belongs_to and field.references == USER:
            wrong = not_an_owner(call, record, value)
        if wrong:
            problems.append(Problem(field.json_name, wrong, {"label": field.label}))


def not_an_owner(call: Call, record: Record, user_id: str) -> str:
    """Why nobody may give this user a record, as the key of a text; empty where one may.

    What the suite makes of something decided a moment before is not lost because the account ended meanwhile.
    """
    if not kinds.is_id(user_id) or not existing(call, record, USER, [user_id]):
        return "unknown_reference"
    if call.access.suite or user_id == call.caller.user_id:
        return ""
    known: dict[str, bool] = call.memo.setdefault("accounts in use", {})
    if user_id not in known:
        _in_use(call, [user_id])
    return "" if known[user_id] else "owner_deactivated"


def _in_use(call: Call, ids: Sequence[str]) -> None:
    """Ask which of the accounts are in use."""
    u = organisation.user

    def query() -> Select[Any]:
        return select(u.c.id).where(_one_of_them(u), u.c.active)

    found = _asked(call, "accounts in use", query, ids, {})
    call.memo.setdefault("accounts in use", {}).update({i: i in found for i in ids})


def check_alive(call: Call, record: Record, row: Row) -> None:
    """What comes out of the recycle bin must find alive what it belongs to, and whatever else it forbids to delete;
    so must the parts that come out with it.

    Whether it lies within reach was asked of the record itself: a part may be reached by other ways than its parent.
    """
    check_points_at_living(call, record, row, _needed(record))
    _check_parts_alive(call, record, row, Reach(all=True, user_id=call.caller.user_id))


def check_points_at_living(call: Call, record: Record, row: Row, names: Container[str]) -> None:
    """Refuse a row of which one of these fields points at a deleted record that must not be deleted under it."""
    everything = Reach(all=True, user_id=call.caller.user_id)
    problems = []
    for name, other in _needed(record).items():
        if name in names and row[name] and not _own(call, other, [row[name]], everything):
            field = record.fields[name]
            problems.append(Problem(field.json_name, "unknown_reference", {"label": field.label}))
    if problems:
        raise errors.Invalid(*problems)


@cache
def _needed(record: Record) -> dict[str, Record]:
    """Column → what it points at and forbids to delete. What records of one type are to each other their noun checks,
    and says more."""
    needed = {record.parent[0]: record.parent[1]} if record.parent is not None else {}
    for other in record.registry.records.values():
        if other is not record:
            needed |= {d.column.name: other for d in other.dependents if d.column.table is record.table}
    return needed


def _check_parts_alive(call: Call, record: Record, row: Row, everything: Reach) -> None:
    for other in record.registry.records.values():
        for dependent in other.dependents:
            if dependent.part is None or dependent.part.parent is None or dependent.part.parent[1] is not record:
                continue
            c = dependent.column.table.c
            query = select(dependent.column).where(c[dependent.part.parent[0]] == row["id"], c.delete_time.is_(None))
            needed = set(call.connection.scalars(query.distinct()))
            if needed - _own(call, other, sorted(needed), everything):
                raise errors.Conflict("part_of_deleted", part=dependent.label, label=other.label)


def _parents(call: Call, record: Record, ids: Sequence[str]) -> set[str]:
    """Those of the ids below which the caller may do what is asked of the part: reading a record is not enough."""
    assert record.parent is not None
    known: dict[str, bool] = call.memo.setdefault(("parents", record.type), {})
    new = [i for i in dict.fromkeys(ids) if i not in known]
    if new:
        found = _own(call, record.parent[1], new, record.reach(call))
        known.update({i: i in found for i in new})
    return {i for i in ids if known[i]}


def existing(call: Call, record: Record, record_type: str, ids: Sequence[str]) -> set[str]:
    """Which of the ids the caller may point at."""
    if record_type == USER and list(ids) == [call.caller.user_id] and not call.access.client:
        return set(ids)
    known: dict[str, bool] = call.memo.setdefault(("exists", record_type), {})
    new = [i for i in dict.fromkeys(ids) if i not in known]
    if new:
        found = _find(call, record.registry, record_type, new)
        known.update({i: i in found for i in new})
    return {i for i in ids if known[i]}


def look_up_together(call: Call, record: Record, rows: Sequence[Row]) -> None:
    """Ask once for everything that many rows point at; `check` then finds it in the call's memo."""
    parent = record.parent[0] if record.parent else ""
    for field in record.stored.values():
        if field.references and not field.output_only:
            values = [row[field.name] for row in rows if row.get(field.name)]
            ids = [i for v in values for i in (v if isinstance(v, list) else [v]) if kinds.is_id(i)]
            if ids:
                if field.name == parent:
                    _parents(call, record, ids)
                else:
                    existing(call, record, field.references, ids)
                if field.name == record.belongs_to and field.references == USER:
                    _in_use(call, list(dict.fromkeys(ids)))


def _find(call: Call, registry: Registry, record_type: str, ids: Sequence[str]) -> set[str]:
    own = registry.records.get(record_type)
    if own is not None:
        # A reach says where a right holds, not that it is given: who may read none of them points at none.
        scoped = own.top.belongs_to in own.top.table.c
        return _own(call, own, ids) if not scoped or call.access.may(f"{own.type}.read") else set()
    if record_type in registry.foreign:
        return registry.foreign[record_type](call, ids)
    table: Any = {USER: organisation.user, "department": organisation.department}.get(record_type)
    if table is None:
        raise LookupError(f"nobody here knows the record type {record_type}")

    def query() -> Select[Any]:
        found = select(table.c.id).where(_one_of_them(table), ~table.c.deleted)
        return found.where(~table.c.client) if record_type == USER else found  # a program owns nothing

    return _asked(call, record_type, query, ids, {})


def _own(call: Call, record: Record, ids: Sequence[str], reach: Reach | None = None) -> set[str]:
    reach = reach or record.reach(call)
    shape = scope.shape(reach)

    def query() -> Select[Any]:
        table = record.table
        chosen = select(table.c.id).where(_one_of_them(table), table.c.delete_time.is_(None))
        within = record.within(shape)
        chosen = chosen if within is None else chosen.where(within)
        # Held until the transaction ends: who deletes it waits, then sees what points at it.
        return chosen.with_for_update(read=True, key_share=True, of=table)

    return _asked(call, (record, shape), query, ids, scope.parameters(reach))


def _one_of_them(table: Table) -> ColumnElement[bool]:
    return table.c.id == any_(bindparam("ids", type_=ARRAY(table.c.id.type)))


def _asked(
    call: Call, key: Any, query: Callable[[], Select[Any]], ids: Sequence[str], parameters: dict[str, Any]
) -> set[str]:
    """The ids that a query finds; it is compiled once for a key."""
    if key not in _statements:
        _statements[key] = sql.prepare(query())
    return {row[0] for row in _statements[key].run(call.connection, {"ids": list(ids), **parameters})}
