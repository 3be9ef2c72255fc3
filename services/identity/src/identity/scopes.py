"""Where rights hold: what roles come to for each right, and that nobody gives a wider scope than their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from crm_kit import errors
from crm_kit.access import Access
from crm_kit.reach import Reach, RoleAccess
from identity import rights

Part = tuple[str, str]
"""One kind of scope; a chosen one for each department, with its id."""
Pair = tuple[str, str]
"""A resource and a right. Every right goes with every resource: that on a part holds where its parent is reached."""
ALL: Part = ("all", "")
SELF: Part = ("self", "")
ANY = ""
"""Stands for a right given to the person alone: it holds wherever any role reaches."""

errors.texts(
    {
        "scope_not_held": (
            "不能授予超出自己数据范围的权限：{resource}",
            "You cannot give a scope wider than your own: {resource}",
        ),
    }
)


@dataclass(frozen=True)
class Power:
    """What roles, personal rights and denials come to; see `crm_kit.access` for how they add up."""

    roles: Sequence[RoleAccess] = ()
    granted: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()

    def parts(self, resource: str, right: str) -> set[Part]:
        """The scopes in which a right holds on a resource; nothing where it does not."""
        giving = [r for r in self.roles if rights.holds(r.rights, right)]
        given = giving or right == ANY or rights.holds(self.granted, right)
        if not given or rights.holds(self.denied, right):
            return set()
        found = {SELF}
        for one in (s for r in giving or self.roles for s in r.scopes_of(resource)):
            departments = one.get("departmentIds", ()) if one["scope"] == "chosen" else [""]
            found |= {(one["scope"], d) for d in departments}
        return found


def role(row: Any) -> RoleAccess:
    """A stored role as something that gives rights."""
    return RoleAccess(frozenset(row["rights"]), tuple(row["scopes"]), tuple(row["field_rules"]))


def wider(after: set[Part], before: set[Part]) -> set[Part]:
    """What of `after` goes beyond `before`. Reporting lines and departments cannot be compared."""
    if ALL in before:
        return set()
    below = {("department", "")} if ("department_tree", "") in before else set()
    return after - before - below


def pairs(*powers: Power) -> Iterator[Pair]:
    """Where these may differ: a resource that no role names is as "*" in all of them."""
    named = {s["resource"] for p in powers for r in p.roles for s in r.scopes} | {"*"}
    return ((resource, right) for right in (*rights.every(), ANY) for resource in sorted(named))


@dataclass
class Giver:
    """The caller as somebody who gives."""

    access: Access
    power: Power = field(init=False)
    _reaches: dict[frozenset[Part], Reach] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.power = Power(self.access.roles, self.access.rights, self.access.denials)

    def does_everything(self) -> bool:
        """Whether it is an administrator of the system: every right, everywhere."""
        everywhere = all(ALL in self.power.parts(*pair) for pair in pairs(self.power))
        return everywhere and rights.covers(self.access, "*")

    def reach(self, resource: str, right: str) -> Reach:
        """Which people and departments the caller reaches with a right."""
        key = frozenset(self.power.parts(resource, right))
        if key not in self._reaches:
            self._reaches[key] = self.access.reach(resource, right)
        return self._reaches[key]

    def refuse_wider(self, pair: Pair, wanted: set[Part]) -> None:
        """PERMISSION_DENIED unless the caller has the right, and in a scope at least as wide."""
        own = self.power.parts(*pair)
        resource, right = pair
        if wanted and not own:
            raise errors.Denied("right_not_held", right=right)
        for kind, department_id in wider(wanted, own):
            if kind != "chosen" or department_id not in self.reach(resource, right).department_ids:
                raise errors.Denied("scope_not_held", resource=resource)
