"""What one customer bought and paid in a period, to the day."""

from __future__ import annotations

import calendar
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import bindparam, func, select

from crm.customer.v1 import trade_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import reaching, sql, visibility, writing
from customer import clock
from customer.customers import CUSTOMERS
from customer.tables import customer
from customer.trade.entries import PAID_BY, TRADE_ENTRIES
from customer.trade.tables import trade_entry

errors.texts({"period_ends_before_start": ("截止日期不能早于起始日期", "The period ends before it begins")})

_FEN = Decimal("0.01")
_ID = bindparam("customer_id", type_=customer.c.id.type)
_CUSTOMER = sql.prepare(
    select(customer.c.purchasing_power, customer.c.first_order_date, customer.c.last_order_date).where(
        customer.c.id == _ID
    )
)
_e = trade_entry.c
_SUMS = sql.prepare(
    select(_e.kind, func.sum(_e.base_amount), func.count().filter(_e.amount > 0))
    .where(
        _e.customer_id == _ID,
        _e.date >= bindparam("from_date", type_=_e.date.type),
        _e.date <= bindparam("until_date", type_=_e.date.type),
        _e.delete_time.is_(None),
    )
    .group_by(_e.kind)
)


def months_between(first: date, last: date) -> Fraction:
    """How many months a period is: a whole calendar month is one, a day of it its part. 10–20 February is 11/28."""
    whole = (last.year - first.year) * 12 + last.month - first.month
    return whole - _part(first.day - 1, first) + _part(last.day, last)


def _part(days: int, month: date) -> Fraction:
    return Fraction(days, calendar.monthrange(month.year, month.month)[1])


def share(sales: Decimal, power: Decimal, months: Fraction) -> Fraction:
    """Sales as % of what could have been bought in the same time: sales ÷ (power a year × months ÷ 12) × 100."""
    return Fraction(sales) * 1200 / (Fraction(power) * months)


def rounded(value: Fraction) -> Decimal:
    """To two digits; half rounds away from zero."""
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(_FEN, ROUND_HALF_UP)


def of_customer(call: Call, request: pb.GetTradeFiguresRequest) -> pb.TradeFigures:
    """Figures of one customer, as far as the caller may see what they are made of."""
    customer_id = request.customer_id
    if not kinds.is_id(customer_id) or not reaching.holds(call, CUSTOMERS, customer_id, TRADE_ENTRIES.reach(call)):
        raise errors.NotFound()
    given = writing.given(request)
    today = clock.today(call)
    first, last = given["from_date"] or date(today.year, 1, 1), given["until_date"] or today
    if last < first:
        raise errors.Invalid(Problem("untilDate", "period_ends_before_start"))
    power, first_order, last_order = (
        _CUSTOMER.run(call.connection, {"customer_id": customer_id}).fetchone() or (None,) * 3
    )
    period = {"customer_id": customer_id, "from_date": first, "until_date": last}
    sums = {k: (s, n) for k, s, n in _SUMS.run(call.connection, period).fetchall()}
    answer = pb.TradeFigures(customer_id=customer_id, from_date=first.isoformat(), until_date=last.isoformat())
    hidden = visibility.unseen(call, CUSTOMERS, customer_id)
    for name, day in (("first_order_date", first_order), ("last_order_date", last_order)):
        if day is not None and name not in hidden:
            setattr(answer, name, day.isoformat())
    if visibility.blind(call, TRADE_ENTRIES).isdisjoint(PAID_BY):
        _fill(answer, sums, None if "purchasing_power" in hidden else power, months_between(first, last))
    return answer


def _fill(answer: pb.TradeFigures, sums: dict[str, Any], power: Decimal | None, months: Fraction) -> None:
    orders, receipts = (sums.get(kind, (Decimal("0.00"), 0)) for kind in ("order", "receipt"))
    answer.order_amount, answer.order_count = f"{orders[0]:f}", orders[1]
    answer.receipt_amount, answer.receipt_count = f"{receipts[0]:f}", receipts[1]
    if power:
        answer.purchasing_power = f"{rounded(Fraction(power) * months / 12):f}"
        answer.share = f"{rounded(share(orders[0], power, months)):f}"
