"""What a caller sees of the records of a type, asked by whoever reads, searches, counts or tells of them.

People without rules have no `View`, and nothing of one runs for them; those with the same rules have the same.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from sqlalchemy import select

from crm_kit.field_access import READ_ONLY
from crm_kit.rpc import Call
from crm_records import pooling
from crm_records.record import Record
from crm_records.view import View, name_of


def of(call: Call, record: Record) -> View | None:
    """What the caller's roles, pools and reach close of a record type; None where it is nothing."""
    access = call.caller.access
    if access is None:
        return None
    rules = access.fields(record.ruled_by or record.type)
    pools = access.closed(record.team_of) if record.pooled else ()
    veiled = record.veiled(call)
    if not record.copies:
        return _view(record, rules, (), pools, veiled) if rules or pools or veiled else None
    others = tuple(access.fields(resource) for sources in record.copies.values() for resource, _ in sources)
    return _view(record, rules, others, pools, veiled) if rules or any(others) or pools or veiled else None


def blind(call: Call, record: Record) -> frozenset[str]:
    """Fields that the caller cannot compare, sort, count or add up by."""
    view = of(call, record)
    return view.blind if view is not None else frozenset()


def unseen(call: Call, record: Record, record_id: str) -> frozenset[str]:
    """What the caller does not see in full of one record as it stands: fields, and kinds of parts that its pool
    hides."""
    view = of(call, record)
    if view is None:
        return frozenset()
    state, pool = record.states.column if record.states is not None else "", record.pooled if view.pools else ""
    columns = [record.table.c[name] for name in (state, pool) if name]
    ruled = view.blind - view.veiled
    if not columns:
        return ruled
    row = call.connection.execute(select(*columns).where(record.table.c.id == record_id)).mappings().one_or_none()
    if row is None:
        return ruled
    veiled = frozenset(n for n in ruled if n not in view.names or view.level(n, row.get(state)) < READ_ONLY)
    closed = view.pools.get(row[pool]) if pool else None
    return veiled | closed.now(call, record_id) | closed.hidden_parts if closed is not None else veiled


def spared(call: Call, record: Record, compared: Collection[str], searching: bool = False) -> pooling.Narrowing:
    """What a question that compares these fields or kinds of parts, and searches or not, must leave out."""
    view = of(call, record)
    if view is None or not view.pools:
        return pooling.NONE
    return pooling.narrowing(record, view.pools, [name_of(record, n) for n in compared], searching)


def unseen_in_search(call: Call, record: Record) -> dict[str, frozenset[str]]:
    """By record type, what the search box must not find by: searched fields of a record and of its parts.

    Nobody finds anything by parts that they may not read: all of them, on everything that is searched, or by none.
    """
    found = {}
    for one in (record, *record.searched_parts()):
        readable = one is record or _reads_parts(call, record, one)
        hidden = blind(call, one).intersection(one.search) if readable else frozenset(one.search)
        if hidden:
            found[one.type] = hidden
    return found


def _reads_parts(call: Call, record: Record, part: Record) -> bool:
    """Whether the caller may read the parts of every record that the call reaches."""
    access = call.caller.access
    if access is None:
        return True
    return access.may(f"{part.type}.read") and part.reach(call).holds(record.reach(call))


_view = lru_cache(maxsize=4096)(View)
