"""Handlers of events from several parts of a service, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection

from crm.records.v1.event_pb2 import Event
from crm_kit.inbox import Handler


def merged(*several: Mapping[str, Handler]) -> dict[str, Handler]:
    """Handlers of several parts of a service as one; those of one source run in this order."""
    found: dict[str, list[Handler]] = {}
    for handlers in several:
        for source, handler in handlers.items():
            found.setdefault(source, []).append(handler)
    return {source: one[0] if len(one) == 1 else _in_turn(one) for source, one in found.items()}


def _in_turn(handlers: Sequence[Handler]) -> Callable[[Connection, Sequence[Event]], None]:
    def apply(connection: Connection, events: Sequence[Event]) -> None:
        for handler in handlers:
            handler(connection, events)

    return apply
