"""Who is given a record, anywhere, finds it in the inbox.

One rule for every kind of record: an event that made it somebody's is told to that person, unless they did it
themselves or it is a row of an import. The notification has the event's id, so a repeat, however late, finds it
there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

from google.protobuf.message import Message
from sqlalchemy import Connection

from crm.records.v1.event_pb2 import Event
from workspace.notifications import ASSIGNED, RECORDS, notice, put

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
                continue
            about = (event.record_type, event.record_id, getattr(record, title))
            time = event.time.ToDatetime(UTC)
            notices.append(notice(event.id, record.owner_id, ASSIGNED, time, about, event.actor_name))
        put(connection, notices)

    return apply


HANDLERS = {source: _given(kind, title) for source, (kind, title) in RECORDS.items()}
