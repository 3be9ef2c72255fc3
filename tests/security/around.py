"""What hangs on a customer without being a record: standings, behaviour, figures, its timeline and relationship map."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

from security import company
from security.facts import Person, Record
from security.kinds import KINDS
from security.oracle import HIDDEN, MASKED, READ_ONLY
from security.run import LEAK, Run
from security.scopes import ALLOWED, NOT_THERE, Answer

CUSTOMER = KINDS["customer"]


def by_right(run: Run, who: Person, right: str, customer: Record) -> Answer:
    """Whether something about a customer is told to whom a right on customers reaches it."""
    part = Record(right.partition(".")[0], "", parent=customer)  # a pool may hide it, or show it once it is opened
    answer = run.world.oracle.may_read(who, right, part)
    return Answer(NOT_THERE, "the customer is deleted") if answer.yes and customer.deleted else answer


def standings(run: Run) -> None:
    """What is computed of a customer, and how it was: for whoever reads customers and sees the field."""
    who, record = run.world.somebody(), run.world.something("customer")
    rpc = run.world.chance.choice(["ListStandings", "ListStandingHistory"])
    outcome = run.ask(who, rpc, customer_id=record.id)
    if not run.answer("standings", who, record, by_right(run, who, "customer.read", record), outcome, rpc):
        return
    told = {s.topic for s in (outcome.answer.standings if rpc == "ListStandings" else outcome.answer.changes)}
    level = run.world.oracle.shows(who, record, "lifecycle")
    run.case("field in standings")
    if "lifecycle" in told and level in (HIDDEN, MASKED):
        run.find(LEAK, "field in standings", who, record, f"asked     {rpc}", f"expected  lifecycle is {level}")
    if level != HIDDEN and run.world.oracle.compares(who, "customer", "lifecycle", CUSTOMER.states):
        there = {"lifecycle"} if record.values["lifecycle"] == "not_needed" else set[str]()
        run.equal("standings", who, there, told & there, f"{rpc} of {record.id}")


def overrule(run: Run) -> None:
    """A person's word on a customer takes the right to change it, and the field to be theirs to give."""
    chance, oracle = run.world.chance, run.world.oracle
    record = chance.choice(run.world.records["customer"])
    company.refresh(run.services, record)
    right = "customer.update"
    able = [p for p in run.world.people if oracle.may_do(p, right, record).yes and p is not run.world.boss]
    who = chance.choice(able) if able and chance.random() < 0.6 else run.world.somebody()
    answer = oracle.may_do(who, right, record)
    answer = Answer(NOT_THERE, "deleted") if answer.yes and record.deleted else answer
    level = oracle.level(who, "customer", "lifecycle", record.state)
    if answer.yes and level in (HIDDEN, MASKED):
        answer = Answer(NOT_THERE, f"lifecycle is {level}")
    elif answer.yes and level == READ_ONLY:
        answer = Answer("INVALID_ARGUMENT", f"lifecycle is {level}")
    said = {"topic": "lifecycle", "value": "not_needed", "note": "同行"}
    outcome = run.ask(who, "OverruleStanding", customer_id=record.id, **said)
    run.answer("overruling", who, record, answer, outcome, "OverruleStanding lifecycle")
    if outcome.code == ALLOWED:
        company.reread(run.services, run.world, record)


def behaviour(run: Run) -> None:
    """What a customer did, how often, and what tags it got for it: where behaviour.read reaches."""
    who, record = run.world.somebody(), run.world.something("customer")
    rpc = run.world.chance.choice(["CountBehaviour", "ListBehaviourEvents", "ListBehaviourTags"])
    outcome = run.ask(who, rpc, customer_id=record.id)
    if run.answer("behaviour", who, record, by_right(run, who, "behaviour.read", record), outcome, rpc):
        answer, done = outcome.answer, run.did[record.id]
        if rpc == "CountBehaviour":
            run.equal("behaviour", who, done, answer.total, f"{rpc} of {record.id}")
        elif rpc == "ListBehaviourEvents":
            run.equal("behaviour", who, done, len(answer.events), f"{rpc} of {record.id}")


