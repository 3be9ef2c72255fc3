"""Visits, ties, events and their lists in companies at random: every surface gives one person the same set.

What is expected is worked out row by row, from whom a right reaches; that is asked of the library, and tested there.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from crm_kit.testing import Client, Server, gets_through
from crm_kit.testing.company import Company

pytestmark = [pytest.mark.feature("CUS-03"), pytest.mark.feature("CUS-13"), pytest.mark.feature("CUS-14")]

TYPES = {
    "visit": ("Visit", "visits"),
    "relationship": ("Relationship", "relationships"),
    "customer_event": ("CustomerEvent", "customer_events"),
    "customer_event_participant": ("CustomerEventParticipant", "customer_event_participants"),
}
RIGHTS = [f"{t}.{a}" for t in TYPES for a in ("read", "delete")] + ["customer.read"]
START = datetime(2026, 5, 1, tzinfo=UTC)
Rows = dict[str, dict[str, dict[str, Any]]]


def fill(boss: Client, company: Company, chance: random.Random) -> None:
    """Customers, and what hangs on them, of people at random."""

    def one() -> str:
        return chance.choice(company.working).user_id

    customers = []
    for i in range(10):
        owner = {"owner_id": one()} if chance.random() < 0.8 else {"department_id": chance.choice(company.departments)}
        customers.append(boss.CreateCustomer(customer={"name": f"客户{i}", **owner}).id)
    for customer_id in chance.sample(customers, 4):
        boss.PutTeamMember(
            record_type="customer", id=customer_id, user_id=one(), access=chance.choice(["read", "write"])
        )
    for i in range(10):
        said = {"customer_id": chance.choice(customers), "subject": f"拜访{i}", "plan_start": START}
        boss.CreateVisit(visit={**said, "owner_id": one(), "participant_ids": [one()] if chance.random() < 0.4 else []})
    pairs = chance.sample([(a, b) for a in customers for b in customers if a < b], 10)
    for a, b in pairs:
        boss.CreateRelationship(relationship={"kind": "partner", "from_customer_id": a, "to_customer_id": b})
    for i in range(6):
        event = {"title": f"活动{i}", "kind": "gift", "start_time": START, "owner_id": one()}
        event["responsible_ids"] = [one()] if chance.random() < 0.4 else []
        made = boss.CreateCustomerEvent(customer_event=event)
        boss.CreateCustomerEventParticipant(
            customer_event_participant={"event_id": made.id, "customer_id": chance.choice(customers)}
        )


def rows(server: Server) -> Rows:
    found = {}
    for table in ("customer", *TYPES):
        told = server.sql(f"SELECT to_jsonb(t.*) FROM {table} t")
        found[table] = {row[0]["id"]: row[0] for row in told}
    return found


def reached(server: Server, who: Client, right: str, of: Rows) -> set[str]:
    """The records of the right's type that somebody is to reach by it."""
    access = server.service.organisation.access(who.user_id, who.session_id)
    kind = right.partition(".")[0]
    if not access.may(right):
        return set()
    top = "customer" if kind in ("visit", "relationship") else "customer_event"
    reach = access.reach(top, right)

    def owned(row: dict[str, Any]) -> bool:
        if reach.all or row["id"] in reach.record_ids or row["owner_id"] in reach.owner_ids:
            return True
        return row["owner_id"] is None and row["department_id"] in reach.department_ids

    def customer(customer_id: str) -> bool:
        return owned(of["customer"][customer_id])

    def event(row: dict[str, Any]) -> bool:
        return owned(row) or who.user_id in row["responsible_ids"]

    holds: dict[str, Callable[[dict[str, Any]], bool]] = {
        "visit": lambda v: customer(v["customer_id"]) or owned(v) or who.user_id in v["participant_ids"],
        "relationship": lambda r: customer(r["from_customer_id"]) and customer(r["to_customer_id"]),
        "customer_event": event,
        "customer_event_participant": lambda p: event(of["customer_event"][p["event_id"]]),
    }
    return {i for i, row in of[kind].items() if holds[kind](row)}


@pytest.mark.figure("R40")
@pytest.mark.parametrize("seed", [11, 12])
def test_every_surface_gives_one_person_the_same_set(server: Server, boss: Client, seed: int, measured: Any) -> None:
    chance = random.Random(seed)
    company = Company(server, chance, RIGHTS)
    fill(boss, company, chance)
    server.service.organisation.forget()
    of = rows(server)
    cases = yes = 0
    for who in company.working:
        for kind, (noun, plural) in TYPES.items():
            seen = reached(server, who, f"{kind}.read", of)
            gone = reached(server, who, f"{kind}.delete", of)
            listed: Any = set()
            if server.service.organisation.access(who.user_id, who.session_id).may(f"{kind}.read"):
                listed = {r.id for r in getattr(getattr(who, f"List{noun}s")(page_size=200), plural)}
            assert listed == seen, (who.user_id, kind)
            for record_id in chance.sample(sorted(of[kind]), 4):
                case = (who.user_id, kind, record_id)
                assert gets_through(getattr(who, f"Get{noun}"), id=record_id) == (record_id in seen), case
                deleted = gets_through(getattr(who, f"Delete{noun}"), id=record_id, etag="999")
                assert deleted == (record_id in gone), case
                for right, expected in (("read", seen), ("delete", gone)):
                    said = boss.ExplainAccess(record_type=kind, id=record_id, user_id=who.user_id, right=right)
                    links = [
                        s for s in said.steps if s.held and s.kind in ("owner", "scope", "creator", "named", "team")
                    ]
                    may = any(s.held for s in said.steps if s.kind == "right")
                    assert said.allowed == (record_id in expected) == (may and bool(links)), (case, said)
                cases, yes = cases + 5, yes + 2 * (record_id in seen) + (record_id in gone)
    assert 50 < yes < cases
    measured(f"{cases} cases on five surfaces, {yes} of them yes")
