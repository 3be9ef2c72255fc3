"""Entries of the trade ledger: orders and receipts, typed in, imported, or written from another service's events."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar

from sqlalchemy import select

from crm.customer.v1 import trade_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records.record import Record, Row
from customer import clock
from customer.customers import CUSTOMERS
from customer.trade import ledger, tables

errors.texts(
    {
        "amount_is_zero": ("金额不能为零", "The amount cannot be zero"),
        "day_in_future": ("{label}不能晚于今天", "{label} cannot be in the future"),
        "written_by_source": (
            "该交易记录来自业务单据，请修改原单据",
            "The entry was written from a document of another service: change it there",
        ),
    }
)

CURRENCY = "CNY"
MANUAL, IMPORT = "manual", "import"
IN_STEP = "trade entry follows its source"
"""In the memo of a call: the source itself writes."""
_ISO_4217 = re.compile(r"[A-Z]{3}")
_FEN = Decimal("0.01")
_MOST = Decimal(10) ** 15

PAID_BY = ("amount", "base_amount", "kind", "date")
"""Fields that every figure of trade is made of."""


class TradeEntries(Record):
    """See the contract for the fields."""

    message = pb.TradeEntry
    table = tables.trade_entry
    plural = "trade_entries"
    parent = ("customer_id", CUSTOMERS)
    made_of: ClassVar = {"base_amount": ("amount",)}
    kept_by_law: ClassVar = ("会计法要求保存的交易凭证", "Accounting law keeps records of trade")

    def import_begins(self, call: Call, messages: Sequence[Any]) -> None:
        call.memo[IMPORT] = True

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if before is not None and not call.memo.get(IN_STEP):
            _refuse_foreign(before)
        if row["source_type"] is None:
            row["source_type"] = IMPORT if call.memo.get(IMPORT) else MANUAL
            row["source_id"], row["source_version"] = row["id"], 1
        if before is not None and row["document_number"] != before["document_number"]:
            row["number_shared"] = False
        if row["amount"] == 0:
            raise errors.Invalid(Problem("amount", "amount_is_zero"))
        if not call.memo.get(IN_STEP) and row["date"] > clock.today(call):
            raise errors.Invalid(Problem("date", "day_in_future", {"label": self.fields["date"].label}))
        _convert(self, row)

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        ledger.count(call.connection, before, row)

    def relinks(self, call: Call, before: Row, after: Row) -> None:
        """Both customers of a merge may have the same order: which of the two entries is wrong, people find out."""
        c = tables.trade_entry.c
        same = [c[n] == after[n] for n in ("customer_id", "kind", "document_number")]
        if after["document_number"] and not after["number_shared"]:
            query = select(c.id).where(*same, c.id != after["id"], c.delete_time.is_(None)).limit(1)
            after["number_shared"] = call.connection.scalar(query) is not None

    def may_delete(self, call: Call, row: Row) -> None:
        _refuse_foreign(row)


TRADE_ENTRIES = TradeEntries()


def _refuse_foreign(row: Row) -> None:
    if row["source_type"] not in (MANUAL, IMPORT):
        raise errors.Conflict("written_by_source")


def _convert(record: Record, row: Row) -> None:
    """The amount in CNY: amount × rate, half a fen rounds away from zero."""
    row["currency"] = (row["currency"] or CURRENCY).upper()
    if not _ISO_4217.fullmatch(row["currency"]):
        raise errors.Invalid(Problem("currency", "bad_format", {"label": record.fields["currency"].label}))
    if row["currency"] == CURRENCY:
        row["rate"] = None
    elif not row["rate"]:
        raise errors.Invalid(Problem("rate", "required", {"label": record.fields["rate"].label}))
    amount = (row["amount"] * (row["rate"] or 1)).quantize(_FEN, ROUND_HALF_UP)
    if abs(amount) > _MOST:
        raise errors.Invalid(
            Problem("amount", "too_large", {"label": record.fields["amount"].label, "limit": f"{_MOST:f}"})
        )
    row["base_amount"] = amount
