"""Surfaces that change something: verbs, imports, and records that point at others.

What succeeded is read back before the next question, so the oracle always knows the world as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from security import company
from security.facts import Person, Record
from security.fields import may_set
from security.kinds import KINDS, Kind, right_of
from security.oracle import ALLOWED, NOT_THERE, Answer
from security.run import Run
from security.services import Outcome

REFUSED, NOT_NOW = "INVALID_ARGUMENT", "FAILED_PRECONDITION"


def verb(run: Run) -> None:
    """A verb on a record: refused without the right, not there outside its scope, done otherwise."""
    chance = run.world.chance
    kind = KINDS[chance.choice([k for k in KINDS if KINDS[k].verbs])]
    name = chance.choice(kind.verbs)
    record = chance.choice(run.world.records[kind.type])
    company.refresh(run.services, record)
    right = right_of(name, kind)
    who = _who(run, right, record)
    answer = _there(run.world.oracle.may_do(who, right, record), record)
    if name == "import":
        _import(run, who, kind, record, answer)
        return
    rpc, fields, given = _request(run, who, kind, name, record)
    if answer.yes:
        answer = _possible(run, who, kind, name, record, given) or answer
    outcome = run.ask(who, rpc, **fields)
    run.answer(f"verb {name}", who, record, answer, outcome, f"{rpc} {given or ''}")
    _settle(run, who, record, outcome, assigned=name == "assign")


def restore(run: Run) -> None:
    """Out of the recycle bin comes what one could have put there."""
    bin = [r for r in run.world.of(*(k for k in KINDS if KINDS[k].verbs)) if r.deleted]
    if not bin:
        verb(run)
        return
    record = run.world.chance.choice(bin)
    kind = KINDS[record.type]
    company.refresh(run.services, record)
    right = right_of("restore", kind)
    who = _who(run, right, record)
    answer = run.world.oracle.may_do(who, right, record)
    if answer.yes and record.parent is not None and record.parent.deleted:
        answer = Answer(REFUSED, "what it belongs to is deleted")
    outcome = run.ask(who, f"Restore{kind.noun}", id=record.id)
    run.answer("verb restore", who, record, answer, outcome, f"Restore{kind.noun}")
    _settle(run, who, record, outcome)


def _who(run: Run, right: str, record: Record) -> Person:
    """Half of the time somebody who may, if there is one: else nearly everything would be refused."""
    allowed = [p for p in run.world.people if run.world.oracle.may_do(p, right, record).yes and p is not run.world.boss]
    return run.world.chance.choice(allowed) if allowed and run.world.chance.random() < 0.5 else run.world.somebody()


def _there(answer: Answer, record: Record) -> Answer:
    return Answer(NOT_THERE, f"{record.type} is deleted") if answer.yes and record.deleted else answer


def _request(run: Run, who: Person, kind: Kind, name: str, record: Record) -> tuple[str, dict[str, Any], Any]:
    """(RPC, fields of the request, what is given) of a verb."""
    version, chance = {"id": record.id, "etag": str(record.version)}, run.world.chance
    match name:
        case "update":
            text = f"改{chance.randrange(10**6)}"
            changed = {"id": record.id, kind.text: text}
            mask = {"paths": [kind.text]}
            fields = {kind.type: changed, "update_mask": mask, "etag": version["etag"]}
            return f"Update{kind.noun}", fields, None
        case "delete":
            return f"Delete{kind.noun}", version, None
        case "assign":
            to = None if kind.type in ("customer", "opportunity") and chance.random() < 0.25 else _taker(run, who)
            home = None if to else chance.choice(list(run.world.departments))
            given = {k: v for k, v in (("owner_id", to), ("department_id", home)) if v}
            return f"Assign{kind.noun}", {**version, **given}, (to, home)
    brought: dict[str, Any] = {
        "win": {"won_amount": "1000"},
        "lose": {"lost_reason": "price"},
        "handle": {"handling": "已修好"},
        "feedBack": {"satisfaction": chance.randrange(1, 6)},
    }.get(name, {})
    return f"{name[0].upper()}{name[1:]}{kind.noun}", {**version, **brought}, None


def _taker(run: Run, who: Person) -> str:
    """Somebody to give a record to: half of the time from around the giver."""
    near = [p for p in run.world.people if p.manager == who.id or (p.department and p.department == who.department)]
    chance = run.world.chance
    return chance.choice(near if near and chance.random() < 0.5 else run.world.people).id


def _possible(run: Run, who: Person, kind: Kind, name: str, record: Record, given: Any) -> Answer | None:
    """Why a verb that a person may use is refused all the same."""
    if name in kind.own_states and record.state not in kind.own_states[name]:
        return Answer(NOT_NOW, f"not in the state {record.state}")
    if name == "assign":
        to, home = given
        stays = {"customer": None, "opportunity": record.department}.get(kind.type, record.department)
        if (to, home or stays) != (record.owner, record.department):
            answer = run.world.oracle.may_give(who, right_of(name, kind), kind.type, to, home)
            return None if answer.yes else answer
    if name == "update":
        answer = may_set(run, who, kind, record, {})
        return None if answer.yes else answer
    if name == "delete" and record.type == "customer":
        run.services.tell()
        users = [r for r in run.world.of(*KINDS) if not r.deleted and _points_at(r, record)]
        if users:
            return Answer(NOT_NOW, f"{len(users)} records depend on it")
    return None


def _points_at(one: Record, customer: Record) -> bool:
    return one.parent is customer or one.values.get("customer_id") == customer.id


def _import(run: Run, who: Person, kind: Kind, record: Record, answer: Answer) -> None:
    """An import that meets a record outside its reach fails in that row."""
    row = {"external_id": record.values["external_id"], kind.text: f"导入{run.world.chance.randrange(10**6)}"}
    if record.deleted or not row["external_id"]:
        return
    outcome = run.ask(who, f"Import{kind.nouns}", **{kind.plural: [row]})
    if run.world.oracle.may(who, f"{kind.type}.import").yes and not answer.yes:
        answer = Answer(NOT_THERE, answer.why)  # its row fails
    if answer.yes and not may_set(run, who, kind, record, {}).yes:
        answer = Answer(NOT_THERE, "a required field is empty")
    if outcome.code == ALLOWED:
        done = outcome.answer.updated == 1
        outcome = Outcome(ALLOWED if done else NOT_THERE, None, {}, str(outcome.answer.results))
    run.answer("import", who, record, answer, outcome, f"Import{kind.nouns}")
    _settle(run, who, record, outcome)


def _settle(run: Run, who: Person, record: Record, outcome: Outcome, *, assigned: bool = False) -> None:
    """Read back what changed; whoever was given the record is to find it in the inbox."""
    owner, version = record.owner, record.version
    company.refresh(run.services, record)
    given = record.owner != owner or (assigned and record.version != version)
    if outcome.code == ALLOWED and given and record.owner not in (None, who.id):
        run.given[record.owner][record.id] += 1


def pick(run: Run) -> None:
    """A new record points at what its maker sees; anything else is as unknown as what does not exist."""
    chance, oracle = run.world.chance, run.world.oracle
    kind = KINDS[chance.choice(list(NEW))]
    column = kind.parent_field or "customer_id"
    target = chance.choice(run.world.records[column.removesuffix("_id")])
    right = f"{kind.type}.create"
    makers = [p for p in run.world.people if oracle.may(p, right).yes and p is not run.world.boss]
    who = chance.choice(makers) if makers and chance.random() < 0.8 else run.world.somebody()
    answer = oracle.may(who, right)
    if answer.yes:
        answer = oracle.part_below(who, right, target) if kind.parent else oracle.points_at(who, target)
        if target.deleted or (not answer.yes and not kind.parent):
            answer = Answer(REFUSED, answer.why)
        if answer.yes:
            initial = Record(kind.type, "", state=kind.states[0] if kind.states else None)
            answer = may_set(run, who, kind, initial, {})
    outcome = run.ask(who, f"Create{kind.noun}", **{kind.type: {column: target.id, **NEW[kind.type]}})
    if run.answer("picker", who, target, answer, outcome, f"Create{kind.noun} {column}") or outcome.code == ALLOWED:
        company.adopt(run.services, run.world, kind.type, outcome.answer)


NEW: dict[str, dict[str, Any]] = {
    "contact": {"name": "新联系人"},
    "interaction": {"kind": "call", "subject": "新交往"},
    "trade_entry": {"kind": "order", "date": "2026-03-01", "amount": "1"},
    "opportunity": {"title": "新商机"},
    "service_request": {"kind": "fault", "summary": "新请求"},
    "task_comment": {"text": "新评论"},
}

SURFACES: tuple[Callable[[Run], None], ...] = (verb, verb, verb, verb, restore, pick)
