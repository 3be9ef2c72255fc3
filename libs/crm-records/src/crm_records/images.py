"""Before-images: what every record was before an act that changes many of them, so that the act can be undone.

An act is one thing that somebody did to many records: an import, a change of a whole list, a merge. While one is under
way in a call, whatever `writing` stores leaves its image here, in the same transaction; no rule and no verb knows of
it. What a person would have to be told a thousand times is told once: the records' events are marked `bulk`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson
from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    delete,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from crm_kit import sealing
from crm_kit.db import one_of
from crm_kit.inserting import Insertion
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import rows, sql
from crm_records.record import Record, Row

metadata = MetaData()

act = Table(
    "act",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("record_type", Text, nullable=False),
    # The right it took, and takes to be undone.
    Column("right", Text, nullable=False),
    # running, done, undoing, undone
    Column("state", Text, nullable=False),
    Column("what", JSONB, nullable=False, server_default="{}"),
    Column("creator_id", Uuid(as_uuid=False)),
    Column("creator_name", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("finish_time", DateTime(timezone=True)),
    Column("undo_job_id", Uuid(as_uuid=False)),
    Column("version", Integer, nullable=False, server_default="1"),
)
Index("ix_act_record_type", act.c.record_type, act.c.id)
Index("ix_act_create_time", act.c.create_time)

act_item = Table(
    "act_item",
    metadata,
    Column("act_id", Uuid(as_uuid=False), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("record_type", Text, nullable=False),
    Column("record_id", Uuid(as_uuid=False), nullable=False),
    Column("number", Text, nullable=False),
    # created, updated, deleted, restored; empty where nothing came of it
    Column("change", Text, nullable=False),
    # JSON of the columns that differ, as they were.
    Column("before", LargeBinary, info=sealing.SEALED),
    Column("version", Integer),
    # done, failed, undone, kept
    Column("outcome", Text, nullable=False),
    Column("reason", Text),
)
Index("ix_act_item_record_id", act_item.c.record_id)
Index("ix_act_item_outcome", act_item.c.act_id, act_item.c.outcome, act_item.c.seq)

KEPT_DAYS = 180
"""Days that an act can be undone."""
_MEMO, _QUIET, _BACK = "act under way", "one of many", "taking back"
_DERIVED = ("version", "update_time", "updater_id", "search_text", "search_grams", "blind_index")
"""Columns that every write makes anew."""
_INSERT = Insertion(act_item, act_item.c.keys())
_HAND_ON = sql.Prepared(
    "UPDATE act_item SET version = %(now)s WHERE record_id = %(id)s AND version = %(was)s AND outcome = 'done'", {}
)


def begin(call: Call, act_id: str, kind: str, record_type: str, what: Mapping[str, Any]) -> None:
    """Somebody begins an act; everything that this call stores from here on belongs to it."""
    row = {
        "id": act_id,
        "kind": kind,
        "record_type": record_type,
        "right": call.caller.right,
        "state": "running",
        "what": dict(what),
        "creator_id": call.caller.user_id or None,
        "creator_name": call.caller.name,
        "create_time": datetime.now(UTC),
    }
    call.connection.execute(insert(act).values(row))
    go_on(call, act_id)


def go_on(call: Call, act_id: str) -> None:
    """This call does a further piece of an act."""
    last = call.connection.scalar(select(func.max(act_item.c.seq)).where(act_item.c.act_id == act_id))
    call.memo[_MEMO] = [act_id, last or 0]
    quietly(call)


def share(call: Call, other: Call) -> None:
    """What another call in the same transaction stores belongs to the act under way, too."""
    if _MEMO in call.memo:
        other.memo[_MEMO] = call.memo[_MEMO]


def finish(call: Call, act_id: str) -> None:
    """The act is done; from here on it can be undone, for `KEPT_DAYS`."""
    values = {"state": "done", "finish_time": datetime.now(UTC), "version": act.c.version + 1}
    call.connection.execute(act.update().where(act.c.id == act_id, act.c.state == "running").values(values))
    call.memo.pop(_MEMO, None)
    call.memo.pop(_QUIET, None)
    old = select(act.c.id).where(act.c.create_time < func.now() - text(f"interval '{KEPT_DAYS} days'"))
    call.connection.execute(delete(act_item).where(act_item.c.act_id.in_(old)))
    call.connection.execute(delete(act).where(act.c.id.in_(old)))


def reopen(call: Call, act_id: str) -> bool:
    """An act that ended early goes on; False where it is taken back, or is being."""
    ended = act.update().where(act.c.id == act_id, act.c.state == "done")
    again = ended.values(state="running", finish_time=None, version=act.c.version + 1)
    return call.connection.execute(again).rowcount == 1


def forget(call: Call, record_ids: Sequence[str]) -> None:
    """Take what the records were out of every act: a person is erased."""
    these = one_of(act_item.c.record_id, record_ids)
    call.connection.execute(act_item.update().where(these, act_item.c.before.is_not(None)).values(before=None))


def quietly(call: Call) -> None:
    """What this call changes is part of something large: nobody is to be notified of each record."""
    call.memo[_QUIET] = True


def hand_on(call: Call, moved: Sequence[tuple[str, int, int]]) -> None:
    """(id, version before, version now) of records that are to every act what they were: each that left a record with
    the version before can be taken back from the one now."""
    _HAND_ON.run_many(call.connection, [{"id": i, "was": was, "now": now} for i, was, now in moved])


def take_back(call: Call) -> None:
    """What this call changes is taken back, of an act."""
    call.memo[_BACK] = True
    quietly(call)


def is_taking_back(call: Call) -> bool:
    """Whether what this call changes is taken back."""
    return _BACK in call.memo


def is_quiet(call: Call) -> bool:
    """Whether the events of this call are those of one among many."""
    return _QUIET in call.memo


def keep(call: Call, record: Record, pairs: Sequence[tuple[Row | None, Row]]) -> None:
    """Keep what each (before, after) was, if an act is under way."""
    if _MEMO not in call.memo:
        return
    kept = []
    for before, after in pairs:
        line = _line(call, record.type, after["id"], after.get("number") or "")
        if before is not None:
            differs = {str(n): rows.plain(v) for n, v in before.items() if n not in _DERIVED and after.get(n, v) != v}
            differs["version"] = before["version"]
            place = _place(line["act_id"], line["seq"])
            line["before"] = sealing.of(call.connection).seal(call.connection, place, orjson.dumps(differs))
        line |= {"change": change_of(before, after), "version": after["version"], "outcome": "done"}
        kept.append(line)
    _INSERT.run(call.connection, kept)


def fail(call: Call, record_type: str, record_id: str, reason: str, number: str = "") -> None:
    """Keep that nothing came of one record, and why."""
    _INSERT.run(
        call.connection, [_line(call, record_type, record_id, number) | {"outcome": "failed", "reason": reason}]
    )


def change_of(before: Row | None, after: Row) -> str:
    """What a write does to a record's life."""
    if before is None:
        return "created"
    gone, goes = before["delete_time"] is not None, after["delete_time"] is not None
    return "updated" if gone == goes else "deleted" if goes else "restored"


