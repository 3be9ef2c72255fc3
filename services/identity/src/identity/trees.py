"""Trees of departments and of the reporting line: no cycles, also when two people move things at once."""

from __future__ import annotations

from sqlalchemy import Table, select, text

from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records.record import Record, Row

errors.texts(
    {
        "cycle": ("{label}不能是自己或自己的下级", "{label} cannot be itself or anything below it"),
    }
)

_LOCKS = {"department": 0x43524D21, "user_account": 0x43524D22}


def lock(call: Call, table: Table) -> None:
    """One move at a time: what is checked after this stays true until the transaction ends."""
    call.connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCKS[table.name]})


def refuse_cycle(call: Call, record: Record, row: Row, before: Row | None, column: str) -> None:
    """Refuse a row that would come to stand above itself, or below one that is deleted."""
    above = row[column]
    if not above or (before is not None and above == before[column]):
        return
    lock(call, record.table)
    field = record.fields[column]
    chain = text(
        "WITH RECURSIVE up AS ("  # noqa: S608 - names of our own columns
        f" SELECT id, {column} AS next FROM {record.table.name} WHERE id = :above AND delete_time IS NULL UNION"
        f" SELECT t.id, t.{column} FROM {record.table.name} t JOIN up ON t.id = up.next) SELECT id FROM up"
    )
    ids = set(call.connection.scalars(chain, {"above": above}))
    if row["id"] in ids:
        raise errors.Invalid(Problem(field.json_name, "cycle", {"label": field.label}))
    if not ids:
        raise errors.Invalid(Problem(field.json_name, "unknown_reference", {"label": field.label}))


def below(call: Call, table: Table, column: str, top: str) -> set[str]:
    """A node and everything below it; nothing if it is not stored yet."""
    tree = text(
        "WITH RECURSIVE down AS ("  # noqa: S608 - names of our own columns
        f" SELECT id FROM {table.name} WHERE id = :top UNION"
        f" SELECT t.id FROM {table.name} t JOIN down ON t.{column} = down.id) SELECT id FROM down"
    )
    return {str(i) for i in call.connection.scalars(tree, {"top": top})}


def hold(call: Call, record: Record, row: Row, before: Row | None, column: str, target: Table) -> None:
    """What a row newly points at cannot be deleted before this transaction ends."""
    if before is not None and row[column] == before[column]:
        return
    wanted = row[column] if isinstance(row[column], list) else [row[column]]
    living = select(target.c.id).where(one_of(target.c.id, wanted), target.c.delete_time.is_(None))
    found = set(call.connection.scalars(living.with_for_update(key_share=True, read=True)))
    if set(wanted) - found:
        field = record.fields[column]
        raise errors.Invalid(Problem(field.json_name, "unknown_reference", {"label": field.label}))


def unless_restored(before: Row | None) -> Row | None:
    """What comes out of the recycle bin is looked at like something new: the tree changed in the meantime."""
    return None if before is None or before["delete_time"] is not None else before
