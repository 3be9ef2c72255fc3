"""What is kept of one customer beside its own fields: for whoever sees its details."""

from __future__ import annotations

from sqlalchemy import select

from crm_kit import errors
from crm_kit.field_access import READ_ONLY
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
    view = visibility.of(call, CUSTOMERS)
    if view is None:
        return frozenset()
    query = select(customer.c.review_mark, customer.c.pool_id).where(customer.c.id == customer_id)
    state, pool_id = call.connection.execute(query).one()
    veiled = frozenset(n for n in view.names if view.level(n, state) < READ_ONLY)
    closed = view.pools.get(pool_id)
    return veiled if closed is None else veiled | closed.now(call, customer_id)
