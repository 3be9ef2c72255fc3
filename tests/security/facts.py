"""What is the case, as plain data: people, roles, records. Who may do what with it, the oracle says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Scope:
    """On which records a role's rights for a resource ("*": those not named) hold."""

    resource: str
    kind: str
    departments: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FieldRule:
    """How a role treats a field, in some states or (none named) in all."""

    resource: str
    field: str
    level: str
    states: frozenset[str] = frozenset()


@dataclass(slots=True)
class Role:
    id: str
    code: str
    rights: frozenset[str]
    scopes: tuple[Scope, ...]
    field_rules: tuple[FieldRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """A right given to one person, or denied; until a moment or without end."""

    right: str
    denied: bool = False
    until: datetime | None = None


@dataclass(slots=True)
class Person:
    id: str
    name: str
    department: str | None
    manager: str | None
    roles: tuple[Role, ...]
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in the team of a record."""

    person: str
    access: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """A public pool: its members are people, departments with those below, roles, and who administers it.

    It may hide fields and parts of the records, and show the details only of so many that somebody opens in a day.
    """

    id: str
    people: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    administrators: frozenset[str] = frozenset()
    views: int | None = None
    """How many different records somebody may open in a day; no limit where there is none."""


@dataclass(slots=True, eq=False)
class Record:
    """A record as far as rights are concerned, and values that questions are asked about."""

    type: str
    id: str
    owner: str | None = None
    department: str | None = None
    creator: str | None = None
    parent: Record | None = None
    ends: tuple[Record, ...] = ()
    """Both of the records that it ties, where it ties two."""
    named: frozenset[str] = frozenset()
    """People who are named as taking part in it."""
    state: str | None = None
    deleted: bool = False
    version: int = 1
    team: tuple[Member, ...] = ()
    pool: Pool | None = None
    opened: set[tuple[str, str]] = field(default_factory=set)
    """(person, pool) of those who opened it today."""
    values: dict[str, object] = field(default_factory=dict)

    @property
    def top(self) -> Record:
        """What a part belongs to in the end; the record itself where it is no part."""
        return self if self.parent is None else self.parent.top
