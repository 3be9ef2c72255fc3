"""On which records a right holds, and what a role gives."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from crm_kit import policy as policies


@dataclass(frozen=True, slots=True)
class Reach:
    """On which records a right holds: all, or those of these owners, ownerless ones of these departments, these."""

    all: bool = False
    owner_ids: frozenset[str] = frozenset()
    department_ids: frozenset[str] = frozenset()
    user_id: str = ""
    """Whose reach it is: some records name people who see them besides their owner."""
    record_ids: frozenset[str] = frozenset()
    """Records of whose teams the person is, where the right goes with that."""
    pool_ids: frozenset[str] = frozenset()
    """Pools in which the person is a member, where the right goes with that."""
    view_pool_ids: frozenset[str] = frozenset()
    opened_ids: frozenset[str] = frozenset()
    """Of the parts of records: pools of which only those are seen that lie below one of these, opened today."""

    def holds(self, other: Reach) -> bool:
        """Whether everything that the other reaches lies within this one."""
        if self.all or self == other:
            return True
        within = self.owner_ids >= other.owner_ids and self.department_ids >= other.department_ids
        pools = self.pool_ids >= other.pool_ids and self.view_pool_ids >= other.view_pool_ids
        named = self.record_ids >= other.record_ids and pools and self.opened_ids >= other.opened_ids
        return not other.all and within and named and self.user_id == other.user_id

    def alone(self) -> Reach:
        """What the scope gives by itself, without teams and pools."""
        none: frozenset[str] = frozenset()
        return replace(self, record_ids=none, pool_ids=none, view_pool_ids=none, opened_ids=none)


@dataclass(frozen=True, slots=True)
class RoleAccess:
    """What one role gives: rights, and on which records they hold."""

    rights: frozenset[str]
    scopes: tuple[dict[str, Any], ...]
    field_rules: tuple[dict[str, Any], ...] = ()
    policy: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    name: str = ""
    use: policies.Use | None = None
    """From where and when it may be used; None where always and everywhere."""

    def scopes_of(self, resource: str) -> list[dict[str, Any]]:
        """The scopes that the role names for a resource, else those for all it does not name."""
        named = [s for s in self.scopes if s["resource"] == resource]
        return named or [s for s in self.scopes if s["resource"] == "*"]


def holds(rights: Collection[str], right: str) -> bool:
    """Whether one of them is the right or stands for it."""
    return right in rights or "*" in rights or f"{right.partition('.')[0]}.*" in rights


def read_role(row: Any) -> RoleAccess:
    """From the row of the copy."""
    rules, use = tuple(row.field_rules), policies.stored_use(row.policy)
    return RoleAccess(frozenset(row.rights), tuple(row.scopes), rules, row.policy, row.code, row.name, use)
