"""The pools in use as their rules need them, and which of them is responsible for a customer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, select

from crm_kit import organisation
from crm_kit.kept import Kept
from customer.pools.tables import pool
from customer.pools.terms import CONTRACT_ENDED, NO_CONTACT, NO_DEAL, NO_OPPORTUNITY, Rule

DRAFT, ACTIVE = "draft", "active"
OCCASIONS = ASSIGNMENT, CREATION, HANDOVER = "assignment", "creation", "handover"
"""On which a pool may have capacity obeyed."""
_DAYS = {
    NO_CONTACT: "noContactDays",
    NO_OPPORTUNITY: "noOpportunityDays",
    NO_DEAL: "noDealDays",
    CONTRACT_ENDED: "contractEndedDays",
}


@dataclass(frozen=True, slots=True)
class Limit:
    """What the people of a department may take; None: as much as they like."""

    department_id: str
    claims: int | None = None
    person: int | None = None
    department: int | None = None
    views: int | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """One pool."""

    id: str
    name: str
    version: int
    department_ids: frozenset[str]
    filter: str
    rules: tuple[Rule, ...]
    limits: tuple[Limit, ...]
    former_owner_days: int
    fresh_days: int
    capacity_on: frozenset[str]
    """On which occasions capacity is obeyed besides claims."""
    administrator_user_ids: frozenset[str]
    administrator_role_codes: frozenset[str]
    reasons: frozenset[str]

    def with_rules(self, rules: Sequence[Mapping[str, Any]]) -> Config:
        """The pool as if it had these rules, written as the contract does."""
        return replace(self, rules=rules_of(rules))


def rules_of(data: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """Rules out of the JSON that is stored."""
    return tuple(
        Rule(
            number=number,
            levels=frozenset(rule.get("levels", ())),
            days={reason: rule[name] for reason, name in _DAYS.items() if name in rule},
            exempt_open_opportunity=rule.get("exemptOpenOpportunity", False),
            exempt_deal=rule.get("exemptDeal", False),
            exempt_open_contract=rule.get("exemptOpenContract", False),
            warning_days=rule.get("warningDays", 0),
        )
        for number, rule in enumerate(data, 1)
    )


def of_row(row: Any) -> Config:
    """The pool of a row of the table."""
    names = {"claims": "claimsPerDay", "person": "personCapacity"}
    names |= {"department": "departmentCapacity", "views": "viewsPerDay"}
    return Config(
        id=row.id,
        name=row.name,
        version=row.version,
        department_ids=frozenset(row.department_ids),
        filter=row.filter or "",
        rules=rules_of(row.return_rules),
        limits=tuple(
            Limit(limit.get("departmentId", ""), **{n: limit.get(json) for n, json in names.items()})
            for limit in row.limits
        ),
        former_owner_days=row.former_owner_days or 0,
        fresh_days=row.fresh_days or 0,
        capacity_on=frozenset(o for o in OCCASIONS if getattr(row, f"capacity_on_{o}")),
        administrator_user_ids=frozenset(row.administrator_user_ids),
        administrator_role_codes=frozenset(row.administrator_role_codes),
        reasons=frozenset(row.return_reasons),
    )


def _load(connection: Connection) -> dict[str, Config]:
    query = select(pool).where(pool.c.state == ACTIVE, pool.c.delete_time.is_(None)).order_by(pool.c.id)
    return {row.id: of_row(row) for row in connection.execute(query)}


ACTIVE_POOLS = Kept(_load)
"""The pools in use, the oldest first."""


class Tree:
    """The departments, to look up from one."""

    def __init__(self, connection: Connection) -> None:
        c = organisation.department.c
        self._above: dict[str, str | None] = {}
        self._names: dict[str, str] = {}
        for row in connection.execute(select(c.id, c.parent_id, c.name).where(~c.deleted)):
            self._above[row.id], self._names[row.id] = row.parent_id, row.name

    def up(self, department_id: str | None) -> list[str]:
        """A department and those above it, the nearest first."""
        found: list[str] = []
        while department_id and department_id not in found and department_id in self._above:
            found.append(department_id)
            department_id = self._above[department_id]
        return found

    def name(self, department_id: str) -> str:
        return self._names.get(department_id, "?")

    def below(self, department_id: str) -> set[str]:
        """A department and all below it."""
        return {d for d in self._above if department_id in self.up(d)}


def in_order(pools: Iterable[Config], tree: Tree, department_id: str | None) -> list[tuple[Config, str]]:
    """The pools that are open to the customers of a department's people, the responsible one first; and the
    department that each was found at, empty where it is for all."""
    up = tree.up(department_id)
    found = []
    for place, config in enumerate(pools):
        near = [depth for depth, d in enumerate(up) if d in config.department_ids]
        if near or not config.department_ids:
            found.append((near[0] if near else len(up), place, config))
    return [(config, up[depth] if depth < len(up) else "") for depth, _, config in sorted(found, key=lambda f: f[:2])]


def limit_for(config: Config, tree: Tree, department_id: str | None) -> Limit:
    """What holds for the people of a department: the nearest limit up the tree, else that for everybody."""
    by_department = {limit.department_id: limit for limit in reversed(config.limits)}
    for one in [*tree.up(department_id), ""]:
        if one in by_department:
            return by_department[one]
    return Limit("")


def administers(config: Config, user_id: str, role_codes: Iterable[str]) -> bool:
    """Whether somebody is an administrator of the pool."""
    return user_id in config.administrator_user_ids or not config.administrator_role_codes.isdisjoint(role_codes)
