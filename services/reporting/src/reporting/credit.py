"""Whose success a closed opportunity is: a handover gives the record to somebody else, not what was done with it.

What is said by the events alone, in whatever order they come: who handed it to whom and when, and since when it is
closed. Anybody who gets it in another way gets the credit too, as before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.postgresql import insert

from crm.records.v1.event_pb2 import Event
from crm_kit.db import one_of
from reporting.tables import fact_opportunity, fact_opportunity_line, hand_over

ACTIONS = ("handed_over", "handed_back")


def note(connection: Connection, events: Sequence[Event]) -> set[str]:
    """Keep who handed what to whom; the opportunities that were."""
    rows: list[dict[str, Any]] = []
    for event in events:
        owner = next((c for c in event.changes if c.field == "ownerId"), None)
        if event.action in ACTIONS and owner is not None:
            rows.append(
                {
                    "opportunity_id": event.record_id,
                    "version": event.version,
                    "time": event.time.ToDatetime(UTC),
                    "from_id": owner.before.string_value or None,
                    "to_id": owner.after.string_value or None,
                }
            )
    if rows:
        connection.execute(insert(hand_over).on_conflict_do_nothing(), rows)
    return {row["opportunity_id"] for row in rows}


def settle(connection: Connection, opportunity_ids: Collection[str]) -> None:
    """Say anew whose these are: the facts as they stand, looked at together with every time they were handed over."""
    if not opportunity_ids:
        return
    h, f = hand_over.c, fact_opportunity.c
    query = select(hand_over).where(one_of(h.opportunity_id, opportunity_ids)).order_by(h.version.desc())
    handed: dict[str, list[Any]] = {}
    for row in connection.execute(query):
        handed.setdefault(row.opportunity_id, []).append(row)
    if not handed:
        return
    facts = select(f.id, f.owner_id, f.outcome, f.stage_time).where(one_of(f.id, list(handed)))
    for fact in connection.execute(facts).all():
        found = credited(fact.owner_id, fact.stage_time, handed[fact.id]) if fact.outcome != "open" else fact.owner_id
        value = None if found == fact.owner_id else found
        connection.execute(update(fact_opportunity).where(f.id == fact.id).values(credited_id=value))
        lines = update(fact_opportunity_line).where(fact_opportunity_line.c.opportunity_id == fact.id)
        connection.execute(lines.values(credited_id=value))


def credited(owner_id: str | None, closed: datetime | None, handed: Sequence[Any]) -> str | None:
    """Go back from the owner of today over what was handed over since it was closed, newest first."""
    found = owner_id
    for row in handed:
        if closed is not None and row.time < closed:
            break
        if row.to_id == found:
            found = row.from_id
    return found
