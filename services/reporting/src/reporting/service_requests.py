"""Service requests as rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from crm.records.v1.event_pb2 import Event
from crm.service_desk.v1.requests_pb2 import ServiceRequest
from crm_kit import array_rows
from reporting.records import belonging, local, month, newest, unpack
from reporting.tables import fact_service_request


def apply(connection: Connection, events: Sequence[Event]) -> None:
    """Keep service requests. When one was first handled is told by the earliest of its versions that says so."""
    handled: dict[str, datetime] = {}
    for event in events:
        at = local(unpack(ServiceRequest, event), "handle_time")
        if at:
            handled[event.record_id] = min(at, handled.get(event.record_id, at))
    rows = []
    for event in newest(events):
        r = unpack(ServiceRequest, event)
        rows.append(
            {
                "id": r.id,
                "version": event.version,
                **belonging(r),
                "creator_id": r.creator_id or None,
                "customer_id": r.customer_id or None,
                "state": r.state or None,
                "kind": r.kind or None,
                "priority": r.priority or None,
                "month": month(local(r, "create_time")),
                "satisfaction": r.satisfaction if r.HasField("satisfaction") else None,
                "create_time": local(r, "create_time"),
                "first_handle_time": handled.get(r.id),
            }
        )
    array_rows.upsert(connection, fact_service_request, rows, earliest="first_handle_time")
