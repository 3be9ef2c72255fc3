"""Oracles that forget a rule and products that go too far: what the generated cases must find out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from security.facts import Person, Record, Scope
from security.oracle import Oracle
from security.scopes import Answer

from crm_kit.access import Access
from crm_kit.reach import Reach


class NoDenials(Oracle):
    """Forgets that a denial wins."""

    def may(self, person: Person, right: str):
        kept = tuple(g for g in person.grants if not g.denied)
        return super().may(Person(person.id, person.name, person.department, person.manager, person.roles, kept), right)


class NobodyBelow(Oracle):
    """Forgets the reporting line."""

    def is_below(self, one: Person, manager: Person) -> bool:
        return False


class NobodyManages(Oracle):
    """Forgets that departments have managers."""

    def _managed(self, person: Person, scope: Scope) -> set[str]:
        return set()


class ForgetsTeams(Oracle):
    """Forgets that teams exist."""

    def _in_team(self, person: Person, action: str, record: Record) -> None:
        return None


class ForgetsPools(Oracle):
    """Forgets that pools exist."""

    def _in_pool(self, person: Person, action: str, record: Record) -> None:
        return None


class OpenPools(Oracle):
    """Forgets that pools keep fields from their members."""

    def kept(self, person: Person, record: Record, name: str, *, comparing: bool = False) -> bool:
        return False


class EveryField(Oracle):
    """Forgets the rules of fields."""

    def level(self, person: Person, record_type: str, name: str, state: str | None) -> str:
        return "optional"


class EverySum(Oracle):
    """Forgets that what is computed tells what it is made of."""

    def all_of(self, person: Person, resource: str) -> bool:
        return True

    def reads_below(self, person: Person, record: Record, resource: str) -> bool:
        return True


class OneEndIsEnough(Oracle):
    """Forgets that what ties two records is seen by who reaches both."""

    def reaches(self, person: Person, right: str, record: Record) -> Answer:
        answers = [super(OneEndIsEnough, self).reaches(person, right, end) for end in record.ends]
        return next((a for a in answers if a.yes), super().reaches(person, right, record))


class NobodyIsNamed(Oracle):
    """Forgets those who go along."""

    def in_scope(self, person: Person, right: str, record: Record, resource: str = "") -> Answer:
        alone = replace(record, named=frozenset(), parent=record.parent and replace(record.parent, named=frozenset()))
        return super().in_scope(person, right, alone, resource)


ORACLES: tuple[type[Oracle], ...] = (
    *(
        NoDenials,
        NobodyBelow,
        NobodyManages,
        ForgetsTeams,
        ForgetsPools,
        OpenPools,
        EveryField,
        EverySum,
        OneEndIsEnough,
    ),
    NobodyIsNamed,
)


def every_right(_access: Any, _right: str) -> bool:
    """May everything."""
    return True


def every_record(access: Access, *_asked: str) -> Reach:
    """Reaches everything."""
    return Reach(all=True, user_id=access.user_id)


def every_candidate(_call: Any, _record: Any, customer_ids: Sequence[str]) -> set[str]:
    """Shows whoever is like somebody."""
    return set(customer_ids)


def every_neighbour(_call: Any, ids: list[str]) -> tuple[set[str], set[str]]:
    """Draws whatever is tied to a customer."""
    return set(ids), set()


def every_figure(_call: Any, *_asked: Any) -> bool:
    """Computes with whatever there is."""
    return True


def every_fact(told: Any, _hidden: Any) -> Any:
    """Takes no fact away."""
    return told
