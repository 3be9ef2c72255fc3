"""The first and the last business with a customer: an order of the ledger, or an opportunity that was won.

Whoever asks since when a customer buys, how long it has not, or whether it ever did, asks here.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, select, text

from crm_kit.db import one_of
from customer.tables import customer
from customer.trade.tables import customer_opportunity

_c, _o = customer.c, customer_opportunity.c
_WON = "customer_opportunity.won_date IS NOT NULL AND NOT customer_opportunity.deleted"


class Business(NamedTuple):
    """Days of the first and the last business; the same one where there was one only."""

    first: date
    last: date


def of(connection: Connection, customer_ids: Collection[str]) -> dict[str, Business]:
    """Of those of the customers with whom there was any."""
    first = func.least(_c.first_order_date, func.min(_o.won_date))
    last = func.greatest(_c.last_order_date, func.max(_o.won_date))
    deals = customer.outerjoin(customer_opportunity, and_(_o.customer_id == _c.id, text(_WON)))
    query = select(_c.id, first, last).select_from(deals).where(one_of(_c.id, customer_ids)).group_by(_c.id)
    found = connection.execute(query.having(first.is_not(None)))
    return {row[0]: Business(row[1], row[2]) for row in found}


ANY = (
    "(customer.first_order_date IS NOT NULL OR EXISTS (SELECT FROM customer_opportunity"
    f" WHERE customer_opportunity.customer_id = customer.id AND {_WON}))"
)
"""SQL about the table `customer`: there was business with it."""
