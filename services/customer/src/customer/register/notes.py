"""What was taken over from a register into customers, and is kept beside them."""

from __future__ import annotations

from sqlalchemy import Connection, delete

from customer.register.tables import takeover


def forget(connection: Connection, customer_id: str) -> None:
    """Of a customer who is a person."""
    connection.execute(delete(takeover).where(takeover.c.customer_id == customer_id))
