"""What is kept of one customer beside its own fields: for whoever sees its details."""

from __future__ import annotations

from sqlalchemy import select

from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import reaching, visibility
from customer.customers import CUSTOMERS
from customer.tables import customer


def unseen(call: Call, customer_id: str) -> frozenset[str]:
    """The fields of a customer that the caller does not see in full.

    NOT_FOUND outside the caller's reach, and for a customer of a pool with a view quota that was not opened today.
    """
    reach = call.access.below(CUSTOMERS.reach(call), CUSTOMERS.team_of, "details")
    if not kinds.is_id(customer_id) or not reaching.holds(call, CUSTOMERS, customer_id, reach):
        raise errors.NotFound()
    query = select(customer.c.id, customer.c.review_mark, customer.c.pool_id).where(customer.c.id == customer_id)
    return visibility.unseen(call, CUSTOMERS, dict(call.connection.execute(query).mappings().one()))
