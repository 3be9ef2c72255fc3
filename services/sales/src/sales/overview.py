"""The parts of a customer's overview that this service owns: a function for each, named in PARTS by its code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from sqlalchemy import Column, ColumnElement, and_

from crm.records.v1.overview_pb2 import OverviewFigure
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import rows
from crm_records.overview import ABOUT, Show, Shown, groups_of, rows_of
from sales.lines import CENT
from sales.opportunities import OPPORTUNITIES
from sales.states import OPEN, WON
from sales.tables import opportunity

_o = opportunity.c
_OPEN = and_(_o.customer_id == ABOUT, one_of(_o.state, OPEN))
_WON = and_(_o.customer_id == ABOUT, _o.state == WON)


def open_opportunities(call: Call, customer_id: str) -> Shown:
    """Those that are to be decided first, and what is expected of all of them."""
    figures = list(_sums(call, _OPEN, customer_id, _o.expected_amount))
    return rows_of(call, OPPORTUNITIES, _OPEN, customer_id, order_by="expected_close_date", figures=figures)


def won_opportunities(call: Call, customer_id: str) -> Shown:
    """The latest, with their amounts, and what all of them came to."""
    figures = list(_sums(call, _WON, customer_id, _o.won_amount))
    return rows_of(
        call,
        OPPORTUNITIES,
        _WON,
        customer_id,
        order_by="close_date desc",
        besides=("won_amount", "close_date"),
        figures=figures,
    )


PARTS: Mapping[str, Show] = {show.__name__: show for show in (open_opportunities, won_opportunities)}


def _sums(
    call: Call, which: ColumnElement[bool], customer_id: str, amount: Column[Decimal]
) -> Iterator[OverviewFigure]:
    """The sum in each currency, as far as the caller sees the amount."""
    zh, en = OPPORTUNITIES.fields[amount.name].label
    for currency, _, total in groups_of(call, OPPORTUNITIES, which, customer_id, "currency", [amount]):
        if total is not None:
            value = rows.decimal_text(total.quantize(CENT))
            yield OverviewFigure(code=amount.name, label_zh=zh, label_en=en, value=value, currency=currency or "")
