"""What people wrote when they overruled something: told with a person's data, emptied when that person is erased."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, select, update

from customer.standing.tables import history, overruling


def of(connection: Connection, customer_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each word against a computed value, as (kind, what)."""
    query = select(overruling).where(overruling.c.customer_id == customer_id).order_by(overruling.c.id)
    for row in connection.execute(query):
        told = {"topic": row.topic, "value": row.value, "note": row.note, "time": row.time.isoformat()}
        yield "overruling", told


def forget(connection: Connection, customer_id: str) -> None:
    """Empty the notes; what was said and when stays."""
    for table, nothing in ((overruling, ""), (history, None)):
        connection.execute(update(table).where(table.c.customer_id == customer_id).values(note=nothing))
