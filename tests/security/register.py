"""The company register: looked up with its own right, taken over with the right to change the customer."""

from __future__ import annotations

from collections.abc import Callable

from security import company
from security.around import by_right
from security.fields import may_set
from security.kinds import KINDS
from security.oracle import HIDDEN, MASKED
from security.run import LEAK, WRONG_REFUSAL, Run
from security.scopes import ALLOWED, NOT_THERE, Answer
from security.services import REGISTERED

CUSTOMER = KINDS["customer"]
READ, UPDATE, FIELD = "registered_company.read", "customer.update", "legal_representative"


def looked_up(run: Run) -> None:
    """Search and facts are for whoever may read the register."""
    who, one = run.world.somebody(), run.world.chance.choice(REGISTERED)
    right = run.world.oracle.may(who, READ)
    outcome = run.ask(who, "SearchRegisteredCompanies", name=one["name"])
    if run.answer("register", who, None, right, outcome, "SearchRegisteredCompanies"):
        found = [c.credit_code for c in outcome.answer.registered_companies]
        run.equal("register", who, True, one["creditCode"] in found, f"SearchRegisteredCompanies {one['name']}")
    outcome = run.ask(who, "GetRegisteredCompany", credit_code=one["creditCode"])
    run.answer("register", who, None, right, outcome, "GetRegisteredCompany")


def taken_over(run: Run) -> None:
    """A fact is taken over as if it had been typed, and told later as that field is told."""
    chance, oracle, one = run.world.chance, run.world.oracle, run.world.chance.choice(REGISTERED)
    record = run.world.something("customer")
    company.refresh(run.services, record)
    able = [p for p in run.world.people if oracle.may(p, READ).yes and oracle.may_do(p, UPDATE, record).yes]
    who = chance.choice(able) if able and chance.random() < 0.7 else run.world.somebody()
    answer = oracle.may(who, UPDATE)
    answer = oracle.may(who, READ) if answer.yes else answer
    answer = oracle.may_do(who, UPDATE, record) if answer.yes else answer
    answer = Answer(NOT_THERE, "it is deleted") if answer.yes and record.deleted else answer
    answer = may_set(run, who, CUSTOMER, record, {FIELD: one["legalRepresentative"]}) if answer.yes else answer
    said = {"id": record.id, "etag": str(record.version), "credit_code": one["creditCode"], "fields": [FIELD]}
    outcome = run.ask(who, "TakeOverRegisteredCompany", **said)
    run.answer("register", who, record, answer, outcome, f"TakeOverRegisteredCompany {FIELD}")
    if outcome.code == ALLOWED:
        company.reread(run.services, run.world, record)
        for _ in range(2):
            _told(run, record.id)


def _told(run: Run, customer_id: str) -> None:
    """What was taken over into a customer is for whoever sees its details; a fact that became a veiled field is not."""
    who, record = run.world.somebody(), run.world.find("customer", customer_id)
    assert record is not None
    outcome = run.ask(who, "ListRegisterTakeovers", customer_id=customer_id)
    details = by_right(run, who, "customer.read", record)
    if run.answer("register", who, record, details, outcome, "ListRegisterTakeovers"):
        level = run.world.oracle.shows(who, record, FIELD)
        run.case("field in takeovers")
        told = all(t.facts.legal_representative for t in outcome.answer.takeovers)
        if told == (level in (HIDDEN, MASKED)):
            what = LEAK if told else WRONG_REFUSAL
            run.find(what, "field in takeovers", who, record, f"expected  {level}", f"happened  {outcome.answer}")


SURFACES: tuple[Callable[[Run], None], ...] = (looked_up, taken_over, taken_over)
