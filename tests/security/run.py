"""A run of generated cases: each asks the product something as somebody and compares with what the oracle says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from security.facts import Person, Record
from security.kinds import Kind
from security.scopes import ALLOWED, NOT_THERE, Answer
from security.services import GRPC, HTTP, Outcome, Services
from security.world import World

LEAK, WRONG_REFUSAL = "leak", "wrong refusal"
FINDINGS = 40
"""More than these are not told: the first few say what is wrong."""


@dataclass(slots=True)
class Finding:
    """One case in which the product and the oracle differ."""

    what: str
    surface: str
    lines: list[str]

    def __str__(self) -> str:
        return "\n    ".join([f"{self.what} at {self.surface}", *self.lines])


@dataclass(slots=True)
class Run:
    """What was asked so far, and where the product was wrong."""

    world: World
    services: Services
    cases: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    given: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Person → records that somebody else gave them since the run began, and how often."""
    did: Counter[str] = field(default_factory=Counter)
    """Customer → how much of its behaviour was told."""

    def over(self) -> str:
        """By which way the next request goes."""
        return HTTP if self.world.chance.random() < 0.4 else GRPC

    def ask(self, who: Person, rpc: str, **fields: Any) -> Outcome:
        return self.services.ask(who, rpc, self.over(), **fields)

    def case(self, surface: str) -> None:
        self.cases[surface] += 1

    def answer(
        self, surface: str, who: Person, record: Record | None, expected: Answer, outcome: Outcome, asked: str = ""
    ) -> bool:
        """One answer is as the oracle says; whether it was, and was a yes."""
        self.case(surface)
        if outcome.code == expected.code:
            return expected.yes
        leak = not expected.yes and (outcome.code == ALLOWED or expected.code == NOT_THERE)
        self.find(
            LEAK if leak else WRONG_REFUSAL,
            surface,
            who,
            record,
            f"asked     {asked or surface}",
            f"expected  {expected.code}: {expected.why}",
            f"happened  {outcome.code} {outcome.said} {outcome.fields or ''}",
        )
        return False

    def one_of(
        self, surface: str, who: Person, record: Record, refusals: list[Answer], outcome: Outcome, asked: str
    ) -> bool:
        """One answer where several things may be refused at once: with any of the reasons, or a yes without one."""
        expected = next(
            (a for a in refusals if a.code == outcome.code), next(iter(refusals), Answer(ALLOWED, "all of it"))
        )
        return self.answer(surface, who, record, expected, outcome, asked)

    def same(
        self,
        surface: str,
        who: Person,
        expected: Iterable[Record],
        found: Sequence[str],
        asked: str,
        why: Callable[[Record], Answer] | None = None,
    ) -> bool:
        """A set of records is as the oracle says, none of them twice."""
        self.case(surface)
        wanted = {r.id: r for r in expected}
        extra, missing = set(found) - set(wanted), set(wanted) - set(found)
        if len(found) == len(wanted) and not extra and not missing:
            return True
        one = next(iter(extra or missing), found[0] if found else "")
        record = wanted.get(one) or next((r for rs in self.world.records.values() for r in rs if r.id == one), None)
        reason = (why or (lambda r: self.world.oracle.sees(who, r)))(record) if record else None
        self.find(
            LEAK if extra else WRONG_REFUSAL,
            surface,
            who,
            record,
            f"asked     {asked}",
            f"expected  {len(wanted)} records; of this one: {reason and f'{reason.code}, {reason.why}'}",
            f"happened  {len(found)} records, {len(extra)} too many, {len(missing)} too few",
        )
        return False

    def equal(self, surface: str, who: Person, expected: Any, found: Any, asked: str) -> bool:
        """Figures are as the oracle's sum over what the person sees."""
        self.case(surface)
        if expected == found:
            return True
        if isinstance(expected, dict) and isinstance(found, dict):
            keys = {k for k in {*expected, *found} if expected.get(k) != found.get(k)}
            expected, found = ({k: side.get(k) for k in keys} for side in (expected, found))
        self.find(LEAK, surface, who, None, f"asked     {asked}", f"expected  {expected}", f"happened  {found}")
        return False

    def find(self, what: str, surface: str, who: Person, record: Record | None, *lines: str) -> None:
        about = [f"seed      {self.world.seed}", *_person(self, who), *([_record(self, record)] if record else [])]
        self.findings.append(Finding(what, surface, [*about, *lines]))

    def report(self) -> str:
        """How it went, in one line; then the first findings."""
        leaks = sum(f.what == LEAK for f in self.findings)
        surfaces = ", ".join(f"{name} {count:,}" for name, count in sorted(self.cases.items()))
        told = f"{self.cases.total():,} cases, {leaks} leaks, {len(self.findings) - leaks} wrong refusals"
        return f"{told}; surfaces: {surfaces}"

    def may_compare(self, who: Person, kind: Kind, *names: str) -> Answer:
        """Whether a person may list by these fields, empty ones aside: the right, then none of them veiled."""
        answer = self.world.oracle.may(who, f"{kind.type}.read")
        veiled = [n for n in names if n and not self.world.oracle.compares(who, kind.type, n, kind.states)]
        return Answer("INVALID_ARGUMENT", f"{veiled} are veiled") if answer.yes and veiled else answer

    def sees(self, who: Person, *types: str) -> list[Record]:
        """The living records of these types that a person sees."""
        return [r for r in self.world.of(*types) if self.world.oracle.sees(who, r).yes]


def _person(run: Run, who: Person) -> list[str]:
    told = [f"person    {who.name} ({who.id}), {_place(run, who.department)}, below {_name(run, who.manager)}"]
    for role in who.roles:
        scopes = ", ".join(
            f"{s.resource}={s.kind}" + "".join(f" {_place(run, d)}" for d in sorted(s.departments)) for s in role.scopes
        )
        told.append(f"role      {role.code}: {scopes}")
        told.append(f"            {' '.join(sorted(role.rights))}")
    told += [f"grant     {'not ' if g.denied else ''}{g.right} until {g.until or 'ever'}" for g in who.grants]
    return told


def _record(run: Run, record: Record) -> str:
    top = record.top
    state = f", {record.state}" if record.state else ""
    gone = ", deleted" if record.deleted else ""
    whose = f"of {_name(run, top.owner)}, {_place(run, top.department)}, made by {_name(run, top.creator)}"
    members = ", ".join(f"{_name(run, m.person)} {m.access} until {m.until or 'ever'}" for m in top.team)
    team = f", team: {members}" if members else ""
    team += f", in pool {top.pool.id}" if top.pool else ""
    part = f" (part of {top.type} {top.id})" if top is not record else ""
    return f"record    {record.type} {record.id}{part}, {whose}{state}{gone}{team}"


def _name(run: Run, person_id: str | None) -> str:
    return run.world.oracle.people[person_id].name if person_id in run.world.oracle.people else "nobody"


def _place(run: Run, department: str | None) -> str:
    departments = list(run.world.departments)
    return f"department {departments.index(department)}" if department in departments else "no department"
