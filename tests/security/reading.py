"""Surfaces that show records: by id, lists, search, counts, what happened to one, what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from security.facts import Person, Record
from security.kinds import KINDS, Kind, right_of
from security.oracle import is_gone
from security.run import Run
from security.scopes import ALLOWED, NOT_THERE, Answer
from security.services import HTTP

from crm.customer.v1.contacts_pb2 import Contact
from crm.customer.v1.demands_pb2 import Demand
from crm.customer.v1.relationships_pb2 import Relationship
from crm.customer.v1.visits_pb2 import Visit
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm.service_desk.v1.requests_pb2 import ServiceRequest

CAP = 1000
ROWS = (Contact, Opportunity, Visit, Relationship, Demand, ServiceRequest)
KINDS_BY_MESSAGE = {kind.DESCRIPTOR.full_name: kind for kind in ROWS}


def read(run: Run) -> None:
    """One record by its id, deleted ones too."""
    who, record = run.world.somebody(), run.world.something()
    kind = KINDS[record.type]
    outcome = run.ask(who, f"Get{kind.noun}", id=record.id)
    if run.answer("read", who, record, run.world.oracle.sees(who, record), outcome, f"Get{kind.noun}"):
        run.equal("read", who, record.id, outcome.answer.id, f"the id of {record.id}")


def listed(run: Run) -> None:
    """All pages of a list, with a filter and an order or without, with a count or without."""
    chance, who = run.world.chance, run.world.somebody()
    kind = KINDS[chance.choice(list(KINDS))]
    records, name, value = run.world.records[kind.type], "", ""
    if kind.compared and chance.random() < 0.6:
        name = chance.choice(kind.compared)
        value = str(chance.choice(records).values.get(name) or "")
    if name == "owner_id" and chance.random() < 0.5:
        value = who.id
    condition = f'{name} = "{value}"' if value else f"{name} = null" if name else ""
    order = chance.choice(["", *kind.ordered, *(f"{n} desc" for n in kind.ordered)])
    count = chance.choice(["", "", "capped", "exact"])
    asked = f"List{kind.nouns} filter={condition} order={order} count={count}"
    right = run.may_compare(who, kind, name, order.partition(" ")[0])
    found = pages(run, who, kind, right, asked, filter=condition, order_by=order, count=count)
    if found is None:
        return
    ids, total = found
    seen = [r for r in run.sees(who, kind.type) if not name or str(r.values.get(name) or "") == value]
    used = [n for n in (name, order.partition(" ")[0]) if n]
    expected = [r for r in seen if not any(run.world.oracle.kept(who, r, n, comparing=True) for n in used)]
    run.same("list", who, expected, ids, asked)
    if count:
        run.equal("count", who, min(len(expected), CAP) if count == "capped" else len(expected), total, asked)


def bin(run: Run) -> None:
    """The recycle bin shows what one would see if it were not there."""
    who = run.world.somebody()
    kind = KINDS[run.world.chance.choice([k for k in KINDS if KINDS[k].verbs])]
    right = run.world.oracle.may(who, f"{kind.type}.read")
    asked = f"List{kind.nouns} deleted"
    found = pages(run, who, kind, right, asked, deleted=True)
    if found is None:
        return

    def why(record: Record) -> Answer:
        return run.world.oracle.may_read(who, f"{kind.type}.read", record)

    expected = [r for r in run.world.records[kind.type] if r.deleted and why(r).yes]
    run.same("recycle bin", who, expected, found[0], asked, why)


def pages(run: Run, who: Person, kind: Kind, right: Answer, asked: str, **how: Any) -> tuple[list[str], int] | None:
    """(ids over all pages, total of the first); None where it was refused, which is a case itself."""
    ids: list[str] = []
    page_token, total = "", 0
    size = run.world.chance.choice([50, 200, 200])
    while True:
        outcome = run.ask(who, f"List{kind.nouns}", page_size=size, page_token=page_token, fields="id", **how)
        if outcome.code != ALLOWED or not right.yes:
            run.answer("list", who, None, right, outcome, asked)
            return None
        ids += [m.id for m in getattr(outcome.answer, kind.plural)]
        total = total if page_token else outcome.answer.total
        page_token = outcome.answer.next_page_token
        if not page_token:
            return ids, total


def search(run: Run) -> None:
    """The search box finds what one sees, and nothing else."""
    who = run.world.somebody()
    kind = KINDS[run.world.chance.choice([k for k in KINDS if KINDS[k].searched])]
    target = run.world.chance.choice(run.world.records[kind.type])
    name = run.world.chance.choice([n for n in kind.searched if target.values[n]])
    words = str(target.values[name])
    asked = f"List{kind.nouns} search={words} ({name})"
    oracle = run.world.oracle
    found = pages(run, who, kind, oracle.may(who, f"{kind.type}.read"), asked, search=words)
    if found is None:
        return
    by_it = oracle.compares(who, kind.type, name, kind.states)  # else it must not be found by this
    by_it = by_it and not oracle.kept(who, target, name, comparing=True)
    expected = [
        r for r in run.sees(who, kind.type) if (by_it and r is target) or (r.id in found[0] and r is not target)
    ]
    run.same("search", who, expected, found[0], asked, lambda r: oracle.sees(who, r))


def briefs(run: Run) -> None:
    """What is known of customers in brief has a right and a scope of its own."""
    who, oracle = run.world.somebody(), run.world.oracle
    right = "customer_brief.read"
    ids: list[str] = []
    page_token = ""
    while True:
        outcome = run.ask(who, "ListCustomerBriefs", page_size=200, page_token=page_token)
        if outcome.code != ALLOWED or not oracle.may(who, right).yes:
            run.answer("list", who, None, oracle.may(who, right), outcome, "ListCustomerBriefs")
            return
        ids += [m.id for m in outcome.answer.customers]
        page_token = outcome.answer.next_page_token
        if not page_token:
            break

    def why(record: Record) -> Answer:
        return oracle.brief(who, record)

    expected = [r for r in run.world.records["customer"] if not r.deleted and why(r).yes]
    run.same("briefs", who, expected, ids, "ListCustomerBriefs", why)


def history(run: Run) -> None:
    """What happened to a record is shown to whom the record is."""
    who, record = run.world.somebody(), run.world.something()
    outcome = run.services.ask(
        who, "ListChanges", run.over(), service=KINDS[record.type].service, record_type=record.type, id=record.id
    )
    if run.answer("changes", who, record, run.world.oracle.sees_details(who, record), outcome, "ListChanges"):
        run.equal("changes", who, {record.id}, {c.record_id for c in outcome.answer.changes}, "ListChanges")


def actions(run: Run) -> None:
    """What one may do with a record now: what the oracle allows, in a state in which it is possible."""
    who, record = run.world.somebody(), run.world.something(*(k for k in KINDS if KINDS[k].own_states))
    kind, oracle = KINDS[record.type], run.world.oracle
    outcome = run.services.ask(
        who, "ListActions", run.over(), service=kind.service, record_type=record.type, id=record.id
    )
    if not run.answer("actions", who, record, oracle.sees(who, record), outcome, "ListActions"):
        return
    found = {a.action: a.allowed for a in outcome.answer.actions}
    expected = {
        verb: record.state in kind.own_states[verb] and oracle.may_do(who, right_of(verb, kind), record).yes
        for verb in kind.own_states
    }
    if not run.equal("actions", who, expected, found, f"ListActions of {record.type} {record.id} ({record.state})"):
        verb = next(v for v in expected if expected[v] != found.get(v))
        run.findings[-1].lines.append(f"because   {oracle.may_do(who, right_of(verb, kind), record).why}")


def overview(run: Run) -> None:
    """The overview is for whom the customer is, in full or in brief. Its parts hold what the lists hold: what the
    services say of one customer, each for itself."""
    who, customer = run.world.somebody(), run.world.something("customer")
    oracle = run.world.oracle
    outcome = run.services.ask(who, "GetOverview", HTTP, id=customer.id)
    full, brief = oracle.sees(who, customer), oracle.brief(who, customer)
    expected = full if full.yes or customer.deleted or not brief.yes else brief
    if not expected.yes and oracle.may(who, "customer_brief.read").yes:
        expected = Answer(NOT_THERE, f"neither in full nor in brief: {brief.why}")
    if not run.answer("overview", who, customer, expected, outcome, "GetOverview"):
        return
    parts = {part.code: part for part in outcome.answer.parts}
    contacts = [r for r in run.sees(who, "contact") if r.parent is customer] if full.yes else []
    _part(run, who, parts["contacts"], contacts, full.yes and oracle.may(who, "contact.read").yes)
    listed = run.may_compare(who, KINDS["opportunity"], "customer_id", "state").yes
    for code, states in (("open_opportunities", _OPEN), ("won_opportunities", ("won",))):
        seen = [r for r in run.sees(who, "opportunity") if r.values.get("customer_id") == customer.id]
        _part(run, who, parts[code], [r for r in seen if r.state in states], listed)
    visits = [r for r in run.sees(who, "visit") if r.parent is customer] if full.yes else []
    visiting = full.yes and oracle.may(who, "visit.read").yes
    _part(run, who, parts["planned_visits"], [r for r in visits if r.state == "planned"], visiting)
    _part(run, who, parts["past_visits"], [r for r in visits if r.values["check_in_time"]], visiting)
    ties = [r for r in run.sees(who, "relationship") if customer in r.ends] if full.yes else []
    _part(run, who, parts["relationships"], ties, full.yes and oracle.may(who, "relationship.read").yes)
    wishes = [r for r in run.sees(who, "demand") if r.parent is customer] if full.yes else []
    _part(run, who, parts["valid_demands"], wishes, full.yes and oracle.may(who, "demand.read").yes)
    asked = [r for r in run.sees(who, "service_request") if r.values.get("customer_id") == customer.id]
    asked = [r for r in asked if r.state in ("created", "assigned", "handled")]
    _part(run, who, parts["open_requests"], asked, run.may_compare(who, KINDS["service_request"], "customer_id").yes)


_OPEN = ("unassigned", "assigned", "developing")


def _part(run: Run, who: Person, part: Any, expected: list[Record], shown: bool) -> None:
    """A part is told or not, counts what is seen, and its rows are of that."""
    asked = f"part {part.code} of GetOverview"
    if not run.equal("overview", who, "shown" if shown else "no_right", part.state, asked):
        return
    run.equal("overview", who, len(expected) if shown else 0, part.total, asked)
    found = [KINDS_BY_MESSAGE[row.TypeName()].FromString(row.value).id for row in part.rows]
    among = [r for r in expected if r.id in found] if len(expected) > len(found) else expected
    run.same("overview", who, among if shown else [], found, asked)


def explained(run: Run) -> None:
    """Why somebody may or may not: what is explained is what is so."""
    chance, oracle = run.world.chance, run.world.oracle
    who, record = run.world.somebody(), chance.choice([r for r in run.world.of(*KINDS) if not is_gone(r)])
    right = f"{record.type}.{chance.choice(['read', 'read', 'update', 'delete', 'assign'])}"
    outcome = run.services.ask(
        run.world.boss,
        "ExplainAccess",
        run.over(),
        service=KINDS[record.type].service,
        record_type=record.type,
        id=record.id,
        user_id=who.id,
        right=right,
    )
    if run.answer("explain", run.world.boss, record, Answer(ALLOWED, "asked by the boss"), outcome, right):
        answer = oracle.may_do(who, right, record)
        if not run.equal("explain", who, answer.yes, outcome.answer.allowed, f"{right} on {record.type} {record.id}"):
            run.findings[-1].lines.append(f"because   {answer.why}")


SURFACES: tuple[Callable[[Run], None], ...] = (
    read,
    read,
    read,
    listed,
    listed,
    bin,
    search,
    briefs,
    history,
    actions,
    overview,
    explained,
)
