"""A bunch of customers with what they are computed from, read once for all computations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from crm_kit.db import one_of
from crm_kit.rpc import Call
from customer.tables import customer
from customer.trade.tables import trade_month

_COLUMNS = (
    "id",
    "create_time",
    "last_contact_time",
    "first_order_date",
    "last_order_date",
    "purchasing_power",
    "relation",
    "lifecycle",
    "lifecycle_date",
    "owner_id",
    "department_id",
)

_QUERY = select(*(customer.c[n] for n in _COLUMNS))


@dataclass(frozen=True, slots=True)
class Month:
    """What a customer ordered and paid in a calendar month, in CNY."""

    month: date
    order_amount: Decimal
    order_count: int
    receipt_amount: Decimal
    receipt_count: int


@dataclass(frozen=True, slots=True)
class Customer:
    """What most computations look at."""

    id: str
    create_time: datetime
    last_contact_time: datetime | None
    first_order_date: date | None
    last_order_date: date | None
    purchasing_power: Decimal | None
    relation: str | None
    lifecycle: str | None
    lifecycle_date: date | None
    owner_id: str | None
    department_id: str | None


@dataclass(slots=True)
class Bunch:
    """Living customers, locked until the transaction ends, in the order of their ids."""

    call: Call
    customers: list[Customer]
    _months: dict[date, dict[str, list[Month]]] = field(default_factory=dict)

    @classmethod
    def locked(cls, call: Call, customer_ids: Sequence[str]) -> Bunch:
        """Lock first, read after: what others wrote before is seen, what they write after waits and marks anew."""
        query = _QUERY.where(one_of(customer.c.id, list(customer_ids)), customer.c.delete_time.is_(None))
        rows = call.connection.execute(query.order_by(customer.c.id).with_for_update(key_share=True)).all()
        return cls(call, [Customer(**row._mapping) for row in rows])

    @classmethod
    def read(cls, call: Call, after: str, size: int) -> Bunch:
        """The next customers behind an id, not locked: for what only tells what would be."""
        query = _QUERY.where(customer.c.delete_time.is_(None)).order_by(customer.c.id).limit(size)
        rows = call.connection.execute(query.where(customer.c.id > after) if after else query).all()
        return cls(call, [Customer(**row._mapping) for row in rows])

    @classmethod
    def one(cls, call: Call, customer_id: str) -> Bunch:
        """A single customer, not locked; of one that is deleted, none."""
        query = _QUERY.where(customer.c.id == customer_id, customer.c.delete_time.is_(None))
        return cls(call, [Customer(**row._mapping) for row in call.connection.execute(query)])

    @property
    def ids(self) -> list[str]:
        return [c.id for c in self.customers]

    def months(self, since: date) -> dict[str, list[Month]]:
        """By customer, the months from this one on in which something was traded, oldest first."""
        if since not in self._months:
            c: Any = trade_month.c
            query = select(c.customer_id, c.month, *(c[n] for n in Month.__slots__ if n != "month"))
            query = query.where(one_of(c.customer_id, self.ids), c.month >= since).order_by(c.customer_id, c.month)
            found: dict[str, list[Month]] = {}
            for customer_id, *values in self.call.connection.execute(query):
                found.setdefault(customer_id, []).append(Month(*values))
            self._months[since] = found
        return self._months[since]
