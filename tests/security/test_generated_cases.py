"""Rights, scopes, teams and fields on every surface, in companies made at random, against an oracle of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
from security import (
    acts,
    around,
    broken,
    care,
    company,
    days,
    drawing,
    fields,
    figures,
    files,
    graded,
    leaving,
    merges,
    oracle,
    picking,
    pooled,
    reading,
    register,
    world,
    writing,
)
from security.oracle import Oracle
from security.run import LEAK, Run
from security.services import Services, suite
from security.world import World

from crm_kit.access import Access

pytestmark = pytest.mark.slow

CASES = 10_000
AREAS: list[tuple[ModuleType, float]] = [
    *((reading, 12), (figures, 3), (writing, 10), (picking, 3), (fields, 8), (leaving, 2)),
    *((around, 3), (drawing, 1.5), (days, 1), (acts, 0.6), (merges, 1), (files, 0.5)),
    *((pooled, 4), (care, 1), (graded, 2), (register, 1)),
]
"""What is asked about, and how often beside the others: what costs much, seldom."""
SHOWN_BY: dict[type[Oracle], list[tuple[ModuleType, float]]] = {
    broken.EverySum: [(graded, 1)],
    broken.OpenPools: [(pooled, 2), (reading, 1)],
    broken.NobodyIsNamed: [(days, 1)],
}
"""Where a rule shows that few surfaces know: asked elsewhere, it might not come up among a few thousand cases."""
EXPECTED = {
    *("read", "list", "recycle bin", "search", "count", "briefs", "changes", "actions"),
    *("timeline", "overview", "explain"),
    *("groups", "sums", "report", "event", "picker", "import"),
    *("field", "field given", "field in changes", "reveal", "export", "print"),
    *(f"verb {v}" for v in ("update", "assign", "delete", "restore", "win", "lose", "reopen", "archive", "handle")),
    *(f"verb {v}" for v in ("feedBack", "complete", "cancel", "approve", "return", "checkIn", "comment", "postpone")),
    *(f"verb {v}" for v in ("confirm", "skip")),
    *("standings", "overruling", "behaviour", "behaviour told", "figures", "map", "duplicates", "clusters"),
    *("calendar", "route", "statistics", "bulk", "undo", "job", "act", "job file"),
    *("pool", "field in pool", "pool moves", "merge", "field in merge", "import job", "care", "field in care"),
    *("scores", "segment", "pyramid", "register", "field in takeovers"),
}
"""Surfaces that must have been asked."""


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with suite(tmp_path_factory.mktemp("suite")) as running:
        yield running


@dataclass(frozen=True, slots=True)
class House:
    """A small company that has moved in, and the oracle that is right about it."""

    made: World
    right: Oracle


@pytest.fixture(scope="module")
def house(services: Services) -> House:
    """The same for all who are wrong about it: it is kept as it is by whoever asks."""
    made = moved_in(services, 7, 0.2)
    return House(made, made.oracle)


def moved_in(services: Services, seed: int, share: float = 1.0, people: int = 40) -> World:
    """A company whose records are made, cared for and graded."""
    made = world.make(seed, people=people)
    company.move_in(services, made, share)
    care.set_up(services, made)
    graded.set_up(services, made)
    services.tell()
    return made


def asked(
    run: Run,
    cases: int,
    findings: int = 40,
    areas: Sequence[tuple[ModuleType, float]] = AREAS,
    surfaces: Collection[str] = (),
) -> Run:
    """Ask until there are so many cases and all surfaces were asked, or so many findings that the rest would say the
    same; twice as many at most."""
    modules, weights = zip(*areas, strict=True)
    while run.cases.total() < cases or (not {*surfaces} <= set(run.cases) and run.cases.total() < 2 * cases):
        if len(run.findings) >= findings:
            break
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
    run = asked(Run(moved_in(services, 2026), services), CASES, surfaces=EXPECTED)

    measured(run.report())
    assert not run.findings, told(run)
    assert set(run.cases) >= EXPECTED, EXPECTED - set(run.cases)


@pytest.mark.figure("R40")
@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 11))
def test_ten_companies_more(services: Services, measured: Callable[[str], None], seed: int) -> None:
    run = asked(Run(moved_in(services, seed, people=60), services), CASES)

    measured(f"seed {seed}: {run.report()}")
    assert not run.findings, told(run)


@pytest.mark.figure("R40")
@pytest.mark.parametrize("wrong", broken.ORACLES)
def test_an_oracle_that_forgets_a_rule_is_contradicted(services: Services, house: House, wrong: type[Oracle]) -> None:
    right, made = house.right, house.made
    made.oracle = wrong(right.people.values(), right.departments, right.managers, right.tops)
    made.oracle.pools = right.pools

    run = asked(Run(made, services), 3000, findings=1, areas=SHOWN_BY.get(wrong, AREAS))

    assert run.findings


@pytest.mark.figure("R40")
def test_an_oracle_that_shows_parts_of_what_is_deleted_is_contradicted(
    services: Services, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, made.oracle = house.made, house.right
    company.refresh(services, *made.records["task"])
    for task in [t for t in made.records["task"] if not t.deleted][::2]:
        assert services.ask(made.boss, "DeleteTask", id=task.id, etag=str(task.version)).code == "OK"
        company.refresh(services, task)
    monkeypatch.setattr(oracle, "GOES_ALONG", frozenset())

    run = asked(Run(made, services), 2000, findings=1, areas=[(reading, 1)])

    assert run.findings


@pytest.mark.figure("R40")
@pytest.mark.parametrize(
    ("area", "name", "wrong"),
    [
        (drawing, "customer.duplicates.checking.readable", broken.every_candidate),
        (drawing, "customer.relationships.around._seen", broken.every_neighbour),
        (graded, "customer.sight.Sight.sees", broken.every_figure),
        (graded, "customer.value.history.seen_in_full", broken.every_figure),
        (register, "customer.register.takeovers._cut", broken.every_fact),
    ],
)
def test_a_product_that_shows_what_lies_beside_is_found_out(
    services: Services,
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    area: ModuleType,
    name: str,
    wrong: Any,
) -> None:
    made, made.oracle = house.made, house.right
    assert not asked(Run(made, services), 50, findings=1, areas=[(area, 1)]).findings
    monkeypatch.setattr(name, wrong)

    run = asked(Run(made, services), 1000, findings=1, areas=[(area, 1)])

    assert LEAK in {f.what for f in run.findings}


@pytest.mark.figure("R40")
@pytest.mark.parametrize(("name", "wrong"), [("may", broken.every_right), ("_compute", broken.every_record)])
def test_a_product_that_reaches_too_far_is_found_out(
    services: Services, monkeypatch: pytest.MonkeyPatch, name: str, wrong: Callable[..., Any]
) -> None:
    made = moved_in(services, 8, 0.2)
    monkeypatch.setattr(Access, name, wrong)
    services.forget()

    run = asked(Run(made, services), 1000, findings=20)

    assert LEAK in {f.what for f in run.findings}


def test_the_same_seed_makes_the_same_company() -> None:
    def told_of(made: World) -> list[object]:
        people = [(p.name, p.manager, p.department, [r.code for r in p.roles]) for p in made.people]
        return [
            made.departments,
            made.managers,
            people,
            [(r.code, r.rights, r.scopes, r.field_rules) for r in made.roles],
        ]

    assert told_of(world.make(5)) == told_of(world.make(5))
    assert told_of(world.make(5)) != told_of(world.make(6))
