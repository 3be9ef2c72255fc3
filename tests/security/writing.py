"""Surfaces that change something: verbs, imports, and records that point at others.

What succeeded is read back before the next question, so the oracle always knows the world as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from security import company
from security.facts import Person, Record
from security.fields import as_it_stands, may_set
from security.kinds import KINDS, Kind, right_of
from security.oracle import GOES_ALONG, is_gone
from security.picking import PARTICIPANT
from security.run import Run
from security.scopes import ALLOWED, NO_RIGHT, NOT_THERE, Answer
from security.services import Outcome

TOLD_OF = ("customer", "opportunity", "service_request", "task")
"""Records of which the inbox tells who was given them, or put into their team."""
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
    bin = [r for r in run.world.of(*(k for k in KINDS if KINDS[k].verbs and KINDS[k].restored)) if r.deleted]
    if not bin:
        verb(run)
        return
    record = run.world.chance.choice(bin)
    kind = KINDS[record.type]
    company.refresh(run.services, record)
    right = right_of("restore", kind)
    who = _who(run, right, record)
    answer = run.world.oracle.may_do(who, right, record)
    if answer.yes and any(r.deleted for r in _needed(run, record)):
        answer = Answer(REFUSED, "what it belongs to is deleted")
    if answer.yes:
        answer = as_it_stands(record, {}) or answer
    if answer.yes and any(r.deleted for r in _invited(run, record)):
        answer = Answer(NOT_NOW, "a customer of its list is deleted")
    outcome = run.ask(who, f"Restore{kind.noun}", id=record.id)
    run.answer("verb restore", who, record, answer, outcome, f"Restore{kind.noun}")
    _settle(run, who, record, outcome)


def _needed(run: Run, record: Record) -> list[Record]:
    """What cannot be deleted while a record lives, and must be there when it comes back."""
    named = {record.values.get(n) for n in ("from_contact_id", "to_contact_id")} - {"", None}
    found = [r for r in run.world.records["contact"] if r.id in named]
    if record.type == PARTICIPANT:
        found += [r for r in run.world.records["customer"] if r.id == record.values["customer_id"]]
    return [r for r in (record.parent, *record.ends, *found) if r is not None]


def _invited(run: Run, event: Record) -> list[Record]:
    """The customers on the list that comes back with an event."""
    invited = {p.values["customer_id"] for p in run.world.records[PARTICIPANT] if p.parent is event and not p.deleted}
    return [r for r in run.world.records["customer"] if r.id in invited]


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
    brought = BROUGHT.get((kind.type, name), {})
    return f"{name[0].upper()}{name[1:]}{kind.noun}", {**version, **brought}, None


HERE = {"latitude": "31.2304", "longitude": "121.4737"}
BROUGHT: dict[tuple[str, str], dict[str, Any]] = {
    ("opportunity", "win"): {"won_amount": "1000"},
    ("opportunity", "lose"): {"lost_reason": "price"},
    ("service_request", "handle"): {"handling": "已修好"},
    ("service_request", "feedBack"): {"satisfaction": 4},
    ("customer", "return"): {"review_reason": "地址不全"},
    ("contact", "return"): {"review_reason": "电话不全"},
    ("visit", "checkIn"): HERE,
    ("visit", "checkOut"): HERE,
    ("visit", "report"): {"result": "谈成"},
    ("visit", "cancel"): {"cancel_reason": "改期"},
    ("visit", "comment"): {"comment": "继续"},
    ("customer_event", "cancel"): {"cancel_reason": "改期"},
    ("customer_event", "close"): {"effect": "续约"},
    ("churn_case", "postpone"): {"measures": "拜访", "until_date": "2099-01-31"},
    ("churn_case", "confirm"): {"reason": "price"},
    ("churn_case", "regain"): {"note": "回来了"},
    ("churn_case", "close"): {"note": "误报"},
}
"""What a verb takes besides id and etag."""


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
        if not answer.yes:
            return answer
    return unusable(run, who, name, record)


def unusable(run: Run, who: Person, name: str, record: Record) -> Answer | None:
    """What the noun itself forbids."""
    if name in ("checkIn", "checkOut") and who.id not in {record.owner, *record.named}:
        return Answer(NO_RIGHT, "only who goes there checks in and out")
    if name == "comment":
        owner = run.world.oracle.people.get(record.owner or "")
        above = owner is not None and run.world.oracle.is_below(owner, who)
        return None if above else Answer(NO_RIGHT, "only somebody above the visit's owner comments on it")
    if name in ("update", "delete") and (fixed := as_it_stands(record, {})):
        return fixed
    if name == "delete":
        if record.state in TOOK_PLACE.get(record.type, ()):
            return Answer(NOT_NOW, "it took place")
        users = dependents(run, record)
        if users:
            return Answer(NOT_NOW, f"{len(users)} records depend on it")
    return None


TOOK_PLACE = {"visit": ("checked_in", "checked_out", "reported"), "customer_event": ("held", "closed")}
"""States in which a record is not deleted."""


def dependents(run: Run, record: Record) -> list[Record]:
    """Living records that forbid the deletion of a customer or a contact."""
    if record.type not in ("customer", "contact"):
        return []
    others = [r for r in run.world.of(*KINDS) if not is_gone(r)]
    if record.type == "contact":
        return [r for r in others if record.id in (r.values.get("from_contact_id"), r.values.get("to_contact_id"))]
    run.services.tell()
    return [r for r in others if _depends(r, record)]


def _depends(one: Record, customer: Record) -> bool:
    """Whether a record forbids the deletion of a customer: as a part that does not go along, or by naming it."""
    if one.parent is customer or customer in one.ends:
        return one.type not in GOES_ALONG
    return one.values.get("customer_id") == customer.id


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
    """Read back what changed; whoever was given the record is to find it in the inbox; where that is a
    department, whoever manages it."""
    if outcome.code != ALLOWED:
        return
    owner, version = record.owner, record.version
    company.refresh(run.services, record)
    if KINDS[record.type].told and not record.deleted:
        company.reread(run.services, run.world, record)
    if assigned and record.version != version and record.owner is None and record.type in TOLD_OF:
        manager = run.world.oracle.manages(record.department)
        if manager not in (None, who) and run.world.oracle.sees(manager, record).yes:
            run.given[manager.id][record.id] += 1
    given = record.owner != owner or (assigned and record.version != version)
    if given and record.type in TOLD_OF and record.owner not in (None, who.id):
        run.given[record.owner][record.id] += 1


SURFACES: tuple[Callable[[Run], None], ...] = (verb, verb, verb, verb, restore)
