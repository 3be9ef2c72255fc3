"""The recycle bin: into it unless others depend on the record, out of it where its parent lives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ARRAY, any_, bindparam, func, select

from crm.records.v1 import records_pb2 as pb
from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import changes, references, sql, storing, writing
from crm_records.record import Record, Row

_statements: dict[Any, sql.Prepared] = {}


def delete(call: Call, record: Record, request: pb.DeleteRequest) -> pb.Deleted:
    """Put a record into the recycle bin, unless others depend on it."""
    after = bin_one(call, record, storing.locked(call, record, request.id, request.etag, alone=True))
    return pb.Deleted(id=after["id"], delete_time=after["delete_time"], etag=str(after["version"]))


def bin_one(call: Call, record: Record, before: Row, action: str = "deleted") -> Row:
    """Put a locked row into the recycle bin, unless others depend on it; the row after."""
    return bin_many(call, record, [before], action)[0]


def bin_many(call: Call, record: Record, rows_: Sequence[Row], action: str = "deleted") -> list[Row]:
    """The same for several locked rows; if others depend on one of them, none goes."""
    record.may_delete_many(call, rows_)
    _refuse_depended_on(call, record, [row["id"] for row in rows_])
    now, who = datetime.now(UTC), call.caller.user_id or None
    pairs = [(before, {**before, "delete_time": now, "deleter_id": who}) for before in rows_]
    storing.store_many(call, record, pairs)
    record.written_many(call, pairs)
    changes.tell(call, record, action, pairs, now)
    return [after for _, after in pairs]


def _refuse_depended_on(call: Call, record: Record, record_ids: Sequence[str]) -> None:
    """Told is the first that something points at, and how much does, up to a hundred."""
    found: dict[str, list[tuple[tuple[str, str], int]]] = {}
    for dependent in record.dependents:
        key = (record, "depended on", dependent)
        statement = _statements.get(key)
        if statement is None:
            column = dependent.column
            these = column == any_(bindparam("ids", type_=ARRAY(column.type)))
            query = select(column, func.count()).where(these, dependent.living()).group_by(column)
            statement = _statements[key] = sql.prepare(query)
        for record_id, count in statement.run(call.connection, {"ids": list(record_ids)}).fetchall():
            found.setdefault(record_id, []).append((dependent.label, min(count, 100)))
    first = next((found[i] for i in record_ids if i in found), None)
    if first:
        what = tuple(", ".join(f"{label[i]} {count}" for label, count in first) for i in (0, 1))
        raise errors.Conflict("depended_on", what=what)


def restore(call: Call, record: Record, request: pb.RestoreRequest) -> Any:
    """Take a record out of the recycle bin."""
    before = storing.locked(call, record, request.id, None, deleted=True)
    after = {**before, "delete_time": None, "deleter_id": None}
    references.check_alive(call, record, after)
    writing.check(call, record, after, before)
    storing.store(call, record, before, after)
    record.written_many(call, [(before, after)])
    changes.tell(call, record, "restored", [(before, after)], after["update_time"])
    return writing.answer(call, record, after)
