"""Appending to the trail: one entry for each event of the stream, in its order, each with the hash of the one before.

An entry is made of its event alone, not of when it arrived: whoever reads the same stream again from an older
backup makes the same chain again, and the anchors outside still fit. Values that tell of natural persons stay out
of it, because nothing can be taken out again: see `persons`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from google.protobuf.struct_pb2 import Value
from sqlalchemy import BigInteger, Column, Connection, DateTime, Index, Table, Text, Uuid, select, text

from crm.identity.v1.keys_pb2 import Session
from crm.records.v1.audited_pb2 import Access
from crm.records.v1.event_pb2 import Event
from crm.records.v1.records_pb2 import FieldChange
from crm.records.v1.team_pb2 import TeamMember
from crm_kit import codec
from crm_kit.db import one_of
from crm_kit.inserting import Insertion
from identity.audit import persons
from identity.tables import metadata

GENESIS = "0" * 64
"""The hash before the first entry."""
CHANGE, SESSION, ACCESS = "change", "session", "access"
_ONE_AT_A_TIME = 0x43524D14
_LONGEST = 500
"""Characters of what is indexed."""

_TEXTS = (
    "service",
    "kind",
    "record_type",
    "record_id",
    "action",
    "actor_id",
    "actor_name",
    "acting_id",
    "address",
    "session_id",
    "request_id",
    "trace_id",
    "changes",
    "previous_hash",
    "hash",
)

audit_entry = Table(
    "audit_entry",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Uuid(as_uuid=False), nullable=False, unique=True),
    Column("time", DateTime(timezone=True), nullable=False),
    *(Column(name, Text, nullable=False) for name in _TEXTS),
)
"""`changes` is JSON as text, because its hash is one of characters. Every index ends in the order of the list."""
_e = audit_entry.c
Index("ix_audit_entry_time", _e.time, _e.seq)
for _name in ("record_type", "record_id", "actor_id", "action", "service"):
    Index(f"ix_audit_entry_{_name}", _e[_name], _e.time, _e.seq)
Index("ix_audit_entry_acting_id", _e.acting_id, _e.time, _e.seq, postgresql_where=_e.acting_id != "")
Index("ix_audit_entry_kind", _e.kind, _e.time, _e.seq, postgresql_where=_e.kind != CHANGE)

Canonical = tuple[Any, ...]
"""An entry as its hash sees it: seq as a number, then texts in the order of COLUMNS, last its own hash."""

COLUMNS = ("seq", "id", "time", *_TEXTS)
SELECT = f"SELECT seq, id::text, extract(epoch FROM time)::text, {', '.join(_TEXTS)} FROM audit_entry"  # noqa: S608
"""Entries as their hashes see them."""
_INSERT = Insertion(audit_entry, COLUMNS)
_value = codec.encoder(Value.DESCRIPTOR)


def digest(entry: Sequence[Any]) -> str:
    """The hash of an entry: SHA-256 of the JSON array of all that it holds, the hash before last, in UTF-8."""
    return hashlib.sha256(orjson.dumps(entry[:-1])).hexdigest()


def append(connection: Connection, events: Sequence[tuple[str, Event]]) -> None:
    """Append events, each with its service. One that is there already is left out."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
    made = [_row(service, event) for service, event in events]
    known = set(connection.scalars(select(_e.id).where(one_of(_e.id, [row["id"] for row in made]))))
    seq, previous = head(connection)
    rows = []
    for row in made:
        if row["id"] in known:
            continue
        seq += 1
        row |= {"seq": seq, "previous_hash": previous, "hash": ""}
        previous = row["hash"] = digest(_canonical(row))
        rows.append(row)
    _INSERT.run(connection, rows)


def head(connection: Connection) -> tuple[int, str]:
    """Place and hash of the newest entry."""
    row = connection.execute(select(_e.seq, _e.hash).order_by(_e.seq.desc()).limit(1)).one_or_none()
    return (row.seq, row.hash) if row else (0, GENESIS)


def _canonical(row: dict[str, Any]) -> Canonical:
    return tuple(_epoch(row[name]) if name == "time" else row[name] for name in COLUMNS)


def _epoch(time: datetime) -> str:
    """Seconds since 1970 with six digits behind the point, as PostgreSQL writes them."""
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return f"{'-' if micros < 0 else ''}{abs(micros) // 1_000_000}.{abs(micros) % 1_000_000:06}"


def _row(service: str, event: Event) -> dict[str, Any]:
    """What the trail keeps of an event."""
    kind, record_type, record_id, action = CHANGE, event.record_type, event.record_id, event.action
    changes = persons.without_values(event, [_change(change) for change in event.changes])
    if event.record_type == "access":
        access = Access()
        event.record.Unpack(access)
        kind, record_type, record_id = ACCESS, access.record_type or ACCESS, access.record_id
        changes = _known(access, "id", "record_type", "record_id")
    elif event.record_type == "session":
        session = Session()
        event.record.Unpack(session)
        kind, changes = SESSION, _known(session, "id", "etag")
    elif event.record_type == "team_member":  # found where one looks for it: under the record
        member = TeamMember()
        event.record.Unpack(member)
        record_type, record_id, action = member.record_type, member.record_id, f"team_{action}"
        changes = changes or _place(member, event.action)
    row = {
        "service": service,
        "kind": kind,
        "record_type": record_type,
        "record_id": record_id,
        "action": action,
        "actor_id": event.actor_id,
        "actor_name": event.actor_name,
        "acting_id": event.acting_id,
        "address": event.address,
        "session_id": event.session_id,
        "request_id": event.request_id,
        "trace_id": event.trace_parent[3:35],
        "changes": orjson.dumps(changes).decode(),
    }
    stored = {
        name: (value if name == "changes" else value[:_LONGEST]).replace("\0", "\N{REPLACEMENT CHARACTER}")
        for name, value in row.items()
    }
    return {**stored, "id": str(UUID(event.id)), "time": event.time.ToDatetime(UTC)}


def _change(change: FieldChange) -> dict[str, Any]:
    """What `codec.to_dict` makes of it, without asking its descriptor: each row of an import has two dozen."""
    told: dict[str, Any] = {"field": change.field}
    if change.HasField("before"):
        told["before"] = _value(change.before)
    if change.HasField("after"):
        told["after"] = _value(change.after)
    return told


def _place(member: TeamMember, action: str) -> list[dict[str, Any]]:
    """Somebody's place in a team in the form of changes, where its event tells none."""
    place = _known(member, "id", "etag", "record_type", "record_id", "user_name", "record_title")
    return [{"field": c["field"], "before": c["after"]} for c in place] if action == "removed" else place


def _known(message: Any, *but: str) -> list[dict[str, Any]]:
    """What is set in a message, in the form of changes."""
    left_out = {message.DESCRIPTOR.fields_by_name[name].json_name for name in but}
    return [{"field": name, "after": value} for name, value in codec.to_dict(message).items() if name not in left_out]
