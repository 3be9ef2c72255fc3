"""Which rule takes a customer and who gets it. Nothing is stored here but whose turn it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ARRAY, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from crm_kit import organisation
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import conditions, sql
from customer.allocation.rules import DEPARTMENT, FIXED, LEAST_LOAD, ROUND_ROBIN
from customer.allocation.tables import allocation_rule, turn
from customer.customers import CUSTOMERS
from customer.pools import capacity
from customer.tables import customer, usage

_ONE_AT_A_TIME = 0x43524D33
"""Advisory lock of whoever gives away by rules: who has least and whose turn it is stay true until the commit."""


@dataclass(slots=True)
class Decision:
    """What a rule decided about one customer, and why."""

    rule: Any
    owner_id: str | None
    department_id: str | None
    why: dict[str, Any] = field(default_factory=dict)


class Chooser:
    """Decides one after the other, each decision knowing those before."""

    def __init__(self, suite: Call, *, unasked: bool = False, trying: bool = False) -> None:
        """`unasked`: only rules that are for customers which nobody owns. `trying`: nothing will be stored."""
        self._call, self._trying = suite, trying
        r = allocation_rule.c
        query = select(allocation_rule).where(r.active, r.delete_time.is_(None)).order_by(r.position, r.id)
        self.rules: Sequence[Any] = suite.connection.execute(query.where(r.unowned) if unasked else query).all()
        if self.rules and not trying:
            suite.connection.execute(select(func.pg_advisory_xact_lock(_ONE_AT_A_TIME)))
        self._people: dict[str, list[str]] = {}
        self._loads: dict[str, dict[str, int]] = {}
        self._turns: dict[str, str] = {}
        self._rooms = capacity.Rooms(suite)

    def decide(self, ids: Sequence[str], owners: dict[str, str | None]) -> dict[str, Decision]:
        """Decisions for those customers that a rule takes. `owners`: whose they are now."""
        decisions: dict[str, Decision] = {}
        for rule in self.rules:
            rest = [i for i in ids if i not in decisions]
            meets = self._meeting(rule, rest) if rest else set()
            for customer_id in rest:
                made = self._by(rule, owners.get(customer_id)) if customer_id in meets else None
                if made is not None:
                    decisions[customer_id] = made
        if not self._trying:
            self._keep_turns()
        return decisions

    def holds(self, user_id: str) -> int:
        """Customers that somebody holds, those given by the decisions so far counted."""
        return self._load("held", user_id)

    def _by(self, rule: Any, owner_id: str | None) -> Decision | None:
        if rule.strategy == DEPARTMENT:
            return Decision(rule, None, rule.department_id)
        people = [p for p in self._takers(rule) if self._has_room(rule, p, owner_id)]
        if not people:
            return None
        load = rule.load or "held"
        if rule.strategy == FIXED:
            chosen = people[0]
        elif rule.strategy == ROUND_ROBIN:
            chosen = self._next(rule, people)
        else:
            assert rule.strategy == LEAST_LOAD
            # Whoever has it would have one less without it: else nobody ever kept anything.
            chosen = min(people, key=lambda p: (self._load(load, p) - (p == owner_id), rule.user_ids.index(p)))
        why = {"load": load, "had": self._load(load, chosen), "among": len(people)}
        if rule.capacity is not None:
            why["capacity"] = rule.capacity
        self._moved(owner_id, chosen)
        return Decision(rule, chosen, None, why)

    def _takers(self, rule: Any) -> list[str]:
        """The people of a rule who are here and active, in its order."""
        if rule.id not in self._people:
            u = organisation.user.c
            query = select(u.id).where(one_of(u.id, rule.user_ids), u.active, ~u.deleted, ~u.client)
            here = set(self._call.connection.scalars(query))
            self._people[rule.id] = [p for p in rule.user_ids if p in here]
        return self._people[rule.id]

    def _has_room(self, rule: Any, user_id: str, owner_id: str | None) -> bool:
        """By the capacity of the rule, and by that of the pool where it is obeyed."""
        if user_id == owner_id:
            return True
        within = rule.capacity is None or self._load("held", user_id) < rule.capacity
        return within and self._rooms.has(user_id, owner_id)

    def _next(self, rule: Any, people: Sequence[str]) -> str:
        order, last = list(rule.user_ids), self._last(rule)
        start = order.index(last) + 1 if last in order else 0
        chosen = next(p for p in [*order[start:], *order[:start]] if p in people)
        self._turns[rule.id] = chosen
        return chosen

    def _last(self, rule: Any) -> str:
        if rule.id not in self._turns:
            query = select(turn.c.last_user_id).where(turn.c.rule_id == rule.id)
            self._turns[rule.id] = self._call.connection.scalar(query) or ""
        return self._turns[rule.id]

    def _keep_turns(self) -> None:
        for rule_id, user_id in self._turns.items():
            if user_id:
                row = insert(turn).values(rule_id=rule_id, last_user_id=user_id)
                last = {"last_user_id": row.excluded.last_user_id}
                self._call.connection.execute(row.on_conflict_do_update(index_elements=["rule_id"], set_=last))

    def _load(self, kind: str, user_id: str) -> int:
        loads = self._loads.setdefault(kind, {})
        if user_id not in loads:
            wanted = {user_id, *(p for r in self.rules for p in r.user_ids)}
            query = select(customer.c.owner_id, func.count()).where(
                one_of(customer.c.owner_id, wanted), customer.c.delete_time.is_(None)
            )
            if kind == "used":
                query = query.where(customer.c.id.in_(select(usage.c.customer_id)))
            loads.update(dict.fromkeys(wanted, 0))
            counted = self._call.connection.execute(query.group_by(customer.c.owner_id)).all()
            loads.update({row[0]: row[1] for row in counted})
        return loads[user_id]

    def _moved(self, from_id: str | None, to_id: str) -> None:
        self._rooms.moved(from_id, to_id)
        for loads in self._loads.values():
            if from_id in loads:
                loads[from_id] -= 1
            if to_id in loads:
                loads[to_id] += 1

    def _meeting(self, rule: Any, ids: Sequence[str]) -> set[str]:
        """Those of the customers that meet the condition of a rule."""
        key, where, parameters = conditions.of(self._call, CUSTOMERS, rule.condition or "", "", False, None)
        if key not in _statements:
            if len(_statements) > 500:
                _statements.clear()
            these = customer.c.id == any_(bindparam("these_ids", type_=ARRAY(customer.c.id.type)))
            _statements[key] = sql.prepare(select(customer.c.id).where(where, these))
        found = _statements[key].run(self._call.connection, {**parameters, "these_ids": list(ids)}).fetchall()
        return {row[0] for row in found}


_statements: dict[Any, sql.Prepared] = {}