def behaved(run: Run) -> None:
    """A batch stores what it tells of customers within the right, and says of the others that there are none."""
    chance = run.world.chance
    makers = [p for p in run.world.people if run.world.oracle.may(p, "behaviour.create").yes]
    who = chance.choice(makers) if makers and chance.random() < 0.8 else run.world.somebody()
    customers = chance.sample(run.world.records["customer"], 4)
    now = datetime.now(UTC)
    events = [
        {"event_id": f"{run.cases.total()}-{n}", "time": now, "kind": "view", "customer_id": c.id}
        for n, c in enumerate(customers)
    ]
    outcome = run.ask(who, "RecordBehaviour", source="web", events=events)
    right = run.world.oracle.may(who, "behaviour.create")
    if not run.answer("behaviour told", who, None, right, outcome, "RecordBehaviour"):
        return
    answers = [by_right(run, who, "behaviour.create", c) for c in customers]
    refused = {p.index for p in outcome.answer.problems}
    expected = {n for n, answer in enumerate(answers) if not answer.yes}
    if not run.equal("behaviour told", who, expected, refused, "RecordBehaviour: refused"):
        run.findings[-1].lines += [f"{c.id}: {a.why}" for c, a in zip(customers, answers, strict=True)]
    for n, customer in enumerate(customers):
        run.did[customer.id] += n not in refused


def trade(run: Run) -> None:
    """Sums of a customer's orders, where the right to read trade reaches it."""
    who, record = run.world.somebody(), run.world.something("customer")
    outcome = run.ask(who, "GetTradeFigures", customer_id=record.id, from_date="2026-01-01", until_date="2026-12-31")
    if run.answer("figures", who, record, by_right(run, who, "trade_entry.read", record), outcome, "GetTradeFigures"):
        entries = [r for r in run.world.records["trade_entry"] if r.parent is record and not r.deleted]
        orders = sum((Decimal(str(r.values["amount"])) for r in entries if r.values["kind"] == "order"), Decimal(0))
        found = Decimal(outcome.answer.order_amount or 0)
        run.equal("figures", who, orders, found, f"GetTradeFigures of {record.id}")


def timeline(run: Run) -> None:
    """A customer's timeline is for whom its interactions are, and holds only kinds of records that one may read."""
    oracle, records, who = run.world.oracle, run.world.records, run.world.somebody()
    busy = [r.parent for r in records["visit"] if r.values["check_in_time"]]
    busy += [c for c in records["customer"] for p in records["customer_event_participant"][:30] if _takes_part(p, c)]
    some = run.world.chance.choice(busy) if run.world.chance.random() < 0.7 else None
    record = some or run.world.something("customer")
    outcome = run.ask(who, "ListTimeline", customer_id=record.id, page_size=200)
    expected = by_right(run, who, "interaction.read", record)
    if not run.answer("timeline", who, record, expected, outcome, "ListTimeline"):
        return
    kinds = {e.record_type for e in outcome.answer.entries}
    readable = {k for k in kinds if oracle.may(who, f"{k}.read").yes}
    run.equal("timeline", who, readable, kinds, f"ListTimeline of {record.id}: kinds of records")
    there = [r for r in records["interaction"] if r.parent is record]
    there += [r for r in records["visit"] if r.parent is record and r.values["check_in_time"]]
    there += [p.parent for p in records["customer_event_participant"] if _takes_part(p, record) and p.parent]
    wanted = sorted(r.id for r in there if not r.deleted and oracle.may(who, f"{r.type}.read").yes)
    found = sorted(e.record_id for e in outcome.answer.entries if e.record_type in HERE)
    run.equal("timeline", who, wanted, found, f"ListTimeline of {record.id}: what is here")


HERE = ("interaction", "visit", "customer_event")
"""Entries made of records of the customer service itself."""


def _takes_part(participant: Record, customer: Record) -> bool:
    return participant.values["customer_id"] == customer.id and not participant.deleted


SURFACES: tuple[Callable[[Run], None], ...] = (standings, overrule, behaviour, behaved, trade, timeline)
