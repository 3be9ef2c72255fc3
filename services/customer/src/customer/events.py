"""What the customer service makes of others' events: the timeline, and which customers are in use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

from google.protobuf.message import Message
from sqlalchemy import Connection, delete
from sqlalchemy.dialects.postgresql import insert

from crm.records.v1.event_pb2 import Event
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm.service_desk.v1.requests_pb2 import ServiceRequest
from customer.merging.redirects import leads_to
from customer.tables import happening, usage

_SILENT = {"updated", "relinked", "undone"}
"""Actions that would only fill a timeline."""


def _about(kind: type[Message], title: str) -> Callable[[Connection, Sequence[Event]], None]:
    """A handler for records that have a `customer_id` and a field to show as title."""

    def apply(connection: Connection, events: Sequence[Event]) -> None:
        told: list[dict[str, Any]] = []
        used: dict[str, str] = {}
        gone: list[str] = []
        unpacked = [_unpack(kind, event) for event in events]
        # What was announced before its service followed a merge is of the customer that stayed.
        merged = leads_to(connection, {r.customer_id for r in unpacked} - {""})
        for event, record in zip(events, unpacked, strict=True):
            if not record.customer_id:
                continue
            record.customer_id = merged.get(record.customer_id, record.customer_id)
            if event.action not in _SILENT:
                told.append(
                    {
                        "id": event.id,
                        "customer_id": record.customer_id,
                        "time": event.time.ToDatetime(UTC),
                        "record_type": event.record_type,
                        "record_id": event.record_id,
                        "action": event.action,
                        "title": getattr(record, title),
                        "actor_id": event.actor_id or None,
                        "actor_name": event.actor_name,
                    }
                )
            if event.action == "deleted":
                gone.append(event.record_id)
                used.pop(event.record_id, None)
            else:
                used[event.record_id] = record.customer_id
        if told:
            connection.execute(insert(happening).on_conflict_do_nothing(), told)
        if gone:
            connection.execute(delete(usage).where(usage.c.record_id.in_(gone)))
        if used:
            statement = insert(usage)
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["record_id"], set_={"customer_id": statement.excluded.customer_id}
                ),
                [{"record_id": i, "record_type": events[0].record_type, "customer_id": c} for i, c in used.items()],
            )

    return apply


def _unpack(kind: type[Message], event: Event) -> Any:
    record = kind()
    event.record.Unpack(record)
    return record


HANDLERS = {
    "sales.opportunity": _about(Opportunity, "title"),
    "service-desk.service_request": _about(ServiceRequest, "summary"),
}
