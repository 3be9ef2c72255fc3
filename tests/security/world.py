"""A company at random: departments, people, roles and what they own. The same seed makes the same company."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from security.facts import FieldRule, Grant, Member, Person, Pool, Record, Role, Scope
from security.kinds import ACTIONS, KINDS, RESOURCES
from security.oracle import OPENNESS, Oracle

SCOPES = ("self", "subordinates", "department", "department_tree", "chosen", "all")
SCOPED = ["customer", "customer_event", "opportunity", "service_request", "task", "customer_brief"]
"""Resources that a role may have a scope of its own for."""
PROVINCES = ("江苏", "浙江", "广东", "四川")
CITIES = ("苏州", "杭州", "深圳", "成都", "无锡")
WORDS = ("机械", "纺织", "电子", "化工", "物流", "建材", "仪表", "食品")
GIVEN = ("王芳", "李娜", "张伟", "刘洋", "陈静", "杨磊", "赵敏", "黄强")
SIZES = {
    "customer": 300,
    "contact": 250,
    "interaction": 80,
    "trade_entry": 80,
    "demand": 60,
    "relationship": 100,
    "visit": 100,
    "customer_event": 40,
    "customer_event_participant": 80,
    "churn_case": 60,
    "duplicate_dismissal": 40,
    "behaviour_tag_rule": 15,
    "occasion": 40,
    "care_plan": 20,
    "opportunity": 200,
    "service_request": 100,
    "task": 100,
}
FAR = timedelta(days=400)


@dataclass(slots=True)
class World:
    """Who there is and what there is, as plain data."""

    seed: int
    chance: random.Random
    departments: dict[str, str | None]
    managers: dict[str, str]
    """Department → who manages it."""
    people: list[Person]
    roles: list[Role]
    boss: Person
    """May do everything everywhere; makes the records."""
    oracle: Oracle
    records: dict[str, list[Record]] = field(default_factory=lambda: {t: [] for t in KINDS})

    graded: dict[str, Any] = field(default_factory=dict)
    """Segments and snapshots by name, and what customers were graded by when those were made."""
    care_template: str = ""

    def of(self, *types: str) -> list[Record]:
        return [r for t in types for r in self.records[t]]

    def find(self, record_type: str, record_id: str) -> Record | None:
        return next((r for r in self.records[record_type] if r.id == record_id), None)

    def somebody(self) -> Person:
        return self.chance.choice(self.people)

    def something(self, *types: str) -> Record:
        """A record, its type first: there are more of some than of others."""
        return self.chance.choice(self.records[self.chance.choice(types or tuple(KINDS))])

    def two(self, record_type: str, at_most: int = 1000) -> tuple[Record, Record]:
        """Two of the customers that no record of this type ties yet."""
        tied = {frozenset(e.id for e in r.ends) for r in self.records[record_type]}
        while True:
            one, other = self.chance.sample(self.records["customer"][:at_most], 2)
            if {one.id, other.id} not in tied:
                return one, other


def make(seed: int, people: int = 40, *, fields: bool = True, teams: bool = True) -> World:
    """An organisation without records yet, and drafts of what is to be made: `drafts` gives those."""
    chance = random.Random(seed)
    departments: dict[str, str | None] = {}
    for _ in range(12):
        departments[_id(chance)] = chance.choice([None, *departments]) if departments else None
    roles = [_role(chance, number, list(departments), fields) for number in range(chance.randrange(8, 13))]
    roles.append(Role(_id(chance), "everything", frozenset({"*"}), (Scope("*", "all"),)))
    made: list[Person] = []
    for number in range(people):
        above = chance.choice(made).id if made and chance.random() < 0.85 else None
        home = chance.choice([*departments, None])
        count = chance.choices([0, 1, 2, 3], [1, 12, 6, 2])[0]
        given = tuple(chance.sample(roles[:-1], count))
        name = f"{chance.choice(GIVEN)}{number}"
        made.append(Person(_id(chance), name, home, above, given, _grants(chance)))
    boss = Person(_id(chance), "总经理", None, None, (roles[-1],))
    tops = {t: KINDS[k.parent].type for t, k in KINDS.items() if k.parent}
    managers = {d: chance.choice(made).id for d in departments if chance.random() < 0.6}
    everybody = [*made, boss]
    return World(
        seed, chance, departments, managers, everybody, roles, boss, Oracle(everybody, departments, managers, tops)
    )


def _id(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _role(chance: random.Random, number: int, departments: list[str], fields: bool) -> Role:
    rights = set()
    for resource in RESOURCES:
        if chance.random() < 0.08:
            rights.add(f"{resource}.*")
        elif chance.random() < 0.85:
            rights.add(f"{resource}.read")
            rights |= {f"{resource}.{a}" for a in ACTIONS if chance.random() < 0.45}
            if chance.random() < 0.06:
                rights.discard(f"{resource}.read")
    if chance.random() < 0.08:
        rights.add("*")
    named = chance.sample(SCOPED, chance.randrange(4))
    resources = [*(["*"] if chance.random() < 0.9 else []), *named]
    scopes = [_scope(chance, r, departments) for r in resources]
    scopes += [_scope(chance, r, departments) for r in resources if chance.random() < 0.15]
    rules = tuple(_field_rules(chance)) if fields else ()
    return Role(_id(chance), f"role_{number}", frozenset(rights), tuple(scopes), rules)


def _scope(chance: random.Random, resource: str, departments: list[str]) -> Scope:
    kind = chance.choices(SCOPES, [5, 4, 3, 3, 3, 2])[0]
    chosen = frozenset(chance.sample(departments, chance.randrange(1, 4))) if kind == "chosen" else frozenset[str]()
    return Scope(resource, kind, chosen)


def _field_rules(chance: random.Random) -> list[FieldRule]:
    rules = []
    for kind in KINDS.values():
        for name in kind.ruled:
            if chance.random() < 0.35:
                rules.append(FieldRule(kind.type, name, chance.choice(OPENNESS)))
            if kind.states and chance.random() < 0.2:
                states = frozenset(chance.sample(list(kind.states), chance.randrange(1, 3)))
                rules.append(FieldRule(kind.type, name, chance.choice(OPENNESS), states))
    return rules


def _grants(chance: random.Random) -> tuple[Grant, ...]:
    grants = []
    while chance.random() < 0.3:
        resource = chance.choice(RESOURCES)
        right = chance.choice([f"{resource}.{chance.choice(ACTIONS)}", f"{resource}.read", f"{resource}.*"])
        until = chance.choice([None, datetime.now(UTC) + FAR, datetime.now(UTC) - FAR])
        grants.append(Grant(right, chance.random() < 0.45, until))
    return tuple(grants)


def team(world: World) -> tuple[Member, ...]:
    """A few people around a record, some no longer, some for reading only."""
    chance = world.chance
    if chance.random() < 0.6:
        return ()
    now = datetime.now(UTC)
    return tuple(
        Member(p.id, chance.choice(["read", "write"]), chance.choice([None, now + FAR, now - FAR]))
        for p in chance.sample(world.people, chance.randrange(1, 4))
    )


def pool(world: World, hidden: frozenset[str] = frozenset(), views: int | None = None) -> Pool:
    """A public pool without an id yet: a few people, a department, a role, two who administer it."""
    chance = world.chance
    people = frozenset(p.id for p in chance.sample(world.people, 5))
    codes = frozenset({chance.choice(world.roles).code})
    administrators = frozenset(p.id for p in chance.sample(world.people, 2))
    home = frozenset({chance.choice(list(world.departments))})
    return Pool("", people, home, codes, hidden, administrators, views)


def place(world: World) -> tuple[str | None, str | None]:
    """Whose a record is: somebody's, or a department's."""
    if world.chance.random() < 0.8:
        return world.somebody().id, world.chance.choice([None, None, *world.departments])
    return None, world.chance.choice(list(world.departments))
