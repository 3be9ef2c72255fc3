"""Conditions of segments as SQL on customers. The statement depends on their shape only; values are bound.

A figure that nothing was written of is 0: where 0 fulfils a condition, those are sought that do not fulfil it, and all
others are taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, false, func, not_, or_, select, true, union_all

from crm_kit.rpc import Call
from crm_records import custom_fields, filter_language, filters
from crm_records.conditions import Narrowing
from customer import clock
from customer.behaviour.tables import event, identity
from customer.customers import CUSTOMERS
from customer.merging.tables import redirect
from customer.sight import BEHAVIOUR, COMPUTED, TRADE
from customer.standing.tables import overruling, result
from customer.tables import customer
from customer.trade.tables import trade_month
from customer.value import seeing
from customer.value.models import LEDGER
from customer.value.tables import score

PREFIX = "segment"


def compile_conditions(call: Call, row: Mapping[str, Any], today: date) -> Narrowing:
    """Who fulfils the conditions of a segment; everybody where there are none."""
    parts: list[ColumnElement[bool]] = []
    shape: list[Any] = [row["match"]]
    values: dict[str, Any] = {}
    if row["filter"]:
        tree = filter_language.parse(row["filter"])
        known = custom_fields.kinds_of(call, CUSTOMERS)
        compiled = filters.compile_tree(CUSTOMERS, tree, known, PREFIX)
        parts.append(compiled.condition)
        shape += [filter_language.shape(tree), tuple(sorted(known.items()))]
        values |= compiled.parameters(tree, call.connection)
    for i, condition in enumerate(row["conditions"]):
        one = _One(call, condition, f"{PREFIX}_condition_{i}_", today)
        parts.append(not_(one.sql()) if condition.get("negated") else one.sql())
        shape.append(one.shape)
        values |= one.values
    joined = or_(false(), *parts) if row["match"] == "any" and parts else and_(true(), *parts)
    return Narrowing(joined, (PREFIX, *shape), values, looked_at(call, row))


class _One:
    """One condition, its shape, and the values of its parameters."""

    def __init__(self, call: Call, condition: Mapping[str, Any], prefix: str, today: date) -> None:
        self.kind, self.values = condition["kind"], dict[str, Any]()
        self._condition, self._prefix, self._today = condition, prefix, today
        self._zone = ZoneInfo(call.access.time_zone)
        self._low, self._high = (Decimal(condition[n]) if condition.get(n) else None for n in ("from", "to"))
        none = (self._low is None or self._low <= 0) and (self._high is None or self._high > 0)
        self._others = none and self.kind not in ("score", "level")
        limits = (self._low is None, self._high is None)
        self.shape = (self.kind, bool(condition.get("negated")), limits, self._others)

    def sql(self) -> ColumnElement[bool]:
        if self.kind == "level":
            return self._level()
        if self.kind == "score":
            chosen = select(score.c.customer_id).where(score.c.code == self._bind("code", score.c.code))
            return customer.c.id.in_(chosen.where(self._within(score.c.score)))
        figures, figure = self._ledger() if self.kind in LEDGER else self._behaviour()
        if self._others:
            return customer.c.id.not_in(figures.having(not_(self._within(figure))))
        return customer.c.id.in_(figures.having(self._within(figure)))

    def _bind(self, name: str, like: ColumnElement[Any], value: Any = None) -> ColumnElement[Any]:
        self.values[self._prefix + name] = self._condition[name] if value is None else value
        return bindparam(self._prefix + name, type_=like.type)

    def _within(self, figure: ColumnElement[Any]) -> ColumnElement[bool]:
        amount = trade_month.c.order_amount
        parts: list[ColumnElement[bool]] = [true()]
        if self._low is not None:
            parts.append(figure >= self._bind("from", amount, self._low))
        if self._high is not None:
            parts.append(figure < self._bind("to", amount, self._high))
        return and_(*parts)

    def _ledger(self) -> tuple[Select[Any], ColumnElement[Any]]:
        c, this = trade_month.c, clock.first_of_month(self._today)
        since = clock.add_months(this, 1 - self._condition["months"])
        query = select(c.customer_id).where(
            c.month >= self._bind("since", c.month, since), c.month <= self._bind("until", c.month, this)
        )
        return query.group_by(c.customer_id), func.sum(c[self.kind])

    def _behaviour(self) -> tuple[Select[Any], ColumnElement[Any]]:
        """Events under a customer's own key, and those of its visitors while they were it."""
        first = self._today - timedelta(days=self._condition["days"] - 1)
        since = self._bind("since", event.c.time, datetime.combine(first, time(), self._zone))
        e = event.c
        wanted = and_(e.kind == self._bind("code", e.kind), e.time >= since)
        now = event.outerjoin(redirect, redirect.c.from_id == e.customer_id)
        own = select(func.coalesce(redirect.c.to_id, e.customer_id).label("customer_id")).select_from(now)
        own = own.where(wanted, e.customer_id.is_not(None))
        i = identity.c
        while_it_was = and_(i.source == e.source, i.visitor == e.visitor, e.time >= i.from_time, e.time < i.until_time)
        theirs = select(i.customer_id).select_from(identity.join(event, while_it_was))
        both = union_all(own, theirs.where(wanted, e.customer_id.is_(None))).subquery()
        return select(both.c.customer_id).group_by(both.c.customer_id), func.count()

    def _level(self) -> ColumnElement[bool]:
        """What counts: what a person said, or else what was computed."""
        topic = self._bind("topic", result.c.topic, f"value.{self._condition['code']}")
        level = self._bind("level", result.c.value)
        o = overruling.c
        said = and_(o.topic == topic, o.end_time.is_(None))
        other = exists().where(o.customer_id == result.c.customer_id, said)
        computed = select(result.c.customer_id).where(result.c.topic == topic, result.c.value == level, ~other)
        by_word = select(o.customer_id).where(said, o.value == level)
        return or_(customer.c.id.in_(computed), customer.c.id.in_(by_word))


def looked_at(call: Call, row: Mapping[str, Any]) -> list[str]:
    """Fields of customers and kinds of their parts that a segment asks by. A level is told to whoever sees the
    details of the customer."""
    found = [*fields_of(row)]
    for kind, code in kinds_of(row):
        if kind in LEDGER:
            found.append(TRADE)
        elif kind == "behaviour":
            found.append(BEHAVIOUR)
        else:
            found += [COMPUTED, *(seeing.made_of(call, code) if kind == "score" else ())]
    return found


def fields_of(row: Mapping[str, Any]) -> Iterator[str]:
    """The fields of customers that a segment compares."""
    if row["filter"]:
        yield from sorted(filter_language.names(filter_language.parse(row["filter"])))


def kinds_of(row: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """(kind, code) of the conditions."""
    return [(c["kind"], c.get("code") or "") for c in row["conditions"]]
