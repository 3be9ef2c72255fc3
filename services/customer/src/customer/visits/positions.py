"""Where the customers of visits are, as far as the caller sees it; and what of a visit tells of that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from crm.customer.v1.customers_pb2 import Customer
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import visibility
from crm_records.view import View
from customer.customers import CUSTOMERS
from customer.tables import customer
from customer.visits.distance import Place
from customer.visits.tables import visit

POSITION = frozenset({"latitude", "longitude"})
TELLING = frozenset({"check_in_distance", "check_out_distance", "off_site"})
"""Fields of a visit that tell where the customer is: of a few visits, the distances say it to the metre."""
c = customer.c


def seen(call: Call, visits: Sequence[Any]) -> dict[str, Place]:
    """By visit, the positions that are known and that the caller sees."""
    ids = {v.customer_id for v in visits}
    query = select(c.id, c.pool_id, c.latitude, c.longitude).where(one_of(c.id, ids))
    known = query.where(c.latitude.is_not(None), c.longitude.is_not(None))
    rows: Sequence[Any] = call.connection.execute(known).all()
    view = visibility.of(call, CUSTOMERS)
    if view is not None:
        ruled = not POSITION.isdisjoint(view.blind)
        rows = [r for r in rows if not ruled and POSITION.isdisjoint(view.closed_of(call, _named(r)))]
    found = {row.id: (row.latitude, row.longitude) for row in rows}
    return {v.id: found[v.customer_id] for v in visits if v.customer_id in found}


def is_hidden(call: Call) -> bool:
    """Whether positions are hidden from the caller, of all customers or of those in some pool."""
    view = visibility.of(call, CUSTOMERS)
    return view is not None and (not POSITION.isdisjoint(view.blind) or bool(_closing(view)))


def kept_back(call: Call, visit_ids: Sequence[str]) -> dict[str, frozenset[str]]:
    """What is not told of each of these visits, since the caller does not see where its customer is."""
    view = visibility.of(call, CUSTOMERS)
    if not visit_ids or view is None:
        return {}
    if not POSITION.isdisjoint(view.blind):
        return dict.fromkeys(visit_ids, TELLING)
    pools = _closing(view)
    if not pools:
        return {}
    query = select(visit.c.id).join(customer, c.id == visit.c.customer_id)
    there = call.connection.scalars(query.where(one_of(visit.c.id, visit_ids), one_of(c.pool_id, pools)))
    return dict.fromkeys(there, TELLING)


def _closing(view: View) -> set[str]:
    """The pools that hide where their customers are."""
    return {pool_id for pool_id, closed in view.pools.items() if not POSITION.isdisjoint(closed.hidden)}


def _named(row: Any) -> Customer:
    return Customer(id=row.id, pool_id=row.pool_id)
