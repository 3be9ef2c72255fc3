"""What every handler takes from an event: the record, its version, the words that are the same for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from google.protobuf.message import Message

from crm.records.v1.event_pb2 import Event

_M = TypeVar("_M", bound=Message)

ZONE = ZoneInfo("Asia/Shanghai")
"""Days, months and quarters of a moment are those of the company's own calendar."""


def newest(events: Sequence[Event]) -> list[Event]:
    """Events carry whole records, so of several about one record the newest says it all."""
    found: dict[str, Event] = {}
    for event in events:
        before = found.get(event.record_id)
        if before is None or before.version < event.version:
            found[event.record_id] = event
    return list(found.values())


def unpack(kind: type[_M], event: Event) -> _M:
    """The record as it stood after the change."""
    return kind.FromString(event.record.value)


def belonging(record: Any) -> dict[str, Any]:
    """Where a record belongs, and whether it counts."""
    return {
        "owner_id": record.owner_id or None,
        "department_id": record.department_id or None,
        "deleted": record.HasField("delete_time"),
    }


def local(record: Any, name: str) -> datetime | None:
    """A moment of a record in the company's time zone."""
    return getattr(record, name).ToDatetime(ZONE) if record.HasField(name) else None


def month(moment: datetime | None) -> str | None:
    """2017-01"""
    return f"{moment:%Y-%m}" if moment else None