def image(connection: Connection, record: Record, item: Any) -> tuple[Row, int]:
    """The columns of an item as they were, and the version that the record had."""
    if item.before is None:
        return {}, item.version - 1
    plain = sealing.of(connection).open(connection, _place(item.act_id, item.seq), item.before)
    was = {n: _value(record, n, v) for n, v in orjson.loads(plain).items()}
    return was, was.pop("version", item.version - 1)


def _line(call: Call, record_type: str, record_id: str, number: str) -> dict[str, Any]:
    under = call.memo[_MEMO]
    under[1] += 1
    empty = {"change": "", "before": None, "version": None, "outcome": "", "reason": None}
    named = {"record_type": record_type, "record_id": record_id, "number": number}
    return {"act_id": under[0], "seq": under[1], **named, **empty}


def _place(act_id: str, seq: int) -> str:
    return sealing.place(act_item.name, "before", act_id, str(seq))


def _value(record: Record, name: str, plain: Any) -> Any:
    """A value out of JSON as a row holds it."""
    field = record.fields.get(name)
    if field is None or plain is None:
        return plain
    match field.kind:
        case kinds.DECIMAL:
            return Decimal(plain)
        case kinds.DATE:
            return date.fromisoformat(plain)
        case kinds.TIME:
            return datetime.fromisoformat(plain)
    return plain
