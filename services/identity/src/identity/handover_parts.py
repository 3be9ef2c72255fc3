"""What the services say of their parts of handovers: kept as it is said, each newer word in place of the older one."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert

from crm.records.v1.event_pb2 import Event
from crm.records.v1.handover_pb2 import HandoverPart
from crm_kit.codec import from_dict, to_dict
from identity.tables import handover_part

COUNTED = ("counted", "moving", "moved", "undoing", "undone")
"""States of a part that has been counted at least once."""
WAITING = "waiting"
"""A part that has not been heard of since the handover was started or undone."""


def keep(connection: Connection, events: Sequence[Event]) -> list[str]:
    """Keep what is told; the handovers it is about. A repeat or an older word changes nothing."""
    handover_ids: dict[str, None] = {}
    for event in events:
        part = HandoverPart.FromString(event.record.value)
        row = {
            "handover_id": part.handover_id,
            "service": part.service,
            "record_type": part.record_type,
            "state": part.state,
            "part": to_dict(part),
            "version": event.version,
        }
        new = insert(handover_part).values(row)
        newer = handover_part.c.version < new.excluded.version
        values = {n: new.excluded[n] for n in ("state", "part", "version")}
        connection.execute(
            new.on_conflict_do_update(index_elements=list(handover_part.primary_key), set_=values, where=newer)
        )
        handover_ids[part.handover_id] = None
    return list(handover_ids)


def of(connection: Connection, handover_id: str) -> list[HandoverPart]:
    """The parts of a handover as they were told last."""
    c = handover_part.c
    query = select(c.part, c.state).where(c.handover_id == handover_id).order_by(c.service, c.record_type)
    found = []
    for row in connection.execute(query):
        part = HandoverPart()
        from_dict(row.part, part)
        part.state = row.state
        found.append(part)
    return found


def states(connection: Connection, handover_id: str) -> dict[tuple[str, str], str]:
    """(service, record type) → state."""
    c = handover_part.c
    query = select(c.service, c.record_type, c.state).where(c.handover_id == handover_id)
    return {(r.service, r.record_type): r.state for r in connection.execute(query)}


def begin(connection: Connection, handover_id: str) -> None:
    """From here on only what is told anew counts."""
    these = update(handover_part).where(handover_part.c.handover_id == handover_id)
    connection.execute(these.values(state=WAITING))
