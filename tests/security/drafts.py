"""Rows of each record type: the fields of one as an import takes them, or a creation where there is no import."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from security.kinds import KINDS
from security.world import CITIES, GIVEN, PROVINCES, WORDS, World, place

ALIKE = 15
"""Of so many customers one is there twice."""
FIRST_DAY = datetime(2026, 3, 1, 2, tzinfo=UTC)
"""From here on visits are planned: their days have come, so that they can be checked in to."""


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
        "legal_representative": chance.choice(GIVEN),
    }


def _contact(world: World, chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "customer_id": chance.choice(world.records["customer"]).id,
        "name": f"{chance.choice(GIVEN)}{number:04}",
        "mobile": f"139{chance.randrange(10**8):08}",
        "email": f"p{number}@example.com",
        "hobbies": chance.choice(["围棋", "游泳", "书法"]),
        "department": chance.choice(["采购部", "财务部"]),
        "birthday": chance.choice(["1985-06-10", "1990-12-01", "1979-03-08"]),
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


def _demand(world: World, chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "customer_id": chance.choice(world.records["customer"]).id,
        "kind": chance.choice(["information", "advertising"]),
        "description": f"需要{number:04}",
    }


def _relationship(world: World, chance: random.Random, number: int) -> dict[str, Any]:
    """Among a few customers, so that there is something to draw; half of the time between people."""
    one, other = world.two("relationship", 40)
    made = {"from_customer_id": one.id, "to_customer_id": other.id, "kind": "partner", "reason": f"原因{number:04}"}
    people = [[c for c in world.records["contact"] if c.parent is end] for end in (one, other)]
    if all(people) and chance.random() < 0.7:
        ends = [chance.choice(p).id for p in people]
        made |= {"kind": "influences", "from_contact_id": ends[0], "to_contact_id": ends[1]}
    return made


def _visit(world: World, chance: random.Random, number: int) -> dict[str, Any]:
    """Some are gone to by the boss, too, who checks in and reports."""
    return {
        "customer_id": chance.choice(world.records["customer"]).id,
        "subject": f"拜访{number:04}",
        "purpose": f"目的{number:04}",
        "plan_start": FIRST_DAY + timedelta(days=chance.randrange(10), hours=chance.randrange(6)),
        "participant_ids": _some(world, *([world.boss.id] if number % 3 == 0 else [])),
    }


def _customer_event(world: World, chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "title": f"活动{number:04}",
        "kind": chance.choice(["banquet", "gift"]),
        "start_time": FIRST_DAY + timedelta(days=chance.randrange(10)),
        "budget": f"{chance.randrange(1, 10**5)}.00",
        "plan": f"方案{number:04}",
        "place": chance.choice(["湖滨", "会所"]),
        "responsible_ids": _some(world),
    }


def _participant(world: World, chance: random.Random, number: int) -> dict[str, Any]:
    while True:
        event, customer = chance.choice(world.records["customer_event"]), chance.choice(world.records["customer"])
        if not on_list(world, event.id, customer.id):
            break
    return {"event_id": event.id, "customer_id": customer.id, "gift": f"礼品{number:04}"}


def on_list(world: World, event_id: str, customer_id: str) -> bool:
    """Whether a customer is invited already."""
    known = world.records["customer_event_participant"]
    return any((r.values["event_id"], r.values["customer_id"]) == (event_id, customer_id) for r in known)


def _churn_case(world: World, chance: random.Random, number: int) -> dict[str, Any]:
    return {"customer_id": chance.choice(unwarned(world)).id, "warn_note": f"预警{number:04}"}


def unwarned(world: World) -> list[Any]:
    """Customers without a churn case, of which at most one is open."""
    warned = {r.parent.id for r in world.records["churn_case"] if r.parent}
    return [c for c in world.records["customer"] if c.id not in warned]


def _dismissal(world: World, chance: random.Random, number: int) -> dict[str, Any]:
    one, other = world.two("duplicate_dismissal")
    return {"customer_id": one.id, "other_id": other.id, "note": f"不同{number:04}"}


def _tag_rule(_world: World, chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "name": f"规则{number:04}",
        "tag": chance.choice(["活跃", "比价"]),
        "kind": "view",
        "source": chance.choice(["web", "shop"]),
        "at_least": 3,
        "within_days": 30,
    }


def _occasion(world: World, chance: random.Random, number: int) -> dict[str, Any]:
    return {
        "customer_id": chance.choice(world.records["customer"]).id,
        "kind": "promotion",
        "name": f"升职{number:04}",
        "date": "2027-05-01",
        "remarks": f"贺卡{number:04}",
    }


def _care_plan(world: World, _chance: random.Random, number: int) -> dict[str, Any]:
    """One that rests, and proposes nothing."""
    return {
        "name": f"方案{number:04}",
        "occasion": "date",
        "date": "2027-05-01",
        "audience": "contacts",
        "channel": "task",
        "template_id": world.care_template,
        "paused": True,
    }


def _some(world: World, *besides: str) -> list[str]:
    """A few people, or nobody."""
    chosen = world.chance.sample(world.people, world.chance.randrange(1, 3)) if world.chance.random() < 0.5 else []
    return list(dict.fromkeys([*(p.id for p in chosen), *besides]))


DRAFTS: dict[str, Callable[[World, random.Random, int], dict[str, Any]]] = {
    "customer": _customer,
    "contact": _contact,
    "interaction": _interaction,
    "trade_entry": _trade_entry,
    "demand": _demand,
    "relationship": _relationship,
    "visit": _visit,
    "customer_event": _customer_event,
    "customer_event_participant": _participant,
    "churn_case": _churn_case,
    "duplicate_dismissal": _dismissal,
    "behaviour_tag_rule": _tag_rule,
    "occasion": _occasion,
    "care_plan": _care_plan,
    "opportunity": _opportunity,
    "service_request": _service_request,
    "task": _task,
}


def draft(world: World, record_type: str, number: int) -> dict[str, Any]:
    """The fields of one record of a type."""
    made = DRAFTS[record_type](world, world.chance, number)
    if record_type not in WITHOUT_KEY:
        made["external_id"] = f"{record_type}-{world.seed}-{number}"
    if KINDS[record_type].owned:
        owner, department = place(world)
        made |= {k: v for k, v in (("owner_id", owner), ("department_id", department)) if v}
    return made


WITHOUT_KEY = ("duplicate_dismissal",)
"""Records that nothing outside knows."""


def alike(drafts: list[dict[str, Any]]) -> None:
    """Let some customers be there twice."""
    for n in range(ALIKE, len(drafts), ALIKE):
        drafts[n] |= {name: drafts[n - 1][name] for name in ("name", "kind", "province", "city", "mobile")}
