"""Which tier a figure lies in, by the limits of a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Integer, bindparam, case, literal, select

from crm_records.conditions import Narrowing
from customer.pyramid.tables import place
from customer.tables import customer


def column(amount: ColumnElement[Any], rule: Mapping[str, Any]) -> ColumnElement[Any]:
    """The tier, from 0 at the top; null where there is no figure."""
    tiers = rule["tiers"]
    whens = [(_in(amount, rule, literal(Decimal(t["limit"]))), i) for i, t in enumerate(tiers[:-1]) if t["limit"]]
    inner = [(amount.is_(None), None), *((w, literal(i, Integer)) for w, i in whens)]
    return case(*inner, else_=literal(len(tiers) - 1, Integer)).label("tier")


def members(snapshot_id: str, rule: Mapping[str, Any], tier: int, made_of: Sequence[str]) -> Narrowing:
    """The customers of a tier; the index by amount finds them. `made_of` is what the figure looks at."""
    limits = [Decimal(t["limit"]) if t["limit"] else None for t in rule["tiers"]]
    c = place.c
    low, high = limits[tier], next((x for x in reversed(limits[:tier]) if x is not None), None)
    query = select(c.customer_id).where(c.snapshot_id == bindparam("pyramid_snapshot", type_=c.snapshot_id.type))
    values: dict[str, Any] = {"pyramid_snapshot": snapshot_id}
    if low is not None:
        query = query.where(_in(c.amount, rule, bindparam("pyramid_low", type_=c.amount.type)))
        values["pyramid_low"] = low
    if high is not None:
        query = query.where(~_in(c.amount, rule, bindparam("pyramid_high", type_=c.amount.type)))
        values["pyramid_high"] = high
    shape = ("pyramid", rule["method"], low is None, high is None)
    return Narrowing(customer.c.id.in_(query), shape, values, made_of)


def _in(amount: ColumnElement[Any], rule: Mapping[str, Any], limit: Any) -> ColumnElement[bool]:
    return amount > limit if rule["method"] == "share" else amount >= limit
