"""The part of an erasure that reaches what was sent: events are taken out of the outbox and out of the stream.

Noted in the transaction that empties the records, carried out when identity says that everybody has emptied: by then
its audit trail has read what goes. Others that are behind lose nothing, because every event has the whole record, and
the one that says it was erased stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, select

from crm.identity.v1.privacy_pb2 import PrivacyRequest
from crm.records.v1.event_pb2 import Event
from crm.records.v1.privacy_pb2 import PrivacyPart
from crm_kit import sweeping
from crm_kit.rpc import Call
from crm_kit.sweeping import Sweep, Wanted
from crm_kit.team import team_member
from crm_records import acting
from crm_records.registry import Registry

Versions = Mapping[tuple[str, str], int]
"""(record type, id) → the first version that may stay."""
TOLD_AS = "privacy_part"
ALL = 2**31 - 1
"""More than any version."""


def note(call: Call, beside: Sequence[str], event: Event, part: PrivacyPart, kept_from: Versions) -> bool:
    """Note what is to go of the stream for an erasure that `event` tells of. False where nothing is.

    `beside` are record types whose events go where they mention the person.
    """
    what: dict[str, Wanted] = {}
    for (record_type, record_id), version in kept_from.items():
        what.setdefault(f"{call.service}.{record_type}", Wanted()).below[record_id] = version
    subject_id = PrivacyRequest.FromString(event.record.value).subject_id
    for record_type in beside:
        mentioned = what.setdefault(f"{call.service}.{record_type}", Wanted()).mentions
        mentioned.extend((subject_id, *part.merged_ids))
    if what:
        told = Event()
        told.CopyFrom(event)
        told.record.Pack(part)
        sweeping.note(call.connection, part.request_id, what, told.SerializeToString())
    return bool(what)


def places(call: Call, registry: Registry, user_id: str) -> Versions:
    """The events of a person's places in teams, which had the name in them: all but those that end a place just now."""
    m = team_member.c
    query = select(m.record_type, m.record_id, m.version).where(m.user_id == user_id)
    own = [row for row in call.connection.execute(query) if row.record_type in registry.records]
    ended = {e.record_id for e in call.events if e.record_type == "team_member"}
    found = {}
    for row in own:
        place_id = f"{row.record_type}:{row.record_id}:{user_id}"
        found["team_member", place_id] = row.version if place_id in ended else ALL
    return found


def swept(service: str) -> Callable[[Connection, Sweep], None]:
    """What a service does when nothing is left in the stream: it says that its part is done."""

    def finish(connection: Connection, sweep: Sweep) -> None:
        event = Event.FromString(sweep.note)
        part = PrivacyPart()
        event.record.Unpack(part)
        call = acting.call_of(connection, service, event)
        part.stream_messages = sweep.removed
        tell(call, event.version + 1, part, "done")
        call.send_events()

    return finish


def tell(call: Call, version: int, part: PrivacyPart, state: str) -> None:
    """Announce the part as it is."""
    part.state, part.etag = state, str(version)
    part.time.GetCurrentTime()
    told = Event(record_type=TOLD_AS, action=state, record_id=part.id, version=version, bulk=True)
    told.record.Pack(part)
    call.announce(told)
