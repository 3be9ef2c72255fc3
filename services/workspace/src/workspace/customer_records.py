"""Which customer the records of other services are of, so that a task about one of them is found by its customer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.message import Message
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from crm.records.v1.event_pb2 import Event
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm.service_desk.v1.requests_pb2 import ServiceRequest
from crm_kit.inbox import Handler
from workspace.tables import customer_record


def _of(kind: type[Message]) -> Callable[[Connection, Sequence[Event]], None]:
    """A handler for records that have a `customer_id`. Most changes of a record leave it as it is."""

    def apply(connection: Connection, events: Sequence[Event]) -> None:
        rows = {}
        for event in events:
            if event.action == "created" or any(change.field == "customerId" for change in event.changes):
                record: Any = kind.FromString(event.record.value)
                if record.customer_id:
                    rows[event.record_id] = {"record_id": event.record_id, "customer_id": record.customer_id}
        if rows:
            statement = insert(customer_record)
            changed = {"customer_id": statement.excluded.customer_id}
            connection.execute(
                statement.on_conflict_do_update(index_elements=["record_id"], set_=changed), list(rows.values())
            )

    return apply


HANDLERS: dict[str, Handler] = {
    "sales.opportunity": _of(Opportunity),
    "service-desk.service_request": _of(ServiceRequest),
}
