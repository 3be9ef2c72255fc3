"""One RPC under way: its transaction, its caller, and what it announces. Every rule of the suite is given one.

What runs it is `answering`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from crm.records.v1.event_pb2 import Event
from crm_kit import caller as callers
from crm_kit import errors, ids, outbox
from crm_kit.access import Access
from crm_kit.caller import Caller, Metadata
from crm_kit.organisation_reader import Organisation


@dataclass(slots=True)
class Call:
    """One RPC under way: its transaction, its caller, what it will announce."""

    connection: Connection
    caller: Caller
    metadata: Metadata
    service: str
    events: list[Event] = field(default_factory=list)
    queued: bool = False
    """Whether it queued a job."""
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    memo: dict[Any, Any] = field(default_factory=dict)
    """What was looked up during this call and need not be asked again."""
    noted: dict[str, Any] | None = None

    @property
    def access(self) -> Access:
        """What the caller may do. Only for RPCs that need somebody signed in."""
        if self.caller.access is None:
            raise errors.Unauthenticated("unauthenticated")
        return self.caller.access

    @property
    def language(self) -> str:
        return self.metadata.language

    def need(self, right: str) -> None:
        """Refuse unless the caller has a right beyond the one of the RPC."""
        if not self.access.may(right):
            raise errors.Denied("right_missing", right=right)

    def announce(self, event: Event) -> None:
        """Queue an event; it leaves if the transaction commits. Fills in who, when and the trace."""
        event.id = event.id or ids.uuid7()
        event.actor_id, event.actor_name = self.caller.user_id, self.caller.name
        event.trace_parent = self.metadata.trace_parent
        event.address, event.request_id = self.metadata.address, self.metadata.request_id
        event.session_id, event.acting_id = self.caller.session_id, self.caller.acting_id
        if not event.HasField("time"):
            event.time.GetCurrentTime()
        self.events.append(event)

    def note(self, **more: Any) -> None:
        """Say more of an audited call to the trail than its request does: fields of `crm.records.v1.Access`."""
        self.noted = {**(self.noted or {}), **more}

    def send_events(self) -> None:
        """Write the queued events to the outbox, in the order they were announced."""
        if self.events:
            outbox.record(
                self.connection,
                [(e.id, f"crm.{self.service}.{e.record_type}.{e.action}", e.SerializeToString()) for e in self.events],
            )


def system_call(connection: Connection, service: str, organisation: Organisation) -> Call:
    """A call of the system itself: first data, timers. May do everything, is nobody; `send_events` is the user's."""
    access = organisation.system()
    return Call(connection, Caller(access), callers.read({}), service)
