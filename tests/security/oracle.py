"""Who may do what, on which records, with which fields: told a second time, from the written rules alone.

Nothing of the product is imported here or in `facts.py`, and nothing is clever: an answer walks over people and
records. The product answers the same questions in SQL; where the two differ, one of them is wrong. Every answer has its
reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from security.facts import Person, Pool, Record, Role, Scope

HIDDEN, MASKED, READ_ONLY, REQUIRED, OPTIONAL = "hidden", "masked", "read_only", "required", "optional"
OPENNESS = (HIDDEN, MASKED, READ_ONLY, REQUIRED, OPTIONAL)
"""From the most closed to the most open."""

CREATOR_SEES = frozenset({"service_request", "task"})
"""Who made one reaches it, whoever's it is."""
CREATOR_STANDS_IN = frozenset({"service_request"})
"""As long as it is nobody's, whoever reaches what its creator has reaches it."""
GIVEN_TO_ANYBODY = frozenset({"task"})
"""May be given to people whose records the giver does not reach."""
OF_EVERYBODY = frozenset({"behaviour_tag_rule"})
"""Nobody's, so no scope bounds them: whoever has the right has it on all."""
OWNED_PARTS = frozenset({"visit"})
"""Parts that somebody has besides: they are reached through what they belong to, and through whoever has them."""
GOES_ALONG = frozenset({"task_comment", "customer_event_participant", "duplicate_dismissal", "occasion", "care_item"})
"""Lie in the recycle bin with what they belong to, for everybody and every purpose."""
TEAM_READS = frozenset({"read", "export", "print"})
"""What whoever is in a record's team may do with it, if a role gives the right."""
SCOPE_ALONE = frozenset({"delete", "assign"})
"""What no team gives: that is for those in whose scope the record lies. A member who may write may do the rest."""

POOL_GIVES = frozenset({"read", "export", "print"})
"""What membership in a public pool gives, if a role gives the right: to look."""

POOL_BRIEF = frozenset(
    {
        *("id", "number", "name", "short_name", "pinyin", "kind", "type", "level", "relation", "industry", "country"),
        *("province", "city", "region", "source", "scale", "owner_id", "department_id", "last_contact_time"),
        *("create_time", "update_time"),
    }
)
"""What members are told of a customer in a pool whose views are limited before they open it; no pool hides it."""

ALLOWED, NO_RIGHT, NOT_THERE = "OK", "PERMISSION_DENIED", "NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Answer:
    """May it be, how is it refused, and why."""

    code: str
    why: str

    @property
    def yes(self) -> bool:
        return self.code == ALLOWED


