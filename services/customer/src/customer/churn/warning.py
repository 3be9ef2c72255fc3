"""Who seems to leave: what each kind of rule sees in a customer on a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select

from crm_kit.db import one_of
from customer.churn.rules import COMPLAINT, FALLING, NO_CONTACT, NO_ORDER
from customer.churn.tables import complaint
from customer.clock import add_months, first_of_month, local_day
from customer.standing.bunch import Bunch, Customer, Month


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule warns: what it saw, once as a key and once for people."""

    rule: dict[str, Any]
    basis: str
    text: str


def no_order(last: date | None, months: int, today: date) -> bool:
    """Whether the last order is so many calendar months ago, or more: of 24 May, six are over on 24 November.

    Where the month has no such day its last one counts: of 31 August, six are over on 28 (or 29) February. Who never
    ordered has not stopped.
    """
    return last is not None and today >= add_months(last, months)


def sums(months: Sequence[Month], length: int, today: date) -> tuple[Decimal, Decimal]:
    """Orders of the last `length` full months, and of as many before. The month under way would always look poor."""
    this = first_of_month(today)
    middle, start = add_months(this, -length), add_months(this, -2 * length)
    late = sum((m.order_amount for m in months if middle <= m.month < this), Decimal(0))
    early = sum((m.order_amount for m in months if start <= m.month < middle), Decimal(0))
    return late, early


def falling(late: Decimal, early: Decimal, percent: Decimal) -> bool:
    """Whether less than so many % of what it was is left of the orders."""
    return early > 0 and late * 100 < early * percent


class Sight:
    """What the rules look at, for a bunch: read once, and only if a rule asks."""

    def __init__(self, bunch: Bunch, rules: Sequence[dict[str, Any]], today: date) -> None:
        self._bunch, self._rules, self._today = bunch, rules, today
        lengths = [r["months"] for r in rules if r["kind"] == FALLING]
        since = add_months(first_of_month(today), -2 * max(lengths)) if lengths else None
        self._months = bunch.months(since) if since is not None else {}
        self._complaints = self._read_complaints() if any(r["kind"] == COMPLAINT for r in rules) else {}

    def hits(self, customer: Customer) -> list[Hit]:
        """What the rules see in a customer, in their order."""
        return [Hit(rule, *seen) for rule in self._rules if (seen := self._see(rule, customer)) is not None]

    def _see(self, rule: dict[str, Any], customer: Customer) -> tuple[str, str] | None:
        match rule["kind"]:
            case "no_order":
                return self._no_order(rule["months"], customer)
            case "no_contact":
                return self._no_contact(rule["days"], customer)
            case "falling":
                return self._falling(rule["months"], rule["percent"], customer)
        return self._complaint(rule["days"], customer)

    def _no_order(self, months: int, customer: Customer) -> tuple[str, str] | None:
        last = customer.last_order_date
        if not no_order(last, months, self._today):
            return None
        return (
            f"{NO_ORDER} {last}",
            f"{months} 个月未订货，最近订货 {last} / Months without an order: {months}; the last on {last}",
        )

    def _no_contact(self, days: int, customer: Customer) -> tuple[str, str] | None:
        if customer.first_order_date is None:
            return None
        contacted = customer.last_contact_time or customer.create_time
        last = local_day(contacted, self._bunch.call)
        if self._today < last + timedelta(days=days):
            return None
        return f"{NO_CONTACT} {last}", f"自 {last} 起 {days} 天未联系 / Days without contact: {days}, since {last}"

    def _falling(self, months: int, percent: Decimal, customer: Customer) -> tuple[str, str] | None:
        late, early = sums(self._months.get(customer.id, ()), months, self._today)
        if not falling(late, early, percent):
            return None
        told = f"最近 {months} 个月订货 {late:.2f}，此前 {months} 个月 {early:.2f}"
        also = f"Orders of the last full months ({months}): {late:.2f}, of as many before: {early:.2f}"
        return f"{FALLING} {self._today:%Y-%m}", f"{told} / {also}"

    def _complaint(self, days: int, customer: Customer) -> tuple[str, str] | None:
        day = self._complaints.get(customer.id)
        if day is None or self._today >= day + timedelta(days=days):
            return None
        return f"{COMPLAINT} {day}", f"{day} 有投诉 / A complaint on {day}"

    def _read_complaints(self) -> dict[str, date]:
        """The day of the newest complaint of each customer that has any."""
        newest = select(complaint.c.customer_id, func.max(complaint.c.time)).group_by(complaint.c.customer_id)
        found = self._bunch.call.connection.execute(newest.where(one_of(complaint.c.customer_id, self._bunch.ids)))
        return {customer_id: local_day(time, self._bunch.call) for customer_id, time in found}
