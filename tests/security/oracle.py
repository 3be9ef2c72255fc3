"""Who may do what, on which records, with which fields: told a second time, from the written rules alone.

Nothing of the product is imported here, in `scopes.py` or in `facts.py`, and nothing is clever: an answer walks over
people and records. The product answers the same questions in SQL; where the two differ, one of them is wrong. Every
answer has its reason.
"""

from __future__ import annotations

from collections.abc import Iterable

from security.facts import Person, Pool, Record, Role
from security.scopes import ALLOWED, NO_RIGHT, NOT_THERE, Answer, Scopes, holds_now, together

HIDDEN, MASKED, READ_ONLY, REQUIRED, OPTIONAL = "hidden", "masked", "read_only", "required", "optional"
OPENNESS = (HIDDEN, MASKED, READ_ONLY, REQUIRED, OPTIONAL)
"""From the most closed to the most open."""
GIVEN_TO_ANYBODY = frozenset({"task"})
"""May be given to people whose records the giver does not reach."""
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


class Oracle(Scopes):
    """Answers with teams and pools, about fields, and about what is computed of them."""

    def _in_team(self, person: Person, action: str, record: Record) -> Answer | None:
        for member in record.top.team:
            if member.person != person.id or not holds_now(member.until):
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
            return together(self.reaches(person, right, Record(record.type, "", parent=end)) for end in record.ends)
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

    def sees_details(self, person: Person, record: Record) -> Answer:
        """Whether a person is told what stands beside a record, as its history: where its pool counts views, only once
        they opened it."""
        answer = self.sees(person, record)
        if not answer.yes or record.pool is None:
            return answer
        return self.may_read(person, f"{record.type}.read", Record(record.type, "", parent=record))

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
        levels = [self._of_role(r, record_type, name, state) for r in self.giving(person, f"{record_type}.read")]
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
        """Whether a person reads what hangs on customers (their ledger, behaviour …) of every customer that they read,
        but for what pools keep: who asks by it is told nothing new."""
        right = f"{resource}.read"
        if not self.may(person, right).yes:
            return False
        theirs, mine = (self.owners(person, r, "customer") for r in ("customer.read", right))
        if mine is None:
            return True
        places = self.places(person, right, "customer") >= self.places(person, "customer.read", "customer")
        return theirs is not None and mine >= theirs and places

    def reads_below(self, person: Person, record: Record, resource: str) -> bool:
        """Whether a person reads what hangs on a customer (its ledger, behaviour …)."""
        right = f"{resource}.read"
        return self.may(person, right).yes and self.reaches(person, right, Record(resource, "", parent=record)).yes

    def limited(self, person: Person, record: Record) -> bool:
        """Whether a customer lies in a pool that tells a person no more than the brief before it is opened."""
        return self.kept(person, record, "what no brief tells", comparing=True)


def is_gone(record: Record) -> bool:
    """Whether a record lies in the recycle bin, by itself or with what it belongs to."""
    return record.deleted or (record.type in GOES_ALONG and _above_is_gone(record))


def _above_is_gone(record: Record) -> bool:
    return any(is_gone(r) for r in (record.parent, *record.ends) if r is not None)
