"""Doing one's part of what was decided elsewhere: with the suite's own rights, under the name of who decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from crm.records.v1.event_pb2 import Event
from crm_kit import caller, rpc
from crm_kit.access import Organisation
from crm_kit.caller import Caller
from crm_kit.inbox import Handler
from crm_kit.rpc import Call


def call_of(connection: Connection, service: str, event: Event) -> Call:
    """A call in the transaction of the event's handler. Its events are queued by `send_events`."""
    call = rpc.system_call(connection, service, Organisation(connection.engine))
    access = replace(call.access, user_id=event.actor_id, name=event.actor_name)
    call.caller = Caller(access, event.session_id)
    told = {"traceparent": event.trace_parent, "x-request-id": event.request_id, "x-forwarded-for": event.address}
    call.metadata = caller.read(dict(told))
    return call


def is_elsewhere(error: Exception) -> bool:
    """Whether nothing is wrong with what was to be done: the database is away, or somebody else holds a row."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, (psycopg.OperationalError, psycopg.InterfaceError))


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
