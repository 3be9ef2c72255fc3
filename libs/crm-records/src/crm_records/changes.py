"""The change log: what each version of each record changed, by whom, when. And the event that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value
from psycopg.types.json import Jsonb
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Integer, MetaData, Table, Text, Uuid, func, select
from sqlalchemy.dialects.postgresql import JSONB

from crm.records.v1 import records_pb2 as pb
from crm.records.v1.event_pb2 import Event
from crm_kit.inserting import Insertion
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import images, rows
from crm_records.fields import Field
from crm_records.record import Record, Row

metadata = MetaData()

change_log = Table(
    "change_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("record_type", Text, nullable=False),
    Column("record_id", Uuid(as_uuid=False), nullable=False),
    Column("version", Integer, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor_id", Uuid(as_uuid=False)),
    Column("actor_name", Text, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("request_id", Text, nullable=False),
    Column("changes", JSONB, nullable=False),
)
Index("ix_change_log_record", change_log.c.record_id, change_log.c.id)

_UNTOLD = {"version", "update_time", "updater_id", "create_time", "creator_id", "search_text", "search_grams", "id"}
"""Columns that every write touches or that are derived: saying so would say nothing."""

_INSERT = Insertion(change_log, [c.name for c in change_log.c if c.name != "id"])
HIDDEN = "***"


def between(record: Record, before: Row | None, after: Row, *, whole: bool = False) -> list[tuple[str, Any, Any]]:
    """(field, before, after) for every field that differs, as JSON shows them; sensitive ones masked unless `whole`."""
    found: list[tuple[str, Any, Any]] = []
    told = _told(record)
    if before is None:
        names = [n for n, value in after.items() if value and n in told]
    else:
        names = [n for n in told if before.get(n) != after.get(n)]
    for name in names:
        field, old, new = told[name], None if before is None else before.get(name), after.get(name)
        if field.sensitive and not whole:
            found.append((field.json_name, HIDDEN if old else None, HIDDEN if new else None))
        elif field.kind == kinds.CUSTOM:
            keys = sorted({*(old or {}), *(new or {})})
            found += [
                (f"custom.{k}", (old or {}).get(k), (new or {}).get(k))
                for k in keys
                if (old or {}).get(k) != (new or {}).get(k)
            ]
        else:
            found.append((field.json_name, rows.plain(old), rows.plain(new)))
    return found


@cache
def _told(record: Record) -> dict[str, Field]:
    return {n: f for n, f in record.stored.items() if n not in _UNTOLD}


def _columns(record: Record) -> list[str]:
    return [c.name for c in record.table.columns]


@cache
def _announced(record: Record) -> frozenset[str]:
    """The columns of a record that its events show."""
    return frozenset(n for n in _columns(record) if not _sensitive(record, n))


def tell(
    call: Call,
    record: Record,
    action: str,
    written: Sequence[tuple[Row | None, Row]],
    now: datetime,
    *,
    bulk: bool = False,
) -> None:
    """Log and announce that `action` made each (before, after). `bulk`: as rows of an import. What the suite computed
    holds no act up."""
    put(call, drawn_up(call, record, action, written, now, bulk=bulk or images.is_quiet(call)))
    if action in record.computes and not call.caller.user_id:
        images.hand_on(call, [(b["id"], b["version"], a["version"]) for b, a in written if b is not None])


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be logged and announced of some changes."""

    lines: list[dict[str, Any]]
    events: list[Event]


def drawn_up(
    call: Call, record: Record, action: str, written: Sequence[tuple[Row | None, Row]], now: datetime, *, bulk: bool
) -> Told:
    """What `tell` logs and announces, without asking the database for anything."""
    told = Told([], [])
    for before, after in written:
        differences = between(record, before, after)
        told.lines.append(_line(call, record, after["id"], after["version"], action, differences, now))
        one = event(record, action, after, differences, now)
        one.bulk = bulk
        told.events.append(one)
    return told


def put(call: Call, told: Told) -> None:
    """Log and announce what was drawn up."""
    for one in told.events:
        call.announce(one)
    _INSERT.run(call.connection, told.lines)


