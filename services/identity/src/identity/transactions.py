"""Transactions beside those of the RPCs, and the copy of the organisation that every one of them keeps.

The other services learn of people, roles and ended sessions from events. Identity applies the same events to its
own copy in the transaction that records them, so it checks callers with the same code as every other service.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby

from crm_kit import organisation, rpc
from crm_kit.rpc import Call
from crm_kit.service import Service


def keep_copy(call: Call) -> None:
    """Apply what the call announces to this service's copy of the organisation."""
    for record_type, events in groupby(call.events, key=lambda e: e.record_type):
        handler = organisation.HANDLERS.get(f"identity.{record_type}")
        if handler:
            handler(call.connection, list(events))


@contextmanager
def beside(service: Service, call: Call) -> Iterator[Call]:
    """A short transaction of its own, for what must stay although the RPC is refused. It takes no connection from
    those that RPCs hold one each of: under load all of them would wait for a second."""
    with _transaction(service, Call(service.beside.connect(), call.caller, call.metadata, call.service)) as other:
        yield other


@contextmanager
def as_system(service: Service) -> Iterator[Call]:
    """A transaction in which the system itself acts: it may do everything. Also within an RPC, like `beside`."""
    connection = service.beside.connect()
    with _transaction(service, rpc.system_call(connection, service.name, service.organisation)) as call:
        yield call


@contextmanager
def _transaction(service: Service, call: Call) -> Iterator[Call]:
    with call.connection, call.connection.begin():
        yield call
        call.send_events()
        keep_copy(call)
    for then in call.after_commit:
        then()
    service.organisation.forget()
