"""Surfaces that add up: groups, sums and reports are the oracle's sum over what a person sees. And the inbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from security.facts import Person, Record
from security.kinds import KINDS
from security.run import Run
from security.scopes import ALLOWED
from security.writing import TOLD_OF

CENT = Decimal("0.01")
CLOSED = ("feedback", "archived")


def groups(run: Run) -> None:
    """How many customers there are of each kind."""
    who, by = run.world.somebody(), run.world.chance.choice(["owner_id", "province", "city", "kind"])
    outcome = run.ask(who, "CountCustomers", group_by=by)
    right = run.may_compare(who, KINDS["customer"], by)
    if not run.answer("groups", who, None, right, outcome, f"CountCustomers by {by}"):
        return
    seen = run.sees(who, "customer")
    found = {g.key: g.count for g in outcome.answer.groups}
    run.equal("groups", who, _count(seen, by), found, f"CountCustomers by {by}")
    run.equal("groups", who, len(seen), outcome.answer.total, f"CountCustomers by {by}: total")


def board(run: Run) -> None:
    """Count and amount of opportunities for each column of a board."""
    who, by = run.world.somebody(), run.world.chance.choice(["state", "owner_id", "stage"])
    outcome = run.ask(who, "SummarizeOpportunities", group_by=by)
    right = run.world.oracle.may(who, "opportunity.read")
    if not run.answer("sums", who, None, right, outcome, f"SummarizeOpportunities by {by}"):
        return
    seen = run.sees(who, "opportunity")
    kind = KINDS["opportunity"]
    told = run.world.oracle.compares(who, kind.type, "expected_amount", kind.states)
    expected = {
        key: (count, str(_sum((r for r in seen if _key(r, by) == key), "expected_amount")) if told else "")
        for key, count in _count(seen, by).items()
    }
    found = {g.key: (g.count, _amount(g.expected_amount)) for g in outcome.answer.groups}
    run.equal("sums", who, expected, found, f"SummarizeOpportunities by {by}")


def sales_report(run: Run) -> None:
    """Opportunities by owner: how many, how many won, for how much."""
    run.services.tell()
    who = run.world.somebody()
    outcome = _report(run, who, "GetOpportunitySummary", "opportunity", "owner")
    if outcome is None:
        return
    seen = run.sees(who, "opportunity")
    expected, found = {}, {r.key: (r.count, r.won_count, Decimal(r.won_amount)) for r in outcome.rows}
    for key in _count(seen, "owner_id"):
        mine = [r for r in seen if _key(r, "owner_id") == key]
        won = [r for r in mine if _is_won(r)]
        expected[key] = (len(mine), len(won), _sum(won, "won_amount"))
    run.equal("report", who, expected, found, "GetOpportunitySummary by owner")
    total = (len(seen), _sum((r for r in seen if _is_won(r)), "won_amount"))
    run.equal("report", who, total, (outcome.total.count, Decimal(outcome.total.won_amount)), "its total")


def customer_report(run: Run) -> None:
    """Customers by owner or province."""
    run.services.tell()
    who, by = run.world.somebody(), run.world.chance.choice(["owner", "province"])
    answer = _report(run, who, "GetCustomerSummary", "customer", by)
    if answer is not None:
        expected = _count(run.sees(who, "customer"), {"owner": "owner_id"}.get(by, by))
        run.equal("report", who, expected, {r.key: r.count for r in answer.rows}, f"GetCustomerSummary by {by}")
        run.equal("report", who, sum(expected.values()), answer.total.count, "its total")


def service_report(run: Run) -> None:
    """Service requests by owner or state, and how many are still open."""
    run.services.tell()
    who, by = run.world.somebody(), run.world.chance.choice(["owner", "state"])
    answer = _report(run, who, "GetServiceSummary", "service_request", by)
    if answer is not None:
        seen = run.sees(who, "service_request")
        expected = _count(seen, {"owner": "owner_id"}.get(by, by))
        run.equal("report", who, expected, {r.key: r.count for r in answer.rows}, f"GetServiceSummary by {by}")
        still_open = sum(r.state not in CLOSED for r in seen)
        run.equal("report", who, still_open, answer.total.open_count, f"GetServiceSummary by {by}: open")


def _report(run: Run, who: Person, rpc: str, resource: str, by: str) -> Any:
    """The answer of a report; None where it was refused, which is a case itself."""
    oracle = run.world.oracle
    right = oracle.may(who, "report.read")
    right = oracle.may(who, f"{resource}.read") if right.yes else right
    outcome = run.ask(who, rpc, group_by=by)
    return outcome.answer if run.answer("report", who, None, right, outcome, f"{rpc} by {by}") else None


def inbox(run: Run) -> None:
    """Everybody finds what was given to them and whose teams they are in; nobody marks another's as read."""
    run.services.tell()
    who = run.world.chance.choice([p for p in run.world.people if run.given[p.id]] or run.world.people)
    outcome = run.ask(who, "ListNotifications", page_size=200)
    if outcome.code != ALLOWED:
        run.find("wrong refusal", "event", who, None, f"happened  {outcome.code} {outcome.said}")
        return
    found = Counter(n.record_id for n in outcome.answer.notifications)
    teams = [r.id for r in run.world.of(*TOLD_OF) for m in r.team if m.person == who.id]
    run.equal("event", who, dict(run.given[who.id] + Counter(teams)), dict(found), "ListNotifications")
    other = run.world.somebody()
    ids = [n.id for n in outcome.answer.notifications]
    if other is not who and ids:
        marked = run.ask(other, "ReadNotifications", ids=ids)
        run.equal("event", other, 0, marked.answer and marked.answer.read, f"ReadNotifications of {who.name}")


def _amount(text: str) -> str:
    return str(Decimal(text).quantize(CENT)) if text else ""


def _is_won(record: Record) -> bool:
    return record.state == "won" or (record.state == "archived" and not record.values["lost_reason"])


def _key(record: Record, name: str) -> str:
    return str(record.values.get(name) or "")


def _count(records: list[Record], name: str) -> dict[str, int]:
    return dict(Counter(_key(r, name) for r in records))


def _sum(records: Any, name: str) -> Decimal:
    return sum((Decimal(str(r.values.get(name) or 0)) for r in records), Decimal(0)).quantize(CENT)


SURFACES: tuple[Callable[[Run], None], ...] = (
    groups,
    board,
    sales_report,
    customer_report,
    service_report,
    inbox,
)
