"""What the rules look at, read for many customers at once, and which pool is responsible for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select

from crm_kit import organisation
from crm_kit.db import one_of
from crm_kit.pool import ZONE
from crm_kit.rpc import Call
from crm_records import custom_fields, filter_language, filters, sql
from customer.customers import CUSTOMERS
from customer.pools.config import Config, Tree, in_order
from customer.pools.tables import pool_warning
from customer.pools.terms import Facts
from customer.tables import customer
from customer.trade import business, opportunities

_c, _user = customer.c, organisation.user.c


def day_of(moment: datetime | None) -> date | None:
    """The Chinese day of a moment."""
    return moment.astimezone(ZONE).date() if moment else None


def next_owned(call: Call, after: str, size: int) -> list[Facts]:
    """The next customers that somebody has, in the order of their ids."""
    where = [_c.owner_id.is_not(None), _c.delete_time.is_(None)]
    return _load(call, [*where, _c.id > after] if after else where, size)


def of(call: Call, customer_ids: Sequence[str]) -> list[Facts]:
    return _load(call, [one_of(_c.id, customer_ids)], len(customer_ids))


def _load(call: Call, where: Iterable[ColumnElement[bool]], size: int) -> list[Facts]:
    names = ("id", "owner_id", "level", "last_contact_time", "protected_until", "locked", "supply_contract_end")
    since = func.coalesce(_c.owner_time, _c.create_time).label("since")
    warned = (pool_warning.c.due_day, pool_warning.c.warned_day)
    joined = customer.outerjoin(organisation.user, _user.id == _c.owner_id)
    joined = joined.outerjoin(pool_warning, pool_warning.c.customer_id == _c.id)
    query = select(*(_c[n] for n in names), since, _user.department_id, *warned).select_from(joined)
    rows = call.connection.execute(query.where(*where).order_by(_c.id).limit(size)).all()
    ids = [r.id for r in rows]
    known, traded = opportunities.of(call.connection, ids), business.of(call.connection, ids)
    found = []
    for row in rows:
        opportunity, deals = known.get(row.id), traded.get(row.id)
        found.append(
            Facts(
                customer_id=row.id,
                owner_id=row.owner_id,
                department_id=row.department_id,
                level=row.level,
                owned_since=row.since.astimezone(ZONE).date(),
                locked=row.locked,
                protected_until=row.protected_until,
                last_contact=day_of(row.last_contact_time),
                last_opportunity=day_of(opportunity.last_created) if opportunity else None,
                open_opportunity=bool(opportunity and opportunity.any_open),
                last_deal=deals.last if deals else None,
                contract_end=row.supply_contract_end,
                warned=(row.due_day, row.warned_day) if row.due_day else None,
            )
        )
    return found


class Responsible:
    """Which of some pools is responsible for a customer: the nearest to its owner whose filter leaves it."""

    def __init__(self, call: Call, pools: Iterable[Config]) -> None:
        self._call, self._pools, self.tree = call, list(pools), Tree(call.connection)
        self._orders: dict[str | None, list[tuple[Config, str]]] = {}

    def of(self, facts: Sequence[Facts]) -> list[tuple[Config, str] | None]:
        """For each customer the pool and the department that it was found at; None where no pool is responsible."""
        ids = [f.customer_id for f in facts]
        left = {p.id: self._left(p, ids) for p in self._pools if p.filter}
        return [
            next((found for found in self._order(f.department_id) if f.customer_id in left.get(found[0].id, ids)), None)
            for f in facts
        ]

    def _order(self, department_id: str | None) -> list[tuple[Config, str]]:
        if department_id not in self._orders:
            self._orders[department_id] = in_order(self._pools, self.tree, department_id)
        return self._orders[department_id]

    def _left(self, pool: Config, ids: Sequence[str]) -> set[str]:
        condition, parameters = condition_of(self._call, pool.filter)
        query = select(_c.id).where(one_of(_c.id, ids), condition)
        return {i for (i,) in sql.prepare(query).run(self._call.connection, parameters)} if ids else set()


def condition_of(call: Call, text: str) -> tuple[ColumnElement[bool], dict[str, Any]]:
    """A pool's filter as a condition on customers and what to bind. INVALID_ARGUMENT where it is none."""
    tree = filter_language.parse(text)
    kinds = custom_fields.kinds_of(call, CUSTOMERS) if "custom." in text else {}
    compiled = filters.compile_tree(CUSTOMERS, tree, kinds)
    return compiled.condition, compiled.parameters(tree, call.connection)
