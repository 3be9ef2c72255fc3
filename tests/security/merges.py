"""Two customers become one and two again: rights on both, values side by side, where old ids and parts lead."""

from __future__ import annotations

from collections.abc import Callable

from security import company
from security.acts import configurers
from security.facts import Person, Record
from security.fields import may_set
from security.kinds import KINDS
from security.oracle import HIDDEN, MASKED
from security.run import LEAK, Run
from security.scopes import ALLOWED, NO_RIGHT, NOT_THERE, Answer

from crm_kit.field_names import camel

CUSTOMER = KINDS["customer"]
UPDATE, DELETE = "customer.update", "customer.delete"


def previewed(run: Run) -> None:
    """Values side by side: no field that is veiled in the state of one of them, and only of what may be merged."""
    stays, goes = run.world.chance.sample(run.world.records["customer"], 2)
    who = _who(run, stays, goes)
    outcome = run.ask(who, "PreviewMergeCustomers", id=stays.id, merged_ids=[goes.id])
    refusals = _refusals(run, who, stays, goes, both=False)
    if not run.one_of("merge", who, stays, refusals, outcome, f"PreviewMergeCustomers with {goes.id}"):
        return
    shown = {f.field: [v.value for v in f.values] for f in outcome.answer.fields}
    for name in [n for n in CUSTOMER.ruled if n not in CUSTOMER.told]:
        for place, record in enumerate((stays, goes)):
            level = run.world.oracle.shows(who, record, name)
            whole = str(record.values.get(name) or "")
            run.case("field in merge")
            found = shown[camel(name)][place] if camel(name) in shown else None
            value = "" if found is None else found.string_value
            if level in (HIDDEN, MASKED) and whole and value == whole:
                run.find(LEAK, "field in merge", who, record, f"expected  {level} {name}", f"happened  {value}")


def merged(run: Run) -> None:
    """A merge, what everybody then reads by either id, and that it is taken back as if nothing had been."""
    pair = _pair(run)
    if pair is None:
        return
    stays, goes = pair
    company.refresh(run.services, *pair)
    who = _who(run, stays, goes)
    refusals = _refusals(run, who, stays, goes, both=True)
    empty = may_set(run, who, CUSTOMER, stays, {})
    if not refusals and not empty.yes:
        refusals = [empty]
    said = {"id": stays.id, "etag": str(stays.version), "merged": [{"id": goes.id, "etag": str(goes.version)}]}
    outcome = run.ask(who, "MergeCustomers", **said)
    run.one_of("merge", who, stays, refusals, outcome, f"MergeCustomers with {goes.id}")
    if outcome.code == ALLOWED:
        kinds = [t for t, k in KINDS.items() if k.parent == "customer" and not k.ends]
        parts = [r for r in run.world.of(*kinds) if r.parent is goes]
        goes.deleted = True
        for part in parts:
            part.parent = stays
        try:
            _led_on(run, stays, goes, parts)
        finally:
            goes.deleted = False
            for part in parts:
                part.parent = goes
        _taken_back(run, who, outcome.answer.act_id, stays, goes)


def _led_on(run: Run, stays: Record, goes: Record, parts: list[Record]) -> None:
    """Who reads the one that stays is led on by the old id; who saw only the other one finds nothing."""
    oracle = run.world.oracle
    strangers = {m.person for m in goes.team}  # they are in the team of both now
    people = [p for p in run.world.people if p.id not in strangers]
    for one in run.world.chance.sample(people, 4):
        outcome = run.ask(one, "GetCustomer", id=goes.id)
        if run.answer("merge", one, goes, oracle.sees(one, stays), outcome, "GetCustomer of one that was merged"):
            run.equal("merge", one, stays.id, outcome.answer.id, "GetCustomer: where it leads")
        outcome = run.ask(one, "ListContacts", filter=f'customer_id = "{stays.id}"', page_size=200, fields="id")
        if run.answer(
            "merge", one, stays, oracle.may(one, "contact.read"), outcome, "ListContacts of the one that stays"
        ):
            there = [r for r in run.sees(one, "contact") if r.parent is stays]
            run.same("merge", one, there, [c.id for c in outcome.answer.contacts], "ListContacts of the one that stays")
        if parts:
            part = run.world.chance.choice(parts)
            outcome = run.ask(one, f"Get{KINDS[part.type].noun}", id=part.id)
            run.answer("merge", one, part, oracle.sees(one, part), outcome, "a part of one that was merged")


def _taken_back(run: Run, who: Person, act_id: str, stays: Record, goes: Record) -> None:
    """By who did it, or who configures customers and reaches all of them; by nobody else."""
    this, able = {"record_type": "customer", "id": act_id}, [who, *configurers(run, "customer")]
    stranger = run.world.somebody()
    if stranger not in able:
        outcome = run.services.ask(stranger, "UndoAct", run.over(), service="customer", **this)
        run.answer("undo", stranger, None, Answer(NOT_THERE, "somebody else's act"), outcome, "UndoAct of a merge")
    one = run.world.chance.choice(able)
    outcome = run.services.ask(one, "UndoAct", run.over(), service="customer", **this)
    run.answer("undo", one, None, Answer(ALLOWED, "one's own act, or configures all"), outcome, "UndoAct of a merge")
    run.services.servers["customer"].run_jobs()
    before = [(r.owner, r.department, r.deleted, r.state) for r in (stays, goes)]
    company.refresh(run.services, stays, goes)
    now = [(r.owner, r.department, r.deleted, r.state) for r in (stays, goes)]
    run.equal("undo", one, before, now, "UndoAct of a merge: both are what they were")


def _refusals(run: Run, who: Person, stays: Record, goes: Record, *, both: bool) -> list[Answer]:
    """Why a merge is refused: the right to change them all, to delete those that go. Empty where it is not."""
    oracle = run.world.oracle
    right = [oracle.may(who, r) for r in (UPDATE, DELETE)]
    if not all(a.yes for a in right):
        return [Answer(NO_RIGHT, next(a.why for a in right if not a.yes))]
    asked = [(UPDATE, stays), (DELETE, goes), *([(UPDATE, goes)] if both else [])]
    ask = oracle.may_do if both else oracle.may_read
    found = [ask(who, r, record) for r, record in asked]
    found += [Answer(NOT_THERE, "deleted") for a, (_, r) in zip(found, asked, strict=True) if a.yes and r.deleted]
    return [a for a in found if not a.yes]


def _who(run: Run, stays: Record, goes: Record) -> Person:
    able = [p for p in run.world.people if not _refusals(run, p, stays, goes, both=True)]
    return run.world.chance.choice(able) if able and run.world.chance.random() < 0.7 else run.world.somebody()


def _pair(run: Run) -> tuple[Record, Record] | None:
    """Two living customers that nothing ties, of which not both may have what there is once only."""
    world = run.world
    tied = {frozenset(e.id for e in r.ends) for t in ("relationship", "duplicate_dismissal") for r in world.records[t]}
    once = {t: {c.id for r in world.records[t] if (c := r.parent) is not None} for t in ("churn_case",)}
    invited = [r.values.get("customer_id") for r in world.records["customer_event_participant"]]
    for _ in range(20):
        stays, goes = world.chance.sample(world.records["customer"], 2)
        free = not any(r.deleted or r.pool for r in (stays, goes)) and frozenset((stays.id, goes.id)) not in tied
        if free and goes.id not in once["churn_case"] and goes.id not in invited:
            return stays, goes
    return None


SURFACES: tuple[Callable[[Run], None], ...] = (previewed, previewed, merged)
