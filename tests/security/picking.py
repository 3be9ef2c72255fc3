"""New records point at what their maker sees; anything else is as unknown as what does not exist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from security import company, drafts
from security.facts import Person, Record
from security.fields import as_it_stands, may_set
from security.kinds import KINDS, Kind
from security.run import Run
from security.scopes import ALLOWED, Answer

REFUSED = "INVALID_ARGUMENT"


def pick(run: Run) -> None:
    """A new part of a record, or a new record that names one, or ties two."""
    chance, oracle = run.world.chance, run.world.oracle
    kind = KINDS[chance.choice(list(NEW))]
    chosen = _chosen(run, kind)
    if chosen is None:
        return
    target, others = chosen
    right = f"{kind.type}.create"
    makers = [p for p in run.world.people if oracle.may(p, right).yes and p is not run.world.boss]
    who = chance.choice(makers) if makers and chance.random() < 0.8 else run.world.somebody()
    answer = oracle.may(who, right)
    if answer.yes:
        answer = _may_point(run, who, kind, target, list(others.values()))
    if answer.yes:
        initial = Record(kind.type, "", parent=target, state=kind.states[0] if kind.states else None)
        answer = may_set(run, who, kind, initial, {})
        if answer.yes and kind.parent:
            answer = as_it_stands(initial, {}) or answer
    column = kind.parent_field or "customer_id"
    given = {column: target.id, **{n: r.id for n, r in others.items()}, **NEW[kind.type]}
    outcome = run.ask(who, f"Create{kind.noun}", **{kind.type: given})
    if run.answer("picker", who, target, answer, outcome, f"Create{kind.noun} {given}") or outcome.code == ALLOWED:
        company.adopt(run.services, run.world, kind.type, outcome.answer)


def _chosen(run: Run, kind: Kind) -> tuple[Record, dict[str, Record]] | None:
    """What it is to belong to, and by field what it names besides: nothing that only may be there once."""
    world = run.world
    if kind.ends:
        one, other = world.two(kind.type)
        return one, {kind.ends[1]: other}
    if kind.type == "churn_case":
        free = drafts.unwarned(world)
        return (world.chance.choice(free), {}) if free else None
    column = kind.parent_field or "customer_id"
    target = world.chance.choice(world.records[kind.parent or column.removesuffix("_id")])
    if kind.type == PARTICIPANT:
        customer = world.chance.choice(world.records["customer"])
        return None if drafts.on_list(world, target.id, customer.id) else (target, {"customer_id": customer})
    return target, {}


def _may_point(run: Run, who: Person, kind: Kind, target: Record, others: list[Record]) -> Answer:
    oracle, right = run.world.oracle, f"{kind.type}.create"
    if kind.parent:
        answer = oracle.part_below(who, right, target)
    else:
        points = oracle.sees if kind.service == "customer" else oracle.points_at
        answer = points(who, target)
    if target.deleted or (not answer.yes and not kind.parent):
        answer = Answer(REFUSED, answer.why)
    if not answer.yes:
        return answer
    for other in others:
        seen = oracle.sees(who, other)
        if seen.yes and kind.type == "relationship":
            seen = oracle.reaches(who, right, other)
        if not seen.yes:
            return Answer(REFUSED, f"the other one: {seen.why}")
    return answer


PARTICIPANT = "customer_event_participant"
NEW: dict[str, dict[str, Any]] = {
    "contact": {"name": "新联系人"},
    "interaction": {"kind": "call", "subject": "新交往"},
    "trade_entry": {"kind": "order", "date": "2026-03-01", "amount": "1"},
    "demand": {"kind": "information", "description": "新需求"},
    "relationship": {"kind": "partner"},
    "visit": {"subject": "新拜访", "plan_start": drafts.FIRST_DAY},
    PARTICIPANT: {"note": "新参与人"},
    "churn_case": {"warn_note": "新预警"},
    "occasion": {"kind": "promotion", "name": "新时机", "date": "2027-05-01"},
    "duplicate_dismissal": {"note": "新标记"},
    "opportunity": {"title": "新商机"},
    "service_request": {"kind": "fault", "summary": "新请求"},
    "task_comment": {"text": "新评论"},
}
"""What besides is given to a new record of a type."""

SURFACES: tuple[Callable[[Run], None], ...] = (pick,)
