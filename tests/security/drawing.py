"""The relationship map, the duplicate check and clusters: in full within reach, beyond it as much as is allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from security.around import by_right
from security.facts import Person, Record
from security.kinds import KINDS
from security.run import LEAK, WRONG_REFUSAL, Run
from security.scopes import ALLOWED, Answer

CUSTOMER, CONTACT = KINDS["customer"], KINDS["contact"]


def drawn(run: Run) -> None:
    """Nodes and ties of a map: what is out of reach is there by name only, and only for whoever knows it in brief."""
    who, center = run.world.somebody(), run.world.chance.choice(run.world.records["customer"][:40])
    depth = run.world.chance.choice([1, 2])
    outcome = run.ask(who, "GetRelationshipMap", customer_id=center.id, depth=depth, max_nodes=500)
    answer = by_right(run, who, "relationship.read", center)
    if not run.answer("map", who, center, answer, outcome, "GetRelationshipMap"):
        return
    full, brief, ties = _around(run, who, center, depth)
    people = _people(run, who, center, full, ties)
    expected = {(r.id, r not in full) for r in full | brief} | {(r.id, False) for r in people}
    found = {(n.id, n.brief) for n in outcome.answer.nodes}
    asked = f"GetRelationshipMap of {center.id}, depth {depth}"
    run.equal("map", who, expected, found, f"{asked}: nodes, and which are in brief")
    told = {r.id for r in people}
    whole = {t.id for t in ties if set(t.ends) <= full and _contacts(t) <= told}
    run.equal("map", who, whole, {e.relationship_id for e in outcome.answer.edges} - {""}, f"{asked}: ties")
    open_ones = [e for e in outcome.answer.edges if not e.relationship_id and (e.reason or e.strength)]
    run.equal("map", who, [], open_ones, f"{asked}: reasons of ties that are not seen")


def _contacts(tie: Record) -> set[Any]:
    return {tie.values.get(n) for n in ("from_contact_id", "to_contact_id")} - {"", None}


def _around(run: Run, who: Person, center: Record, depth: int) -> tuple[set[Record], set[Record], list[Record]]:
    """(customers in full, in brief, living ties among them), followed from customers in full only."""
    oracle = run.world.oracle
    living = [t for t in run.world.records["relationship"] if not t.deleted]
    full, brief, frontier, ties = {center}, set[Record](), {center}, set[Record]()
    for _ in range(depth):
        met = {t for t in living if frontier & {*t.ends}}
        ties |= met
        new = {e for t in met for e in t.ends} - full - brief
        frontier = {c for c in new if by_right(run, who, "relationship.read", c).yes}
        full |= frontier
        brief |= {c for c in new - frontier if oracle.brief(who, c).yes}
    return full, brief, [t for t in ties if set(t.ends) <= full | brief]


def _people(run: Run, who: Person, center: Record, full: set[Record], ties: list[Record]) -> set[Record]:
    """The customer's own contacts and tied ones of others, where the right to read contacts reaches."""
    tied = {i for t in ties for i in _contacts(t)}
    return {
        c
        for c in run.world.records["contact"]
        if not c.deleted
        and c.parent in full
        and (c.parent is center or c.id in tied)
        and run.world.oracle.may_read(who, "contact.read", c).yes
    }


def checked(run: Run) -> None:
    """Who is like somebody: of what is out of reach no id and no name; what field rules veil is not compared, and
    by what a pool keeps nobody is named."""
    chance, oracle = run.world.chance, run.world.oracle
    makers = [p for p in run.world.people if oracle.may(p, "customer.create").yes]
    who = chance.choice(makers) if makers and chance.random() < 0.85 else run.world.somebody()
    target = chance.choice([r for r in run.world.of("customer", "contact") if r.values.get("mobile")])
    by_phone = target.type == "contact" or chance.random() < 0.5
    known = {"phones": [str(target.values["mobile"])]} if by_phone else {"name": str(target.values["name"])}
    outcome = run.ask(who, "CheckDuplicates", page_size=50, **known)
    right = oracle.may(who, "customer.create")
    if not run.answer("duplicates", who, target, right, outcome, f"CheckDuplicates {known}"):
        return
    told = outcome.answer.candidates
    for one in told:
        if not _masked_or_seen(run, who, one):
            run.find(LEAK, "duplicates", who, target, f"asked     {known}", f"happened  {one}")
    kind = KINDS[target.type]
    veiled = by_phone and not oracle.compares(who, kind.type, "mobile", kind.states)
    gone = target.deleted or (target.parent is not None and target.parent.deleted)
    kept = by_phone and target.type == "customer" and oracle.kept(who, target, "mobile")
    named = target.id in {c.id for c in told}
    run.case("duplicates")
    if kept and named:
        run.find(LEAK, "duplicates", who, target, f"asked     {known}", "happened  it is named by what its pool keeps")
    if oracle.sees(who, target).yes and not (veiled or gone or kept or named):
        run.find(WRONG_REFUSAL, "duplicates", who, target, f"asked     {known}", "happened  it is not among them")
    if by_phone and all(not oracle.compares(who, k.type, "mobile", k.states) for k in (CUSTOMER, CONTACT)):
        run.equal("duplicates", who, 0, len(told), f"CheckDuplicates {known}: the field is veiled")


def _masked_or_seen(run: Run, who: Person, one: Any) -> bool:
    """Whether a candidate is one that the person sees, or tells nothing but whom to ask."""
    run.case("duplicates")
    if one.visible:
        record = run.world.find(one.record_type, one.id)
        return record is not None and run.world.oracle.sees(who, record).yes
    whole = {p.name for p in run.world.people}
    return not (one.id or one.name or one.number or one.customer_id or one.customer_name) and (
        one.holder_name not in whole
    )


def clusters(run: Run) -> None:
    """Customers that are there twice: for those who may configure customers, and only where all are seen."""
    oracle, boss = run.world.oracle, run.world.boss
    able = [p for p in run.world.people if oracle.may(p, "customer.configure").yes]
    who = run.world.chance.choice(able) if able and run.world.chance.random() < 0.8 else run.world.somebody()
    outcome = run.ask(who, "ListDuplicateClusters", page_size=200)
    right = oracle.may(who, "customer.configure")
    if not run.answer("clusters", who, None, right, outcome, "ListDuplicateClusters"):
        return
    every = run.ask(boss, "ListDuplicateClusters", page_size=200).answer.clusters
    seen = {r.id for r in run.sees(who, "customer")}
    expected = {c.id for c in every if {m.customer_id for m in c.members} <= seen}
    run.equal("clusters", who, expected, {c.id for c in outcome.answer.clusters}, "ListDuplicateClusters")


def dismissed(run: Run) -> None:
    """A pair that somebody said is not the same is found by whoever sees both, whichever is asked for."""
    record = run.world.something("duplicate_dismissal")
    oracle, end = run.world.oracle, run.world.chance.choice(record.ends)
    who = run.world.somebody()
    condition = f'customer_id = "{end.id}" OR other_id = "{end.id}"'
    outcome = run.ask(who, "ListDuplicateDismissals", filter=condition, page_size=200, fields="id")
    right: Answer = oracle.may(who, "duplicate_dismissal.read")
    if run.answer("list", who, None, right, outcome, "ListDuplicateDismissals") and outcome.code == ALLOWED:
        expected = [r for r in run.sees(who, "duplicate_dismissal") if end in r.ends]
        run.same("list", who, expected, [m.id for m in outcome.answer.duplicate_dismissals], condition)


SURFACES: tuple[Callable[[Run], None], ...] = (drawn, drawn, checked, clusters, dismissed)
