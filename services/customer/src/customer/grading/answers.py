"""What rules answer for customers: one statement for some of them or for all, so that a dry run says what will be.

Amounts and shares are compared as exact decimals: share ≥ limit is sales × 1200 ≥ limit × purchasing power × months.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, case, func, literal, null, select, true

from crm_kit.db import one_of
from customer.grading import bands
from customer.grading.rules import period
from customer.tables import customer
from customer.trade.tables import trade_month

Rule = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answers:
    """`query` selects customers; `relation` and `place` ("rule/band") are null where no rule has an answer."""

    query: Select[Any]
    relation: ColumnElement[str | None]
    place: ColumnElement[str | None]
    sales: Sequence[ColumnElement[Any]]
    """Of each rule's period."""


def of(rules: Sequence[Rule], today: date, customer_ids: Sequence[str] | None = None) -> Answers:
    """The answers of rules, asked in this order, for these customers or for all the living."""
    periods = [period(rule, today) for rule in rules]
    month = trade_month.c.month
    sums = select(
        trade_month.c.customer_id,
        *(
            func.sum(trade_month.c.order_amount).filter(month.between(first, last)).label(f"sales_{i}")
            for i, (first, last, _) in enumerate(periods)
        ),
    ).where(month >= min(first for first, _, _ in periods))
    if customer_ids is not None:
        sums = sums.where(one_of(trade_month.c.customer_id, list(customer_ids)))
    table = sums.group_by(trade_month.c.customer_id).subquery()
    sales = [func.greatest(func.coalesce(table.c[f"sales_{i}"], 0), 0) for i in range(len(rules))]
    whens = [when for i, rule in enumerate(rules) for when in _whens(i, rule, sales[i], periods[i][2])]
    query = select(customer.c.id).outerjoin(table, table.c.customer_id == customer.c.id)
    query = query.where(customer.c.delete_time.is_(None))
    if customer_ids is not None:
        query = query.where(one_of(customer.c.id, list(customer_ids)))
    none = null().cast(Text)
    relation = case(*((w, literal(r)) for w, r, _ in whens), else_=none)
    place = case(*((w, literal(p)) for w, _, p in whens), else_=none)
    return Answers(query, relation, place, sales)


def _whens(i: int, rule: Rule, sales: Any, months: int) -> list[tuple[ColumnElement[bool], str, str]]:
    """(condition, relation, place) of every band of a rule, and of what lies in none."""
    by_share = rule["base"] == "share"
    power = customer.c.purchasing_power
    measure, unit = (sales * 1200, power * months) if by_share else (sales, 1)
    defined: ColumnElement[bool] = power > 0 if by_share else true()
    found = []
    for j, band in enumerate(bands.of(rule["bands"])):
        parts = [defined]
        if band.low > 0:
            parts.append(measure >= literal(band.low) * unit)
        if band.end is not None:
            parts.append(measure < literal(band.end) * unit)
        found.append((and_(*parts), band.relation, f"{i}/{j}"))
    if rule["otherwise"]:
        found.append((and_(defined, true()), rule["otherwise"], f"{i}/"))
    return found
