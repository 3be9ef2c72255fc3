"""The first two questions of the oracle: which rights somebody has, and whose records a scope reaches.

Nothing of the product is imported, and nothing is clever: an answer walks over people and records.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from security.facts import Person, Pool, Record, Role, Scope

CREATOR_SEES = frozenset({"service_request", "task"})
"""Who made one reaches it, whoever's it is."""
CREATOR_STANDS_IN = frozenset({"service_request"})
"""As long as it is nobody's, whoever reaches what its creator has reaches it."""
OF_EVERYBODY = frozenset({"behaviour_tag_rule"})
"""Nobody's, so no scope bounds them: whoever has the right has it on all."""
OWNED_PARTS = frozenset({"visit"})
"""Parts that somebody has besides: they are reached through what they belong to, and through whoever has them."""

ALLOWED, NO_RIGHT, NOT_THERE = "OK", "PERMISSION_DENIED", "NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Answer:
    """May it be, how is it refused, and why."""

    code: str
    why: str

    @property
    def yes(self) -> bool:
        return self.code == ALLOWED


class Scopes:
    """Answers about one organisation, which stays as it is: what follows from it alone is worked out once."""

    def __init__(
        self,
        people: Iterable[Person],
        departments: dict[str, str | None],
        managers: dict[str, str],
        tops: dict[str, str],
    ) -> None:
        """`departments`: id → the one above. `managers`: department → who manages it. `tops`: type of a part → type of
        what it belongs to in the end."""
        self.people = {p.id: p for p in people}
        self.departments = departments
        self.managers = managers
        self.tops = tops
        self.pools: list[Pool] = []
        """The pools in use."""
        self._held: dict[tuple[str, str], Answer] = {}
        self._giving: dict[tuple[str, str], Sequence[Role]] = {}
        self._reached: dict[tuple[str, str, str], frozenset[str] | None] = {}
        self._homes: dict[tuple[str, str, str], frozenset[str]] = {}

    # The first question

    def may(self, person: Person, right: str) -> Answer:
        """Whether a person has a right: by a role or a grant that still holds, and no denial takes it away."""
        if (person.id, right) not in self._held:
            self._held[person.id, right] = self._may(person, right)
        return self._held[person.id, right]

    def _may(self, person: Person, right: str) -> Answer:
        grants = [g for g in person.grants if holds_now(g.until)]
        for grant in grants:
            if grant.denied and covers(grant.right, right):
                return Answer(NO_RIGHT, f"{right} is denied to {person.name} in person ({grant.right})")
        for role in person.roles:
            if any(covers(given, right) for given in role.rights):
                return Answer(ALLOWED, f"role {role.code} gives {right}")
        for grant in grants:
            if not grant.denied and covers(grant.right, right):
                return Answer(ALLOWED, f"{right} is granted to {person.name} in person ({grant.right})")
        return Answer(NO_RIGHT, f"no role and no grant of {person.name} gives {right}")

    # The second question

    def owners(self, person: Person, right: str, resource: str) -> frozenset[str] | None:
        """Whose records of a resource a right holds on; None is everybody's."""
        key = (person.id, right, resource)
        if key not in self._reached:
            self._reached[key] = self._owners(person, right, resource)
        return self._reached[key]

    def _owners(self, person: Person, right: str, resource: str) -> frozenset[str] | None:
        found = {person.id}
        for scope in self._scopes(person, right, resource):
            if scope.kind == "all":
                return None
            if scope.kind == "subordinates":
                found |= {p.id for p in self.people.values() if self.is_below(p, person)}
            places = self._places(person, scope)
            found |= {p.id for p in self.people.values() if p.department in places}
        return frozenset(found)

    def places(self, person: Person, right: str, resource: str) -> frozenset[str]:
        """The departments whose ownerless records a right holds on, where it does not hold on all."""
        key = (person.id, right, resource)
        if key not in self._homes:
            scopes = self._scopes(person, right, resource)
            self._homes[key] = frozenset(d for s in scopes for d in self._places(person, s) | self._managed(person, s))
        return self._homes[key]

    def _scopes(self, person: Person, right: str, resource: str) -> list[Scope]:
        """What the roles say that give the right."""
        found: list[Scope] = []
        for role in self.giving(person, right):
            named = [s for s in role.scopes if s.resource == resource]
            found += named or [s for s in role.scopes if s.resource == "*"]
        return found

    def giving(self, person: Person, right: str) -> Sequence[Role]:
        """The roles that give a right; all of them, where it is given to the person alone."""
        key = (person.id, right)
        if key not in self._giving:
            giving = [r for r in person.roles if any(covers(given, right) for given in r.rights)]
            self._giving[key] = giving or person.roles
        return self._giving[key]

    def _places(self, person: Person, scope: Scope) -> set[str]:
        if scope.kind == "chosen":
            return set(scope.departments)
        if person.department is None:
            return set()
        if scope.kind == "department":
            return {person.department}
        if scope.kind == "department_tree":
            return {d for d in self.departments if person.department in self._line(d)}
        return set()

    def _managed(self, person: Person, scope: Scope) -> set[str]:
        """Departments of which "oneself and below" reaches what is nobody's: those that a person manages, and below."""
        if scope.kind != "subordinates":
            return set()
        return {d for d in self.departments if any(self.managers.get(above) == person.id for above in self._line(d))}

    def _line(self, department: str) -> list[str]:
        """A department and all above it."""
        line = [department]
        while (above := self.departments.get(line[-1])) is not None:
            line.append(above)
        return line

    def manages(self, department: str | None) -> Person | None:
        """Who manages a department, or the nearest one above that has a manager."""
        line = self._line(department) if department else []
        return next((self.people[self.managers[d]] for d in line if d in self.managers), None)

    def is_below(self, one: Person, manager: Person) -> bool:
        """Whether somebody stands below a manager in the line of reporting."""
        above = one.manager
        while above is not None:
            if above == manager.id:
                return True
            above = self.people[above].manager if above in self.people else None
        return False

    def in_scope(self, person: Person, right: str, record: Record, resource: str = "") -> Answer:
        """Whether a right holds on a record by what the roles reach. A part lies where its top lies, a tie where
        both of its ends do."""
        if record.type in OF_EVERYBODY:
            return Answer(ALLOWED, f"{record.type} is nobody's")
        if record.ends:
            return together(self.in_scope(person, right, end, resource) for end in record.ends)
        answer = self._lies(person, right, record.top, resource or record.top.type)
        if not answer.yes and record.type in OWNED_PARTS:
            own = self._lies(person, right, record, resource or record.top.type)
            answer = own if own.yes else answer
        if not answer.yes and person.id in record.named | record.top.named:
            return Answer(ALLOWED, f"{person.name} is named on the {record.type}")
        return answer

    def _lies(self, person: Person, right: str, record: Record, resource: str) -> Answer:
        """The same of a record that is somebody's."""
        owners = self.owners(person, right, resource)
        whose = f"{record.type} of {self._name(record.owner)}" if record.owner else f"ownerless {record.type}"
        if owners is None:
            return Answer(ALLOWED, f"{person.name} reaches every {resource} with {right}")
        if record.owner is not None and record.owner in owners:
            return Answer(ALLOWED, f"{whose} lies in the scope of {right}")
        if record.owner is None and record.department in self.places(person, right, resource):
            return Answer(ALLOWED, f"{whose} belongs to a department in the scope of {right}")
        if record.type in CREATOR_SEES and record.creator == person.id:
            return Answer(ALLOWED, f"{person.name} made the {record.type}")
        if record.type in CREATOR_STANDS_IN and record.owner is None and record.creator in owners:
            return Answer(ALLOWED, f"{whose}, made by {self._name(record.creator)}, who is in the scope of {right}")
        return Answer(NOT_THERE, f"{whose} lies outside the scope of {right}: {len(owners)} owners reached")

    def _name(self, person_id: str | None) -> str:
        return self.people[person_id].name if person_id in self.people else "nobody"


def together(answers: Iterable[Answer]) -> Answer:
    """The first that is no, else the last."""
    answer = Answer(NOT_THERE, "it ties nothing")
    for answer in answers:
        if not answer.yes:
            break
    return answer


def covers(given: str, right: str) -> bool:
    """`*` is everything, `customer.*` everything with customers."""
    return given in ("*", right, f"{right.partition('.')[0]}.*")


def holds_now(until: datetime | None) -> bool:
    return until is None or until > datetime.now(UTC)