def note(
    call: Call,
    record: Record,
    record_id: str,
    version: int,
    action: str,
    differences: list[tuple[str, Any, Any]],
    now: datetime,
) -> None:
    """Log what happened around a record without changing it: its version stays, and it announces nothing."""
    _INSERT.run(call.connection, [_line(call, record, record_id, version, action, differences, now)])


def _line(
    call: Call,
    record: Record,
    record_id: str,
    version: int,
    action: str,
    differences: list[tuple[str, Any, Any]],
    now: datetime,
) -> dict[str, Any]:
    return {
        "record_type": record.type,
        "record_id": record_id,
        "version": version,
        "action": action,
        "actor_id": call.caller.user_id or None,
        "actor_name": call.caller.name,
        "time": now,
        "request_id": call.metadata.request_id,
        "changes": Jsonb([{"field": f, "before": b, "after": a} for f, b, a in differences]),
    }


def event(record: Record, action: str, after: Row, differences: list[tuple[str, Any, Any]], now: datetime) -> Event:
    """The event of a change: the whole record as it stands, without its sensitive fields."""
    told = Event(record_type=record.type, action=action, record_id=after["id"], version=after["version"])
    told.time.CopyFrom(rows.timestamp(now))
    told.record.Pack(rows.to_message(record, after, _announced(record)))
    told.changes.extend([_field_change(*difference) for difference in differences])
    return told


def _field_change(name: str, before: Any, after: Any) -> pb.FieldChange:
    if isinstance(before, (list, dict)) or isinstance(after, (list, dict)):
        return _new_field_change(name, before, after)
    return _kept_field_change(name, before, after)


def _new_field_change(name: str, before: Any, after: Any) -> pb.FieldChange:
    change = pb.FieldChange(field=name)
    set_value(change.before, before)
    set_value(change.after, after)
    return change


_kept_field_change = lru_cache(maxsize=4096, typed=True)(_new_field_change)
"""Rows of an import share most of their values: taking a message over costs a fifth of making it."""


def _sensitive(record: Record, name: str) -> bool:
    return name in ("search_text", "search_grams", "blind_index") or (
        name in record.fields and record.fields[name].sensitive
    )


def set_value(target: Value, plain: Any) -> None:
    """Put a value into a message as the JSON interface shows it."""
    if plain is None:
        target.null_value = 0  # type: ignore[assignment]
    elif isinstance(plain, bool):
        target.bool_value = plain
    elif isinstance(plain, (int, float)):
        target.number_value = plain
    elif isinstance(plain, str):
        target.string_value = plain
    else:
        ParseDict(plain, target)


def of(call: Call, record_type: str, record_id: str, after: int, limit: int) -> Sequence[Any]:
    """Rows of the log of one record, oldest first, behind the log id `after`."""
    query = (
        select(change_log)
        .where(change_log.c.record_id == record_id, change_log.c.record_type == record_type, change_log.c.id > after)
        .order_by(change_log.c.id)
        .limit(limit)
    )
    return call.connection.execute(query).all()


def only_computed(call: Call, record: Record, row: Row, etag: str) -> bool:
    """Whether every version of a record behind the one that an etag names is the suite's own computing."""
    behind = row["version"] - int(etag) if etag.isdecimal() and len(etag) < 10 else 0
    if behind <= 0 or not record.computes:
        return False
    log = change_log.c
    later = (log.record_id == row["id"], log.record_type == record.type, log.version > int(etag))
    own = (log.action.in_(sorted(record.computes)), log.actor_id.is_(None))
    return call.connection.scalar(select(func.count(log.version.distinct())).where(*later, *own)) == behind


def to_message(row: Any) -> pb.Change:
    """One row of the log as it is answered."""
    change = pb.Change(
        id=str(row.id),
        record_type=row.record_type,
        record_id=row.record_id,
        version=row.version,
        action=row.action,
        actor_id=row.actor_id or "",
        actor_name=row.actor_name,
        time=row.time,
    )
    for one in row.changes:
        entry = change.changes.add(field=one["field"])
        set_value(entry.before, one["before"])
        set_value(entry.after, one["after"])
    return change
