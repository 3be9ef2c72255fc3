"""Customers as rows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from crm.customer.v1.customers_pb2 import Customer
from crm.records.v1.event_pb2 import Event
from crm_kit import array_rows
from reporting.records import belonging, local, month, newest, unpack
from reporting.tables import fact_customer

COUNTED_BY = ("type", "level", "relation", "industry", "province", "region", "source")
"""Fields of a customer that are kept as they are."""


def apply(connection: Connection, events: Sequence[Event]) -> None:
    """Keep customers: what they are counted by, and their names for every other report."""
    rows = []
    for event in newest(events):
        c = unpack(Customer, event)
        rows.append(
            {
                "id": c.id,
                "version": event.version,
                **belonging(c),
                "pool_id": c.pool_id or None,
                "name": c.name,
                **{n: getattr(c, n) or None for n in COUNTED_BY},
                "month": month(local(c, "create_time")),
            }
        )
    array_rows.upsert(connection, fact_customer, rows)
