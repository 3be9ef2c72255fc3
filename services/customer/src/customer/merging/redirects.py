"""Ids that lead elsewhere: a customer that went into another is found where it went."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from crm.records.v1 import records_pb2
from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import listing
from crm_records.record import Record
from customer.merging.tables import redirect

errors.texts(
    {
        "merge_built_on": (
            "保留的记录此后又被合并，请先撤销那次合并（编号 {id}）",
            "The record that stayed was merged itself since: take that merge back first (id {id})",
        )
    }
)


def get(call: Call, record: Record, request: records_pb2.GetRequest) -> Any:
    """One record; of one that went into another, that one: an old link leads on. Its id says which it is."""
    try:
        return listing.get(call, record, request)
    except errors.NotFound:
        to_id = leads_to(call.connection, [request.id]).get(request.id) if kinds.is_id(request.id) else None
        if to_id is None:
            raise
        return listing.get(call, record, records_pb2.GetRequest(id=to_id, fields=request.fields))


def leads_to(connection: Connection, ids: Collection[str]) -> Mapping[str, str]:
    """Of these ids those that went into another record, with where they lead now."""
    query = select(redirect.c.from_id, redirect.c.to_id).where(one_of(redirect.c.from_id, list(ids)))
    return {row.from_id: row.to_id for row in connection.execute(query)}


def stays(connection: Connection, record_id: str) -> str:
    """The record that one is now: itself, or that it went into."""
    return leads_to(connection, [record_id]).get(record_id, record_id)


def went_into(connection: Connection, record_id: str) -> list[str]:
    """What went into a record, at any remove."""
    return list(connection.scalars(select(redirect.c.from_id).where(_near([record_id])).order_by(redirect.c.from_id)))


def by_key(call: Call, record: Record, keys: Collection[str]) -> dict[str, str]:
    """Keys of imports that merged records had, with the records they went into."""
    table = record.table
    column = table.c[record.key]
    query = select(column, redirect.c.to_id).join(redirect, redirect.c.from_id == table.c.id)
    # The last that went holds the key, if several in turn had it.
    return {
        row[0]: row[1] for row in call.connection.execute(query.where(one_of(column, keys)).order_by(redirect.c.time))
    }


def lead(call: Call, record: Record, act_id: str, ids: Sequence[str], to_id: str) -> None:
    """From now on these ids lead to another, and so does what led to them."""
    call.connection.execute(update(redirect).where(one_of(redirect.c.to_id, ids)).values(to_id=to_id))
    now = datetime.now(UTC)
    same = {"record_type": record.type, "into_id": to_id, "to_id": to_id, "act_id": act_id, "time": now}
    call.connection.execute(insert(redirect), [{"from_id": i, **same} for i in ids])


def refuse_built_on(call: Call, act_id: str) -> None:
    """Refuse to take back a merge whose survivor went into another one since: that merge comes first."""
    later = redirect.alias()
    query = select(later.c.act_id).join(redirect, later.c.from_id == redirect.c.into_id)
    found = call.connection.scalar(query.where(redirect.c.act_id == act_id).limit(1))
    if found is not None:
        raise errors.Conflict("merge_built_on", id=found)


def lead_back(call: Call, act_id: str) -> tuple[str, list[str]]:
    """An act is taken back: (the record they went into, the ids that lead nowhere any more)."""
    gone = delete(redirect).where(redirect.c.act_id == act_id).returning(redirect.c.from_id, redirect.c.into_id)
    rows = call.connection.execute(gone).all()
    if not rows:
        return "", []
    ids = sorted(row.from_id for row in rows)
    # What had gone into one of them before leads to that one again.
    through = select(redirect.c.from_id, redirect.c.into_id)
    into = {row.from_id: row.into_id for row in call.connection.execute(through.where(_near(ids)))}
    for from_id in into:
        end = into[from_id]
        while end in into:
            end = into[end]
        call.connection.execute(update(redirect).where(redirect.c.from_id == from_id).values(to_id=end))
    return rows[0].into_id, ids


def _near(ids: Sequence[str]) -> Any:
    """Everything that went, at whatever remove, into one of these."""
    below = select(redirect.c.from_id).where(one_of(redirect.c.into_id, ids)).cte("below", recursive=True)
    below = below.union(select(redirect.c.from_id).join(below, redirect.c.into_id == below.c.from_id))
    return redirect.c.from_id.in_(select(below.c.from_id))
