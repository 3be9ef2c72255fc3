"""Doing one's part of what was decided elsewhere: with the suite's own rights, under the name of who decided."""

from __future__ import annotations

from dataclasses import replace

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from crm.records.v1.event_pb2 import Event
from crm_kit import caller, rpc
from crm_kit.caller import Caller
from crm_kit.organisation_reader import Organisation
from crm_kit.rpc import Call
from crm_records import images


def call_of(connection: Connection, service: str, event: Event) -> Call:
    """A call in the transaction of the event's handler. Its events are queued by `send_events`."""
    call = rpc.system_call(connection, service, Organisation(connection.engine))
    access = replace(call.access, user_id=event.actor_id, name=event.actor_name)
    call.caller = Caller(access, event.session_id)
    told = {"traceparent": event.trace_parent, "x-request-id": event.request_id, "x-forwarded-for": event.address}
    call.metadata = caller.read(dict(told))
    return call


def as_suite(call: Call, user_id: str | None = None, name: str = "", *, quiet: bool = False) -> Call:
    """A call in the same transaction with the suite's own rights, under the caller's name or that of somebody given.

    Its events are its own; what it stores belongs to the act under way. `quiet`: what it changes is one of many.
    """
    system = Organisation(call.connection.engine).system()
    who = (call.caller.user_id, call.caller.name) if user_id is None else (user_id, name)
    access = replace(system, user_id=who[0], name=who[1])
    suite = Call(call.connection, Caller(access, call.caller.session_id), call.metadata, call.service)
    images.share(call, suite)
    if quiet:
        images.quietly(suite)
    return suite


def is_elsewhere(error: Exception) -> bool:
    """Whether nothing is wrong with what was to be done: the database is away, or somebody else holds a row."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, (psycopg.OperationalError, psycopg.InterfaceError))