class Oracle:
    """Answers about one organisation, which stays as it is: what follows from it alone is worked out once."""

    def __init__(self, people: Iterable[Person], departments: dict[str, str | None], tops: dict[str, str]) -> None:
        """`departments`: id → the one above. `tops`: type of a part → type of what it belongs to in the end."""
        self.people = {p.id: p for p in people}
        self.departments = departments
        self.tops = tops
        self.pools: list[Pool] = []
        """The pools in use."""
        self._held: dict[tuple[str, str], Answer] = {}
        self._reached: dict[tuple[str, str, str], frozenset[str] | None] = {}
        self._homes: dict[tuple[str, str, str], frozenset[str]] = {}

    # The first question

    def may(self, person: Person, right: str) -> Answer:
        """Whether a person has a right: by a role or a grant that still holds, and no denial takes it away."""
        if (person.id, right) not in self._held:
            self._held[person.id, right] = self._may(person, right)
        return self._held[person.id, right]

    def _may(self, person: Person, right: str) -> Answer:
        grants = [g for g in person.grants if _holds_now(g.until)]
        for grant in grants:
            if grant.denied and _covers(grant.right, right):
                return Answer(NO_RIGHT, f"{right} is denied to {person.name} in person ({grant.right})")
        for role in person.roles:
            if any(_covers(given, right) for given in role.rights):
                return Answer(ALLOWED, f"role {role.code} gives {right}")
        for grant in grants:
            if not grant.denied and _covers(grant.right, right):
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
            self._homes[key] = frozenset(d for s in scopes for d in self._places(person, s))
        return self._homes[key]

    def _scopes(self, person: Person, right: str, resource: str) -> list[Scope]:
        """Of the roles that give the right; of all, where it is given to the person alone."""
        giving = [r for r in person.roles if any(_covers(given, right) for given in r.rights)]
        found: list[Scope] = []
        for role in giving or person.roles:
            named = [s for s in role.scopes if s.resource == resource]
            found += named or [s for s in role.scopes if s.resource == "*"]
        return found

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

    def _line(self, department: str) -> list[str]:
        """A department and all above it."""
        line = [department]
        while (above := self.departments.get(line[-1])) is not None:
            line.append(above)
        return line

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
            return _all(self.in_scope(person, right, end, resource) for end in record.ends)
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

    def _in_team(self, person: Person, action: str, record: Record) -> Answer | None:
        for member in record.top.team:
            if member.person != person.id or not _holds_now(member.until):
                continue
            if action in TEAM_READS or (action not in SCOPE_ALONE and member.access == "write"):
                return Answer(ALLOWED, f"{person.name} is in the team of the {record.top.type} ({member.access})")
        return None

    def _in_pool(self, person: Person, action: str, record: Record) -> Answer | None:
        """Whether a person looks at a record as a member of the pool in which it lies. A part may be hidden there, or
        be shown only to who opened the record."""
        pool = record.top.pool
        if pool is None or action not in POOL_GIVES or not self.is_member(person, pool):
            return None
        unopened = pool.views is not None and (person.id, pool.id) not in record.top.opened
        if record.parent is not None and (record.type in pool.hidden or unopened):
            return None
        return Answer(ALLOWED, f"{person.name} is a member of the pool in which the {record.top.type} lies")

    def is_member(self, person: Person, pool: Pool) -> bool:
        """Whether a person belongs to a pool: by name, by department or one above it, by a role, by administering."""
        line = self._line(person.department) if person.department in self.departments else []
        codes = {role.code for role in person.roles}
        return bool(person.id in pool.people | pool.administrators or pool.departments & {*line} or pool.roles & codes)

    def kept(self, person: Person, record: Record, name: str, *, comparing: bool = False) -> bool:
        """Whether the pool in which a customer lies keeps a field from a person who looks at it as a member.

        Nobody compares by what a pool shows only after opening. Who reaches every customer anyway sees all of it.
        """
        pool = record.pool
        if pool is None or not self.is_member(person, pool) or self.owners(person, "customer.read", "customer") is None:
            return False
        if name in pool.hidden:
            return True
        unopened = comparing or (person.id, pool.id) not in record.opened
        return pool.views is not None and unopened and name not in POOL_BRIEF

    def reaches(self, person: Person, right: str, record: Record) -> Answer:
        """Whether a right that a person has holds on a record: by a scope, the record's team or its pool.

        Of a tie each end is reached in its own way.
        """
        if record.type in GOES_ALONG and _above_is_gone(record):
            return Answer(NOT_THERE, f"what the {record.type} belongs to is deleted")
        if record.ends:
            return _all(self.reaches(person, right, Record(record.type, "", parent=end)) for end in record.ends)
        answer, action = self.in_scope(person, right, record), right.partition(".")[2]
        if answer.yes:
            return answer
        return self._in_team(person, action, record) or self._in_pool(person, action, record) or answer

    def may_read(self, person: Person, right: str, record: Record) -> Answer:
        """Whether a person may read by a right: right, then scope, then team. What is out of reach is not there."""
        answer = self.may(person, right)
        return self.reaches(person, right, record) if answer.yes else answer

    def may_do(self, person: Person, right: str, record: Record) -> Answer:
        """Whether a person may change a record by a right. Who sees it through its team is told what a team gives."""
        answer = self.may_read(person, right, record)
        if answer.code != NOT_THERE or is_gone(record):
            return answer
        return self._beyond_team(person, right, record) or answer

    def _beyond_team(self, person: Person, right: str, record: Record) -> Answer | None:
        action = right.partition(".")[2]
        if not self.may(person, f"{record.type}.read").yes:
            return None
        if self._by_team(person, record):
            return Answer(NO_RIGHT, f"{person.name} sees it through the team of the {record.top.type}: no {action}")
        ends = [Record(record.type, "", parent=end) for end in record.ends]
        if all(self._in_pool(person, "read", end) for end in ends or (record,)):
            return Answer(NO_RIGHT, f"{person.name} sees the {record.top.type} as a member of its pool: no {action}")
        return None

    def _by_team(self, person: Person, record: Record) -> bool:
        """Whether a team shows a person the record; of a tie, whether by scopes alone it would not be seen."""
        if not record.ends:
            return self._in_team(person, "read", record) is not None
        if all(self._in_team(person, "read", end) for end in record.ends):
            return True
        read = f"{record.type}.read"
        return self.reaches(person, read, record).yes and not self.in_scope(person, read, record).yes

    def part_below(self, person: Person, right: str, record: Record) -> Answer:
        """Whether a right to make parts, which a person has, holds below a record."""
        answer = self.reaches(person, right, record)
        if answer.yes:
            return answer
        return self._beyond_team(person, right, record) or Answer("INVALID_ARGUMENT", answer.why)

    def sees(self, person: Person, record: Record) -> Answer:
        """Whether a person may read a living record, and so find, count and point at it."""
        answer = self.may_read(person, f"{record.type}.read", record)
        return Answer(NOT_THERE, f"{record.type} is deleted") if answer.yes and is_gone(record) else answer

    def brief(self, person: Person, customer: Record) -> Answer:
        """Whether a person knows of a customer in brief: a right and a scope of their own; the team knows it anyway."""
        right = "customer_brief.read"
        answer = self.may(person, right)
        if not answer.yes:
            return answer
        answer = self.in_scope(person, right, customer, "customer_brief")
        known = self._in_team(person, "read", customer) or self._in_pool(person, "read", customer)
        return answer if answer.yes else known or answer

    def points_at(self, person: Person, customer: Record) -> Answer:
        """Whether another service's record may point at a customer that a person reads: not if only a pool shows it."""
        answer = self.sees(person, customer)
        if not answer.yes:
            return answer
        right = "customer.read"
        alone = self.in_scope(person, right, customer)
        return alone if alone.yes else self._in_team(person, "read", customer) or alone

    def may_give(self, person: Person, right: str, record_type: str, to: str | None, department: str | None) -> Answer:
        """Whether a person with the right to assign may give a record of this type to somebody, or a department."""
        owners = self.owners(person, right, record_type)
        if owners is None or (to is not None and record_type in GIVEN_TO_ANYBODY):
            return Answer(ALLOWED, f"{right} gives to everybody")
        if to is not None and to in owners:
            return Answer(ALLOWED, f"{self._name(to)} is in the scope of {right}")
        if to is None and department in self.places(person, right, record_type):
            return Answer(ALLOWED, f"the department is in the scope of {right}")
        return Answer("INVALID_ARGUMENT", f"{self._name(to)} is outside the scope of {right}")

    # The third question

    def shows(self, person: Person, record: Record, name: str) -> str:
        """How open a field of a record is: what its pool keeps is hidden."""
        hidden = record.type == "customer" and self.kept(person, record, name)
        return HIDDEN if hidden else self.level(person, record.type, name, record.state)

    def level(self, person: Person, record_type: str, name: str, state: str | None) -> str:
        """How open a field is: the most open over the roles that give the right to read."""
        right = f"{record_type}.read"
        giving = [r for r in person.roles if any(_covers(given, right) for given in r.rights)] or list(person.roles)
        levels = [self._of_role(role, record_type, name, state) for role in giving]
        return max(levels, key=OPENNESS.index, default=OPTIONAL)

    def _of_role(self, role: Role, record_type: str, name: str, state: str | None) -> str:
        """What one role says: a rule for the state beats one for all states; without a rule it is optional.

        Of two rules that say the same the stricter one counts.
        """
        rules = [r for r in role.field_rules if (r.resource, r.field) == (record_type, name)]
        special = [r.level for r in rules if state is not None and state in r.states]
        general = [r.level for r in rules if not r.states]
        return min(special or general, key=OPENNESS.index, default=OPTIONAL)

    def levels(self, person: Person, record_type: str, name: str, states: Iterable[str]) -> set[str]:
        """How open a field is over all states a record may be in."""
        return {self.level(person, record_type, name, state) for state in [*states] or [None]}

    def compares(self, person: Person, record_type: str, name: str, states: Iterable[str]) -> bool:
        """Whether a person may filter, sort, group and search by a field: not if it is veiled in any state."""
        return not self.levels(person, record_type, name, states) & {HIDDEN, MASKED}

    def all_of(self, person: Person, resource: str) -> bool:
        """Whether a person reads what hangs on customers (their ledger, behaviour …) of every customer that they read:
        what is counted or computed of it tells nothing new."""
        right = f"{resource}.read"
        if not self.may(person, right).yes:
            return False
        theirs, mine = (self.owners(person, r, "customer") for r in ("customer.read", right))
        if mine is None:
            return True
        places = self.places(person, right, "customer") >= self.places(person, "customer.read", "customer")
        closed = any(p.views is not None or resource in p.hidden for p in self.pools if self.is_member(person, p))
        return theirs is not None and mine >= theirs and places and not closed

    def everywhere(self, person: Person, name: str, states: Iterable[str]) -> bool:
        """Whether a person sees a field in full of every customer that they read, also of those in pools."""
        if not self.compares(person, "customer", name, states):
            return False
        return self.owners(person, "customer.read", "customer") is None or not any(
            name in p.hidden or (p.views is not None and name not in POOL_BRIEF)
            for p in self.pools
            if self.is_member(person, p)
        )

    def details(self, person: Person) -> bool:
        """Whether more than the brief is told to a person of every customer that they read."""
        limited = any(p.views is not None for p in self.pools if self.is_member(person, p))
        return not limited or self.owners(person, "customer.read", "customer") is None

    def _name(self, person_id: str | None) -> str:
        return self.people[person_id].name if person_id in self.people else "nobody"


def is_gone(record: Record) -> bool:
    """Whether a record lies in the recycle bin, by itself or with what it belongs to."""
    return record.deleted or (record.type in GOES_ALONG and _above_is_gone(record))


def _above_is_gone(record: Record) -> bool:
    return any(is_gone(r) for r in (record.parent, *record.ends) if r is not None)


def _all(answers: Iterable[Answer]) -> Answer:
    """The first that is no, else the last."""
    answer = Answer(NOT_THERE, "it ties nothing")
    for answer in answers:
        if not answer.yes:
            break
    return answer


def _covers(given: str, right: str) -> bool:
    """`*` is everything, `customer.*` everything with customers."""
    return given in ("*", right, f"{right.partition('.')[0]}.*")


def _holds_now(until: datetime | None) -> bool:
    return until is None or until > datetime.now(UTC)
