"""Products: what can be put on a line, and what one of it costs."""

from __future__ import annotations

from collections.abc import Container, Sequence
from decimal import Decimal
from typing import Any, ClassVar

from psycopg.types.json import Jsonb
from sqlalchemy import bindparam, func, select

from crm.sales.v1 import products_pb2 as pb
from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import rows, sql, writing
from crm_records.record import Dependent, Record, Row
from sales import price_items
from sales.tables import opportunity, price_item, product

errors.texts(
    {
        "product_off_sale": ("产品已停售", "The product is off sale already"),
        "product_on_sale": ("产品在售", "The product is on sale already"),
    }
)
_ONE = Decimal(1)


class Products(Record):
    """See the contract for the fields."""

    message = pb.Product
    table = product
    plural = "products"
    number = "CP-{seq:5}"
    search = ("name", "number", "model", "series")
    list_fields = (
        "number",
        "name",
        "category_id",
        "kind",
        "unit",
        "model",
        "series",
        "active",
        "list_price",
        "create_time",
    )
    made_of: ClassVar = {"list_price": ("id",)}

    def __init__(self) -> None:
        super().__init__()
        self.dependents.append(Dependent(price_item.c.product_id, ("价格", "Price")))

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        row["kind"] = row["kind"] or "goods"
        if before is None:
            row["active"] = True

    def decorate_wanted(self, call: Call, messages: Sequence[pb.Product], wanted: Container[str]) -> None:
        if "list_price" not in wanted or not messages:
            return
        steps = price_items.standard(call, [m.id for m in messages])
        for message in messages:
            price = price_items.price_of(steps[message.id], _ONE)
            if price is not None:
                message.list_price = rows.decimal_text(price)

    def may_delete(self, call: Call, row: Row) -> None:
        holds = Jsonb([{"productId": row["id"]}])
        found = _ON_LINES.run(call.connection, {"line": holds}).fetchone()
        if found and found[0]:
            raise errors.Conflict("depended_on", what=(f"商机 {found[0]}", f"Opportunities {found[0]}"))


PRODUCTS = Products()

_ON_LINES = sql.prepare(
    select(func.count()).select_from(
        select(opportunity.c.id)
        .where(
            opportunity.c.lines.contains(bindparam("line", type_=opportunity.c.lines.type)),
            opportunity.c.delete_time.is_(None),
        )
        .limit(100)
        .subquery()
    )
)


def set_active(call: Call, request: Any, event: str) -> Any:
    """Put a product on or off sale; lines that hold it stay as they are."""
    active = event == "activated"

    def turn(before: Row) -> Row:
        if before["active"] == active:
            raise errors.Conflict("product_on_sale" if active else "product_off_sale")
        return {"active": active}

    return writing.answer(call, PRODUCTS, writing.write(call, PRODUCTS, request.id, request.etag, event, turn))
