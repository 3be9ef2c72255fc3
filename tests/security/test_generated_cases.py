"""Rights, scopes, teams and fields on every surface, in companies made at random, against an oracle of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
from security import (
    acts,
    around,
    company,
    days,
    drawing,
    fields,
    figures,
    leaving,
    oracle,
    picking,
    reading,
    world,
    writing,
)
from security.facts import Person, Record
from security.oracle import Answer, Oracle
from security.run import LEAK, Run
from security.services import Services, suite
from security.world import World

from crm_kit.access import Access
from crm_kit.reach import Reach

pytestmark = pytest.mark.slow

CASES = 10_000
AREAS: list[tuple[ModuleType, int]] = [
    *((reading, 12), (figures, 4), (writing, 10), (picking, 3), (fields, 7), (leaving, 1)),
    *((around, 3), (drawing, 2), (days, 1), (acts, 1)),
]
"""What is asked about, and how often beside the others."""
EXPECTED = {
    *("read", "list", "recycle bin", "search", "count", "briefs", "changes", "actions"),
    *("timeline", "overview", "explain"),
    *("groups", "sums", "report", "event", "picker", "import"),
    *("field", "field given", "field in changes", "reveal", "export", "print"),
    *(f"verb {v}" for v in ("update", "assign", "delete", "restore", "win", "lose", "reopen", "archive", "handle")),
    *(f"verb {v}" for v in ("feedBack", "complete", "cancel", "approve", "return", "checkIn", "comment", "postpone")),
    *("standings", "overruling", "behaviour", "behaviour told", "figures", "map", "duplicates", "clusters"),
    *("calendar", "route", "statistics", "bulk", "undo", "job", "act", "job file"),
}
"""Surfaces that must have been asked."""


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with suite(tmp_path_factory.mktemp("suite")) as running:
        yield running


def asked(run: Run, cases: int, findings: int = 40, areas: Sequence[tuple[ModuleType, int]] = AREAS) -> Run:
    """Ask until there are so many cases, or so many findings that the rest would say the same."""
    modules, weights = zip(*areas, strict=True)
    while run.cases.total() < cases and len(run.findings) < findings:
        (module,) = run.world.chance.choices(modules, weights)
        run.world.chance.choice(module.SURFACES)(run)
    return run


def told(run: Run) -> str:
    """What is wrong, with one case in full for each kind of finding."""
    first = {(f.what, f.surface): str(f) for f in reversed(run.findings)}
    return "\n\n".join([run.report(), *first.values()])


@pytest.mark.figure("R40")
@pytest.mark.feature("IDN-07")
def test_everybody_sees_and_does_on_every_surface_what_the_rules_say(
    services: Services, measured: Callable[[str], None]
) -> None:
    made = world.make(2026)
    company.move_in(services, made)

    run = asked(Run(made, services), CASES)

    measured(run.report())
    assert not run.findings, told(run)
    assert set(run.cases) >= EXPECTED, EXPECTED - set(run.cases)


@pytest.mark.figure("R40")
@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 11))
def test_ten_companies_more(services: Services, measured: Callable[[str], None], seed: int) -> None:
    made = world.make(seed, people=60)
    company.move_in(services, made)

    run = asked(Run(made, services), CASES)

    measured(f"seed {seed}: {run.report()}")
    assert not run.findings, told(run)


class NoDenials(Oracle):
    """Forgets that a denial wins."""

    def may(self, person: Person, right: str):
        kept = tuple(g for g in person.grants if not g.denied)
        return super().may(Person(person.id, person.name, person.department, person.manager, person.roles, kept), right)


class NobodyBelow(Oracle):
    """Forgets the reporting line."""

    def is_below(self, one: Person, manager: Person) -> bool:
        return False


class ForgetsTeams(Oracle):
    """Forgets that teams exist."""

    def _in_team(self, person: Person, action: str, record: Record) -> None:
        return None


class ForgetsPools(Oracle):
    """Forgets that pools exist."""

    def _in_pool(self, person: Person, action: str, record: Record) -> None:
        return None


class EveryField(Oracle):
    """Forgets the rules of fields."""

    def level(self, person: Person, record_type: str, name: str, state: str | None) -> str:
        return "optional"


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


@pytest.mark.figure("R40")
@pytest.mark.parametrize(
    "wrong", [NoDenials, NobodyBelow, ForgetsTeams, ForgetsPools, EveryField, OneEndIsEnough, NobodyIsNamed]
)
def test_an_oracle_that_forgets_a_rule_is_contradicted(services: Services, wrong: type[Oracle]) -> None:
    made = world.make(7)
    company.move_in(services, made, 0.2)
    right = made.oracle
    made.oracle = wrong(right.people.values(), right.departments, right.tops)

    run = asked(Run(made, services), 3000, findings=1)

    assert run.findings


@pytest.mark.figure("R40")
def test_an_oracle_that_shows_parts_of_what_is_deleted_is_contradicted(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world.make(10)
    company.move_in(services, made, 0.2)
    for task in made.records["task"][::2]:
        assert services.ask(made.boss, "DeleteTask", id=task.id, etag=str(task.version)).code == "OK"
        company.refresh(services, task)
    monkeypatch.setattr(oracle, "GOES_ALONG", frozenset())

    run = asked(Run(made, services), 2000, findings=1, areas=[(reading, 1)])

    assert run.findings


def every_right(_access: Any, _right: str) -> bool:
    """May everything."""
    return True


def every_record(access: Any, *_asked: str) -> Reach:
    """Reaches everything."""
    return Reach(all=True, user_id=access.user_id)


@pytest.mark.figure("R40")
@pytest.mark.parametrize(("name", "wrong"), [("may", every_right), ("_compute", every_record)])
def test_a_product_that_reaches_too_far_is_found_out(
    services: Services, monkeypatch: pytest.MonkeyPatch, name: str, wrong: Callable[..., Any]
) -> None:
    made = world.make(8)
    company.move_in(services, made, 0.2)
    monkeypatch.setattr(Access, name, wrong)
    services.forget()

    run = asked(Run(made, services), 1000, findings=20)

    assert LEAK in {f.what for f in run.findings}


def every_candidate(_call: Any, _record: Any, customer_ids: Sequence[str]) -> set[str]:
    """Shows whoever is like somebody."""
    return set(customer_ids)


def every_neighbour(_call: Any, ids: list[str]) -> tuple[set[str], set[str]]:
    """Draws whatever is tied to a customer."""
    return set(ids), set()


@pytest.mark.figure("R40")
@pytest.mark.parametrize(
    ("module", "name", "wrong"),
    [
        ("customer.duplicates.checking", "_within", every_candidate),
        ("customer.relationships.around", "_seen", every_neighbour),
    ],
)
def test_a_product_that_shows_what_lies_beside_is_found_out(
    services: Services, monkeypatch: pytest.MonkeyPatch, module: str, name: str, wrong: Callable[..., Any]
) -> None:
    made = world.make(9)
    company.move_in(services, made, 0.2)
    monkeypatch.setattr(import_module(module), name, wrong)

    run = asked(Run(made, services), 1000, findings=1, areas=[(drawing, 1)])

    assert LEAK in {f.what for f in run.findings}


def test_the_same_seed_makes_the_same_company() -> None:
    def told_of(made: World) -> list[object]:
        people = [(p.name, p.manager, p.department, [r.code for r in p.roles]) for p in made.people]
        return [made.departments, people, [(r.code, r.rights, r.scopes, r.field_rules) for r in made.roles]]

    assert told_of(world.make(5)) == told_of(world.make(5))
    assert told_of(world.make(5)) != told_of(world.make(6))
