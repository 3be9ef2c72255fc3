"""Product categories: a tree of any depth."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, select

from crm.sales.v1 import products_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import sql
from crm_records.record import Dependent, Record, Row
from sales.common import in_turn
from sales.tables import product, product_category

errors.texts(
    {"category_cycle": ("上级类别不能是自己或自己的下级", "A category cannot lie below itself")},
)


class Categories(Record):
    """See the contract for the fields."""

    message = pb.ProductCategory
    table = product_category
    plural = "product_categories"
    number = "LB-{seq:4}"
    search = ("name", "number")

    def __init__(self) -> None:
        super().__init__()
        self.dependents.append(Dependent(product_category.c.parent_id, ("下级类别", "Category below")))
        self.dependents.append(Dependent(product.c.category_id, ("产品", "Product")))

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if row["parent_id"] and (before is None or row["parent_id"] != before["parent_id"]):
            # Two moves at once could make a circle that neither of them sees.
            in_turn(call, self.type)
            above = _ABOVE.run(call.connection, {"start": row["parent_id"]}).fetchall()
            if any(found == row["id"] for (found,) in above):
                raise errors.Invalid(Problem("parentId", "category_cycle"))


CATEGORIES = Categories()


def _above() -> Any:
    """A category and everything it lies below."""
    c = product_category.c
    way = select(c.id, c.parent_id).where(c.id == bindparam("start", type_=c.id.type)).cte("way", recursive=True)
    return select(way.union(select(c.id, c.parent_id).join(way, c.id == way.c.parent_id)).c.id)


_ABOVE = sql.prepare(_above())
