"""The third question: which fields. How the field rules of a person's roles come together for one record type.

Levels, from closed to open: hidden (as if the field did not exist), masked (shown in part, not given, not compared),
read_only (shown, not changed), required (must be filled), optional.

- The roles that give `<resource>.read` count. Where none does (the right was given to the person alone), all do.
- Over them the most open level wins, state by state. A role without a rule for a field leaves it optional.
- Within one role a rule that names the record's state beats one for all states; of two that say the same, the
  stricter one counts.

What comes out is equal, and the same object, for everybody whose rules come to the same: others may keep by it what
they made of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from crm_kit import masking

HIDDEN, MASKED, READ_ONLY, REQUIRED, OPTIONAL = range(5)
NAMES = ("hidden", "masked", "read_only", "required", "optional")
"""Levels as rules write them; the place is the level."""

States = Mapping[str | None, int]
"""State → level; None stands for every state that is not named."""


class Role(Protocol):
    """What is asked of a role; see `crm_kit.access.RoleAccess`."""

    @property
    def rights(self) -> frozenset[str]: ...
    @property
    def field_rules(self) -> tuple[dict[str, Any], ...]: ...


@dataclass(frozen=True, eq=False)
class FieldRules:
    """The rules of a person for a record type: field, `custom.<key>` for custom ones → state → level.

    False where there are none.
    """

    fields: Mapping[str, States]

    def __bool__(self) -> bool:
        return bool(self.fields)

    def level(self, name: str, state: str | None = None) -> int:
        """The level of a field while a record is in a state."""
        states = self.fields.get(name)
        return OPTIONAL if states is None else states.get(state, states[None])

    def strictest(self, name: str) -> int:
        """The most closed level that a field has in any state: for what is shown apart from its record."""
        states = self.fields.get(name)
        return OPTIONAL if states is None else min(states.values())


NONE = FieldRules({})
"""Every field is optional."""


def shown(rules: FieldRules, field: str, text: str) -> str:
    """A copy of a text field, shown apart from its record: nothing of a hidden one, the mask of a masked one."""
    level = rules.strictest(field)
    if level > MASKED:
        return text
    return masking.text(text) if level == MASKED and text else ""


def of(roles: Sequence[Role], resource: str) -> FieldRules:
    """The rules of somebody with these roles for a record type."""
    return combine([r for r in roles if _gives(r.rights, f"{resource}.read")] or roles, resource)


def combine(roles: Iterable[Role], resource: str) -> FieldRules:
    """The rules of roles taken together, whichever rights they give."""
    mine = [[r for r in role.field_rules if r["resource"] == resource] for role in roles]
    if not mine or not all(mine):
        return NONE  # somebody without any rule leaves every field optional
    fields = {}
    for name in set.intersection(*({r["field"] for r in rules} for rules in mine)):
        ways = [_levels([r for r in rules if r["field"] == name]) for rules in mine]
        merged: dict[str | None, int] = {
            state: max(way.get(state, way[None]) for way in ways) for state in {s for way in ways for s in way}
        }
        general = merged[None]
        states = tuple(sorted((s, lv) for s, lv in merged.items() if s is not None and lv != general))
        if states or general != OPTIONAL:
            fields[name] = (general, states)
    return _shared(tuple(sorted(fields.items())))


def _levels(rules: Sequence[dict[str, Any]]) -> dict[str | None, int]:
    """What one role says of one field, by state."""
    found: dict[str | None, int] = {}
    for rule in rules:
        level = NAMES.index(rule["rule"])
        for state in rule.get("states") or [None]:
            found[state] = min(level, found.get(state, level))
    found.setdefault(None, OPTIONAL)
    return found


@lru_cache(maxsize=4096)
def _shared(fields: tuple[tuple[str, tuple[int, tuple[tuple[str, int], ...]]], ...]) -> FieldRules:
    return FieldRules({n: {None: general, **dict(states)} for n, (general, states) in fields}) if fields else NONE


def _gives(rights: frozenset[str], right: str) -> bool:
    return right in rights or "*" in rights or f"{right.partition('.')[0]}.*" in rights
