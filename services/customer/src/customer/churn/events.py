"""What churn makes of others' events: complaints."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from sqlalchemy import Connection, delete
from sqlalchemy.dialects.postgresql import insert

from crm.records.v1.event_pb2 import Event
from crm.service_desk.v1.requests_pb2 import ServiceRequest
from crm_kit.db import one_of
from customer.churn.tables import complaint
from customer.standing import marks

KIND = "complaint"


def _requests(connection: Connection, events: Sequence[Event]) -> None:
    """Keep those that are complaints; the last of several events about one says it all."""
    kept: list[dict[str, Any]] = []
    gone: list[str] = []
    for event in {e.record_id: e for e in events}.values():
        request = ServiceRequest()
        event.record.Unpack(request)
        if event.action == "deleted" or request.kind != KIND or not request.customer_id:
            gone.append(event.record_id)
        else:
            time = request.create_time.ToDatetime(UTC)
            kept.append({"request_id": event.record_id, "customer_id": request.customer_id, "time": time})
    touched = [row["customer_id"] for row in kept]
    if gone:
        ended = delete(complaint).where(one_of(complaint.c.request_id, gone)).returning(complaint.c.customer_id)
        touched += connection.scalars(ended)
    if kept:
        statement = insert(complaint)
        values = {n: statement.excluded[n] for n in ("customer_id", "time")}
        connection.execute(statement.on_conflict_do_update(index_elements=["request_id"], set_=values), kept)
    marks.mark(connection, touched)


HANDLERS = {"service-desk.service_request": _requests}
