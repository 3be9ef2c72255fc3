"""Somebody's place in the team of a record, however it came about: stored, noted in the change log, announced."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from crm.records.v1 import team_pb2 as pb
from crm.records.v1.event_pb2 import Event
from crm_kit import organisation
from crm_kit.rpc import Call
from crm_kit.team import team_member
from crm_records import changes, rows
from crm_records.record import Record, Row

_KEYS = ("record_type", "record_id", "user_id")
_SHOWN = ("userId", "access", "endTime", "label")


def find(call: Call, record_type: str, record_id: str, user_id: str) -> Row | None:
    """Somebody's place, held for a change; a past one too."""
    c = team_member.c
    query = select(team_member).where(c.record_type == record_type, c.record_id == record_id, c.user_id == user_id)
    row = call.connection.execute(query.with_for_update()).mappings().one_or_none()
    return dict(row) if row is not None else None


def put(
    call: Call,
    after: Row,
    before: Mapping[str, Any] | None,
    action: str,
    of: tuple[Record, int] | None = None,
    *,
    bulk: bool = False,
) -> pb.TeamMember:
    """Store a place, note it in the change log of the record, and announce it: added, changed or removed.

    `of` is the record, with its version; without it nothing is noted and no name is told. `bulk` is for what was not
    done to this place alone: nobody is told of it one by one.
    """
    now = datetime.now(UTC)
    stored = {**after, "deleted": action == "removed", "version": before["version"] + 1 if before is not None else 1}
    new = insert(team_member).values(stored)
    values = {n: new.excluded[n] for n in stored if n not in _KEYS}
    call.connection.execute(new.on_conflict_do_update(index_elements=_KEYS, set_=values))
    name = organisation.names(call.connection, [stored["user_id"]]).get(stored["user_id"], "") if of else ""
    was, becomes = _plain(before, name), _plain(stored, name)
    if of:
        record, version = of
        changes.note(call, record, stored["record_id"], version, "team_changed", [("team", was, becomes)], now)
    told = message(stored, name)
    version = stored["version"]
    event = Event(record_type="team_member", action=action, record_id=told.id, version=version, time=now, bulk=bulk)
    title = _title(call, of[0], stored["record_id"]) if of and action == "added" and not bulk else ""
    packed = pb.TeamMember(record_title=title)
    packed.MergeFrom(told)
    packed.ClearField("user_name")  # whoever hears of it knows people by their ids, and events stay
    event.record.Pack(packed)
    for field in _SHOWN:
        left, right = ((side or {}).get(field) for side in (was, becomes))
        if left != right or field == "userId":
            change = event.changes.add(field=field)
            changes.set_value(change.before, left)
            changes.set_value(change.after, right)
    call.announce(event)
    return told


def message(row: Mapping[str, Any], name: str | None) -> pb.TeamMember:
    """A place as it is answered and announced."""
    return pb.TeamMember(
        id=":".join(row[n] for n in _KEYS),
        etag=str(row["version"]),
        record_type=row["record_type"],
        record_id=row["record_id"],
        user_id=row["user_id"],
        access=row["access"],
        end_time=row["end_time"],
        user_name=name or "",
        label=row["label"] or "",
    )


def _title(call: Call, record: Record, record_id: str) -> str:
    """What the record is called, for whoever is told of the place; empty where events do not say it either, and for a
    natural person, whose name is to be found in events of their own record only."""
    field = record.fields[record.title_field]
    if field.sensitive or field.encrypted:
        return ""
    query = select(record.table).where(record.table.c.id == record_id)
    row = call.connection.execute(query).mappings().one_or_none()
    return str(row[field.name] or "") if row is not None and not record.is_person(dict(row)) else ""


def _plain(row: Mapping[str, Any] | None, name: str) -> dict[str, Any] | None:
    """A place as the change log shows it; None where there is none."""
    if row is None or row["deleted"]:
        return None
    who = {"userId": row["user_id"], "name": name}
    return {**who, "access": row["access"], "endTime": rows.plain(row["end_time"]), "label": row["label"]}
