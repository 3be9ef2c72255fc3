"""Prices of products in price lists, each from a quantity on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal

from sqlalchemy import ARRAY, Date, any_, bindparam, or_, select

from crm.sales.v1 import products_pb2 as pb
from crm_kit.rpc import Call
from crm_records import sql
from crm_records.record import Record, Row
from sales.common import today
from sales.price_lists import PRICE_LISTS
from sales.tables import price_item, price_list

Steps = Sequence[tuple[Decimal, Decimal]]
"""(from this quantity on, price), largest quantity first."""


class PriceItems(Record):
    """See the contract for the fields."""

    message = pb.PriceItem
    table = price_item
    plural = "price_items"
    parent = ("price_list_id", PRICE_LISTS)

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        row["min_quantity"] = row["min_quantity"] or Decimal(0)


PRICE_ITEMS = PriceItems()

_day = bindparam("today", type_=Date)
_STANDARD = sql.prepare(
    select(price_item.c.product_id, price_item.c.min_quantity, price_item.c.price)
    .join(price_list, price_list.c.id == price_item.c.price_list_id)
    .where(
        price_list.c.default,
        price_list.c.delete_time.is_(None),
        price_item.c.delete_time.is_(None),
        or_(price_list.c.valid_from.is_(None), price_list.c.valid_from <= _day),
        or_(price_list.c.valid_until.is_(None), price_list.c.valid_until >= _day),
        price_item.c.product_id == any_(bindparam("product_ids", type_=ARRAY(price_item.c.product_id.type))),
    )
    .order_by(price_item.c.min_quantity.desc())
)


def standard(call: Call, product_ids: Collection[str]) -> dict[str, Steps]:
    """The prices of products in the default price list, if it is in force today."""
    steps: dict[str, list[tuple[Decimal, Decimal]]] = {i: [] for i in product_ids}
    bound = {"product_ids": list(steps), "today": today(call)}
    for product_id, quantity, price in _STANDARD.run(call.connection, bound):
        steps[product_id].append((quantity, price))
    return dict(steps)


def price_of(steps: Steps, quantity: Decimal) -> Decimal | None:
    """The price that a quantity has; None where there is none."""
    return next((price for least, price in steps if least <= quantity), None)
