"""Who is given a record, anywhere, or a place in its team, finds it in the inbox; so does who manages a department
that is given one.

One rule for every kind of record: an event that made it somebody's is told to that person, unless they did it
themselves or it is a row of an import. The notification has the event's id, so a repeat, however late, finds it
there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any
from uuid import UUID, uuid5

from google.protobuf.message import Message
from sqlalchemy import Connection

from crm.identity.v1.handovers_pb2 import Handover
from crm.records.v1.acts_pb2 import Act
from crm.records.v1.event_pb2 import Event
from crm.records.v1.team_pb2 import TeamMember
from crm_kit.inbox import Handler
from crm_records import following
from workspace import followers, managers
from workspace.notifications import (
    ASSIGNED,
    BACK_FROM,
    BACK_TO,
    GIVEN_MANY,
    HANDED_FROM,
    HANDED_TO,
    LABELS,
    RECORDS,
    TEAM_ADDED,
    notice,
    put,
)

_GIVING = {"created", "assigned"}
"""Actions that make a record somebody's; any other does where it changed the owner."""


def _given(kind: type[Message], title: str) -> Callable[[Connection, Sequence[Event]], None]:
    """A handler for records that have an owner and a field to show as title."""

    def apply(connection: Connection, events: Sequence[Event]) -> None:
        notices = []
        for event in events:
            if event.bulk or not (event.action in _GIVING or any(c.field == "ownerId" for c in event.changes)):
                continue
            record: Any = kind()
            event.record.Unpack(record)
            if not record.owner_id or record.owner_id == event.actor_id:
                notices += managers.told(connection, event, record, getattr(record, title))
                continue
            about = (event.record_type, event.record_id, getattr(record, title))
            time = event.time.ToDatetime(UTC)
            notices.append(notice(event.id, record.owner_id, ASSIGNED, time, about, (event.actor_id, event.actor_name)))
        put(connection, notices)

    return apply


def into_team(connection: Connection, events: Sequence[Event]) -> None:
    """Whoever is put into the team of a record is told, unless they did it themselves or it was a handover."""
    notices = []
    for event in events:
        member = TeamMember.FromString(event.record.value)
        if event.action != "added" or event.bulk or member.user_id == event.actor_id:
            continue
        if member.record_type not in LABELS:
            continue
        about = (member.record_type, member.record_id, member.record_title)
        actor = (event.actor_id, event.actor_name)
        notices.append(notice(event.id, member.user_id, TEAM_ADDED, event.time.ToDatetime(UTC), about, actor))
    put(connection, notices)


def handed_over(connection: Connection, events: Sequence[Event]) -> None:
    """Both sides of a handover are told once how much it was, of each record nobody. Who got nothing is not told so."""
    notices = []
    for event in events:
        if event.action not in ("done", "undone"):
            continue
        handover = Handover.FromString(event.record.value)
        back = event.action == "undone"
        counts = {handover.from_user_id: sum(p.undone if back else p.moved for p in handover.parts)}
        for part in handover.parts:
            for taken in part.taken:
                counts[taken.user_id] = counts.get(taken.user_id, 0) + taken.moved
        for user_id in dict.fromkeys([handover.from_user_id, *handover.taker_ids]):
            gives = user_id == handover.from_user_id
            if not gives and not counts.get(user_id):
                continue
            kind = (BACK_FROM if gives else BACK_TO) if back else (HANDED_FROM if gives else HANDED_TO)
            about = (event.record_type, event.record_id, handover.number)
            actor = (event.actor_id, event.actor_name)
            told = notice(str(uuid5(UUID(event.id), user_id)), user_id, kind, event.time.ToDatetime(UTC), about, actor)
            notices.append({**told, "records": counts.get(user_id, 0)})
    put(connection, notices)


def given_many(connection: Connection, events: Sequence[Event]) -> None:
    """Whoever is given many records by one act is told once how many, not of each."""
    notices = []
    for event in events:
        act = Act.FromString(event.record.value)
        for given in act.given:
            if given.user_id == event.actor_id:
                continue
            about = (act.record_type, act.id, "")
            actor, time = (event.actor_id, event.actor_name), event.time.ToDatetime(UTC)
            told = notice(str(uuid5(UUID(event.id), given.user_id)), given.user_id, GIVEN_MANY, time, about, actor)
            notices.append({**told, "records": given.count})
    put(connection, notices)


HANDLERS: dict[str, Handler] = {source: _given(kind, title) for source, (kind, title) in RECORDS.items()}
HANDLERS["identity.handover"] = handed_over
FOLLOWED: dict[str, Handler] = {source: followers.told(kind, title) for source, (kind, title) in RECORDS.items()}
FOLLOWED |= {f"{source.partition('.')[0]}.follower": following.apply for source in RECORDS}
HANDLERS |= {f"{source.partition('.')[0]}.act": given_many for source in RECORDS}
HANDLERS |= {f"{source.partition('.')[0]}.team_member": into_team for source in RECORDS}
