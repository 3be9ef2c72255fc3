"""Whoever follows a record finds its changes in the inbox, as long as they may read it.

Not what they did themselves, not one of many records of an act, and not what is told them anyway since the record
became theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any
from uuid import UUID, uuid5

from google.protobuf.message import Message
from sqlalchemy import Connection

from crm.records.v1.event_pb2 import Event
from crm_kit import errors
from crm_kit.access import Access
from crm_kit.organisation_reader import Organisation
from crm_records import following
from workspace.notifications import FOLLOWED, FOLLOWED_GONE, notice, put

_ALSO = {"service_request": "creator_id", "task": "creator_id"}
"""Fields that name people who read a record besides its owner, as the services that own them say it."""


def told(kind: type[Message], title: str) -> Callable[[Connection, Sequence[Event]], None]:
    """A handler for records that have an owner and a field to show as title."""

    def apply(connection: Connection, events: Sequence[Event]) -> None:
        of_one = [e for e in events if not e.bulk and e.action != "created"]
        if not of_one:
            return
        followers = following.of(connection, of_one[0].record_type, sorted({e.record_id for e in of_one}))
        notices = []
        for event in of_one:
            record: Any = kind()
            event.record.Unpack(record)
            became = {record.owner_id} if any(c.field == "ownerId" for c in event.changes) else set()
            for user_id in followers.get(event.record_id, ()):
                if user_id in {event.actor_id, *became} or not reads(connection, user_id, event.record_type, record):
                    continue
                about = (event.record_type, event.record_id, getattr(record, title))
                kind_of = FOLLOWED_GONE if event.action == "deleted" else FOLLOWED
                notice_id = str(uuid5(UUID(event.id), user_id))
                actor = (event.actor_id, event.actor_name)
                notices.append(notice(notice_id, user_id, kind_of, event.time.ToDatetime(UTC), about, actor))
        put(connection, notices)

    return apply


def reads(connection: Connection, user_id: str, record_type: str, record: Any) -> bool:
    """Whether a record lies within what somebody reads now."""
    right = f"{record_type}.read"
    try:
        access: Access = Organisation(connection.engine).person(user_id)
    except errors.Unauthenticated:  # who left is told nothing
        return False
    if not access.may(right):
        return False
    reach = access.reach(record_type, right)
    if reach.all or record.id in reach.record_ids or getattr(record, _ALSO.get(record_type, ""), "") == user_id:
        return True
    if record.owner_id:
        return record.owner_id in reach.owner_ids
    return bool(record.department_id) and record.department_id in reach.department_ids
