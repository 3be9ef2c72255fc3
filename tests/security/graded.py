"""What is computed of customers: scores and their reasons, members of segments, tiers of pyramids."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from security import company
from security.around import by_right
from security.facts import Person, Record
from security.kinds import KINDS
from security.oracle import HIDDEN, MASKED
from security.run import Run
from security.scopes import ALLOWED, NO_RIGHT, NOT_THERE, Answer
from security.services import Services
from security.world import World

CUSTOMER = KINDS["customer"]
LARGE, BUSY = Decimal(50_000_000), Decimal(500_000)
"""Revenue and orders from which on a customer is in the upper tier, and in the upper band of a model."""
LEVELS = [{"level": "A", "from": "50"}, {"level": "C", "from": "0"}]


def set_up(services: Services, world: World) -> None:
    """A model and a pyramid by a field, the same by the ledger; segments by a field, by a score, and one in person."""
    by_field = {"class": "trait", "source": "field", "field": "annual_revenue"}
    by_ledger = {"class": "trade", "source": "order_amount", "months": 120}
    for code, criterion, limit in (("size", by_field, LARGE), ("ledger", by_ledger, BUSY)):
        bands = [{"to": str(limit), "points": "0"}, {"from": str(limit), "points": "10"}]
        criteria = [{"name": code, "weight": "100", "bands": bands, **criterion}]
        model = {"name": code, "code": code, "purpose": "value", "criteria": criteria, "levels": LEVELS}
        made = _made(services, world, "CreateValueModel", value_model=model)
        _made(services, world, "ActivateValueModel", id=made.id, etag=made.etag)
    services.servers["customer"].run_jobs()
    for record_type in ("customer", "churn_case"):  # what is computed of a customer is its stage and warnings, too
        company.reread_all(services, world, record_type)
    for code, base, limit in (
        ("size", {"base": "field", "field": "annual_revenue"}, LARGE),
        ("ledger", {"base": "order_total"}, BUSY),
    ):
        tiers = [{"name": "Top", "from": str(limit)}, {"name": "Rest"}]
        pyramid = {"name": code, "method": "threshold", "tiers": tiers, **base}
        made = _made(services, world, "CreatePyramid", pyramid=pyramid)
        _made(services, world, "TakePyramidSnapshot", id=made.id)
        services.servers["customer"].run_jobs()
        (snapshot,) = _made(services, world, "ListPyramidSnapshots", id=made.id).snapshots
        world.graded[f"snapshot {code}"] = snapshot.id
        world.graded[f"amounts {code}"] = _amounts(world, code)
    score = {"kind": "score", "code": "size", "from": "50"}
    for name, segment in (
        ("field", {"filter": f"annual_revenue >= {LARGE}", "shared": True}),
        ("city", {"filter": 'city = "苏州"', "shared": True}),
        ("score", {"conditions": [score], "shared": True}),
        ("personal", {"filter": 'city = "苏州"'}),
    ):
        made = _made(services, world, "CreateSegment", segment={"name": name, "kind": "live", **segment})
        world.graded[f"segment {name}"] = made.id


def _made(services: Services, world: World, rpc: str, **fields: Any) -> Any:
    outcome = services.ask(world.boss, rpc, **fields)
    assert outcome.code == ALLOWED, (rpc, outcome)
    return outcome.answer


def _amounts(world: World, code: str) -> dict[str, Decimal]:
    """What each customer is graded by, as it is now."""
    living = [c for c in world.records["customer"] if not c.deleted]
    if code == "size":
        return {c.id: Decimal(str(c.values["annual_revenue"])) for c in living if c.values["annual_revenue"]}
    amounts = {c.id: Decimal(0) for c in living}
    for entry in world.records["trade_entry"]:
        if entry.parent and entry.values["kind"] == "order" and not entry.deleted:
            amounts[entry.parent.id] += Decimal(str(entry.values["amount"]))
    return amounts


def _in_full(run: Run, who: Person, code: str) -> bool:
    """Whether somebody may ask by what a pyramid is made of."""
    if code == "size":
        return run.world.oracle.compares(who, "customer", "annual_revenue", CUSTOMER.states)
    return run.world.oracle.all_of(who, "trade_entry")


def _of_one(run: Run, who: Person, code: str, record: Record) -> bool:
    """Whether somebody sees in full what the score of a customer is made of."""
    oracle = run.world.oracle
    if code == "size":
        return oracle.shows(who, record, "annual_revenue") not in (HIDDEN, MASKED)
    return oracle.reads_below(who, record, "trade_entry")


def scores(run: Run) -> None:
    """Scores, and the figures that levels follow from, are for whoever sees all that the model looks at."""
    who = run.world.somebody()
    record = run.world.find("customer", run.world.chance.choice(list(run.world.graded["amounts size"])))
    if record is None:
        return
    expected = {c for c in ("size", "ledger") if _of_one(run, who, c, record)}
    details = by_right(run, who, "customer.read", record)
    outcome = run.ask(who, "ListCustomerScores", customer_id=record.id)
    if run.answer("scores", who, record, details, outcome, "ListCustomerScores"):
        found = {s.code for s in outcome.answer.scores}
        run.equal("scores", who, expected, found, f"ListCustomerScores of {record.id}")
    outcome = run.ask(who, run.world.chance.choice(["ListStandings", "ListStandingHistory"]), customer_id=record.id)
    if run.answer("scores", who, record, details, outcome, "standings with reasons"):
        told = [*getattr(outcome.answer, "standings", ()), *getattr(outcome.answer, "changes", ())]
        shown = {s.topic: bool(s.reasons.fields) for s in told if s.topic.startswith("value.")}
        wanted = {f"value.{c}": c in expected for c in ("size", "ledger")}
        run.equal("scores", who, wanted, shown, f"reasons of the levels of {record.id}")


def members(run: Run) -> None:
    """Members of a segment are those that one sees; who does not see what it compares cannot use it."""
    who, oracle = run.world.somebody(), run.world.oracle
    name = run.world.chance.choice(["field", "city", "score", "personal"])
    answer = oracle.may(who, "segment.read")
    if answer.yes and not oracle.may(who, "customer.read").yes:
        answer = Answer(NO_RIGHT, "may not read customers")
    elif answer.yes and name == "personal" and who is not run.world.boss:
        answer = Answer(NOT_THERE, "somebody else's")
    elif answer.yes and not _uses(run, who, name):
        answer = Answer(NO_RIGHT, "does not see all that the segment looks at")
    compared = {"field": "annual_revenue", "score": "annual_revenue"}.get(name, "city")
    expected = [r for r in _asked(run, who, compared) if _belongs(run, name, r)]
    if name == "score":
        expected = [r for r in expected if not oracle.limited(who, r)]
    this = run.world.graded[f"segment {name}"]
    if run.world.chance.random() < 0.4:
        outcome = run.ask(who, "CountSegmentMembers", id=this)
        if run.answer("segment", who, None, answer, outcome, f"CountSegmentMembers of {name}"):
            run.equal("segment", who, len(expected), outcome.answer.count, f"CountSegmentMembers of {name}")
        return
    ids: list[str] = []
    page_token = ""
    while True:
        outcome = run.ask(who, "ListSegmentMembers", id=this, page_size=200, fields="id", page_token=page_token)
        if outcome.code != ALLOWED or not answer.yes:
            run.answer("segment", who, None, answer, outcome, f"ListSegmentMembers of {name}")
            return
        ids += [c.id for c in outcome.answer.customers]
        page_token = outcome.answer.next_page_token
        if not page_token:
            break
    run.same("segment", who, expected, ids, f"ListSegmentMembers of {name}")


def _uses(run: Run, who: Person, name: str) -> bool:
    compared = "city" if name in ("city", "personal") else "annual_revenue"
    return run.world.oracle.compares(who, "customer", compared, CUSTOMER.states)


def _asked(run: Run, who: Person, name: str) -> list[Record]:
    """The customers that somebody sees and may ask about by a field: a pool that keeps it leaves its own out."""
    return [r for r in run.sees(who, "customer") if not run.world.oracle.kept(who, r, name, comparing=True)]


def _belongs(run: Run, name: str, record: Record) -> bool:
    if name in ("city", "personal"):
        return record.values["city"] == "苏州"
    if name == "score":
        return run.world.graded["amounts size"].get(record.id, Decimal(0)) >= LARGE
    return Decimal(str(record.values["annual_revenue"] or 0)) >= LARGE


def pyramid(run: Run) -> None:
    """Size and sum of the tiers, and their customers, over those that one sees."""
    who, oracle = run.world.somebody(), run.world.oracle
    code, limit = run.world.chance.choice([("size", LARGE), ("ledger", BUSY)])
    answer = oracle.may(who, "pyramid.read")
    if answer.yes and not (oracle.may(who, "customer.read").yes and _in_full(run, who, code)):
        answer = Answer(NO_RIGHT, "does not see all that the pyramid is made of")
    amounts = run.world.graded[f"amounts {code}"]
    asked = _asked(run, who, "annual_revenue" if code == "size" else "trade_entry")
    seen = [r for r in asked if r.id in amounts]
    top = [r for r in seen if amounts[r.id] >= limit]
    this = run.world.graded[f"snapshot {code}"]
    outcome = run.ask(who, "GetPyramidFigures", snapshot_id=this)
    if run.answer("pyramid", who, None, answer, outcome, f"GetPyramidFigures by {code}"):
        found = [(t.customers, Decimal(t.amount)) for t in outcome.answer.tiers]
        parts = (top, [r for r in seen if r not in top])
        expected = [(len(part), sum((amounts[r.id] for r in part), Decimal(0))) for part in parts]
        run.equal("pyramid", who, expected, found, f"GetPyramidFigures by {code}")
    outcome = run.ask(who, "ListPyramidCustomers", snapshot_id=this, tier="Top", page_size=200, fields="id")
    if run.answer("pyramid", who, None, answer, outcome, f"ListPyramidCustomers by {code}") and len(top) <= 200:
        run.same("pyramid", who, top, [c.id for c in outcome.answer.customers], f"ListPyramidCustomers by {code}")


SURFACES: tuple[Callable[[Run], None], ...] = (scores, members, pyramid)
