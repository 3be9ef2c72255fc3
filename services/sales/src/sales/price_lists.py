"""Price lists: one of them is the default, where prices come from when nobody names one."""

from __future__ import annotations

from crm.sales.v1 import products_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records.record import Record, Row
from sales.common import keep_one_default, refuse_deleting_default, set_currency
from sales.tables import price_list

errors.texts({"validity_ends_first": ("失效日期不能早于生效日期", "The validity ends before it begins")})


class PriceLists(Record):
    """See the contract for the fields."""

    message = pb.PriceList
    table = price_list
    plural = "price_lists"

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        set_currency(self, row)
        if row["valid_from"] and row["valid_until"] and row["valid_until"] < row["valid_from"]:
            raise errors.Invalid(Problem("validUntil", "validity_ends_first"))
        keep_one_default(call, self, row, before)

    def may_delete(self, call: Call, row: Row) -> None:
        refuse_deleting_default(self, row)


PRICE_LISTS = PriceLists()
