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
PROVINCES = ("江苏", "浙江", "广东", "四川")
CITIES = ("苏州", "杭州", "深圳", "成都", "无锡")
WORDS = ("机械", "纺织", "电子", "化工", "物流", "建材", "仪表", "食品")
GIVEN = ("王芳", "李娜", "张伟", "刘洋", "陈静", "杨磊", "赵敏", "黄强")
SIZES = {
    "customer": 300,
    "contact": 300,
    "interaction": 100,
    "trade_entry": 100,
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
    people: list[Person]
    roles: list[Role]
    boss: Person
    """May do everything everywhere; makes the records."""
    oracle: Oracle
    records: dict[str, list[Record]] = field(default_factory=lambda: {t: [] for t in KINDS})

    def of(self, *types: str) -> list[Record]:
        return [r for t in types for r in self.records[t]]

    def find(self, record_type: str, record_id: str) -> Record | None:
        return next((r for r in self.records[record_type] if r.id == record_id), None)

    def somebody(self) -> Person:
        return self.chance.choice(self.people)

    def something(self, *types: str) -> Record:
        """A record, its type first: there are more of some than of others."""
        return self.chance.choice(self.records[self.chance.choice(types or tuple(KINDS))])


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
    return World(seed, chance, departments, [*made, boss], roles, boss, Oracle([*made, boss], departments, tops))


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
    named = chance.sample(["customer", "opportunity", "service_request", "task", "customer_brief"], chance.randrange(4))
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


def pool(world: World, hidden: frozenset[str]) -> Pool:
    """A public pool without an id yet: a few people, a department, a role."""
    chance = world.chance
    people = frozenset(p.id for p in chance.sample(world.people, 5))
    codes = frozenset({chance.choice(world.roles).code})
    return Pool("", people, frozenset({chance.choice(list(world.departments))}), codes, hidden)


def place(world: World) -> tuple[str | None, str | None]:
    """Whose a record is: somebody's, or a department's."""
    if world.chance.random() < 0.8:
        return world.somebody().id, world.chance.choice([None, None, *world.departments])
    return None, world.chance.choice(list(world.departments))


def draft(world: World, record_type: str, number: int) -> dict[str, Any]:
    """The fields of one record of a type, as an import takes them."""
    chance = world.chance
    made = {**_DRAFTS[record_type](world, chance, number), "external_id": f"{record_type}-{world.seed}-{number}"}
    if KINDS[record_type].owned:
        owner, department = place(world)
        made |= {k: v for k, v in (("owner_id", owner), ("department_id", department)) if v}
    return made


def _customer(_world: World, chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "name": f"{chance.choice(CITIES)}{chance.choice(WORDS)}{number:04}有限公司",
        "short_name": f"{chance.choice(WORDS)}{number:04}",
        "kind": chance.choice(["organization", "individual"]),
        "province": chance.choice(PROVINCES),
        "city": chance.choice(CITIES),
        "mobile": f"138{chance.randrange(10**8):08}",
        "email": f"c{number}@example.com",
        "bank_account": f"6222{chance.randrange(10**12):012}",
        "annual_revenue": f"{chance.randrange(10**8)}.00",
    }


def _contact(world: World, chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "customer_id": chance.choice(world.records["customer"]).id,
        "name": f"{chance.choice(GIVEN)}{number:04}",
        "mobile": f"139{chance.randrange(10**8):08}",
        "email": f"p{number}@example.com",
        "hobbies": chance.choice(["围棋", "游泳", "书法"]),
        "department": chance.choice(["采购部", "财务部"]),
    }


def _interaction(world: World, chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "customer_id": chance.choice(world.records["customer"]).id,
        "kind": chance.choice(["call", "visit", "mail"]),
        "subject": f"沟通{number:04}",
        "content": f"谈了第{number}次",
        "result": "再联系",
    }


def _trade_entry(world: World, chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "customer_id": chance.choice(world.records["customer"]).id,
        "kind": chance.choice(["order", "receipt"]),
        "date": f"2026-0{chance.randrange(1, 10)}-01",
        "amount": f"{chance.randrange(1, 10**6)}.25",
        "document_number": f"DD{number:04}",
    }


def _opportunity(world: World, chance: random.Random, number: int) -> dict[str, Any]:
    made = {
        "title": f"{chance.choice(WORDS)}商机{number:04}",
        "expected_amount": f"{chance.randrange(1, 10**6)}.50",
        "description": f"第{number}个",
        "prospect_name": f"潜在{number:04}",
        "expected_close_date": "2027-03-01",
    }
    if chance.random() < 0.7:
        made["customer_id"] = chance.choice(world.records["customer"]).id
    end = chance.random()
    if end < 0.25:
        made |= {"state": "won", "won_amount": f"{chance.randrange(1, 10**6)}.25", "close_date": "2026-03-01"}
    elif end < 0.35:
        made |= {"state": "lost", "lost_reason": "price", "close_date": "2026-03-01"}
    return made


def _service_request(world: World, chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "kind": "fault",
        "customer_id": chance.choice(world.records["customer"]).id,
        "summary": f"报修{number:04}",
        "request": f"第{number}号故障",
        "priority": chance.choice(["low", "normal", "high"]),
        "creator_id": world.somebody().id,
    }


def _task(world: World, chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "title": f"任务{number:04}",
        "record_title": f"关于{number:04}",
        "priority": chance.choice(["low", "normal", "high"]),
        "creator_id": world.somebody().id,
        "state": chance.choice(["open", "open", "done", "cancelled"]),
    }


_DRAFTS = {
    "customer": _customer,
    "contact": _contact,
    "interaction": _interaction,
    "trade_entry": _trade_entry,
    "opportunity": _opportunity,
    "service_request": _service_request,
    "task": _task,
}
