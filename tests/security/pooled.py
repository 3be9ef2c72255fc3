"""Customers in public pools: opened, taken, given out, given back; and what is told of the pools themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from security import company
from security.facts import Person, Pool, Record
from security.fields import compare_all
from security.kinds import KINDS
from security.run import Run
from security.scopes import ALLOWED, NO_RIGHT, NOT_THERE, Answer

CUSTOMER = KINDS["customer"]
USED_UP, NOT_NOW = "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"


def looked_at(run: Run) -> None:
    """Every ruled field of the customers in pools that a member sees, row by row; then one of them is opened."""
    who, records = _member(run)
    outcome = run.ask(who, "ListCustomers", page_size=200, fields="*", filter="pool_id != null")
    if not run.answer("pool", who, None, run.world.oracle.may(who, "customer.read"), outcome, "ListCustomers in pools"):
        return
    seen = {r.id: r for r in run.sees(who, "customer") if r.pool is not None}
    shown = {row.id: row for row in outcome.answer.customers}
    rows = [r for r in seen.values() if r.id in shown]
    for record in run.world.chance.sample(rows, min(len(rows), 4)):
        compare_all(run, "field in pool", who, record, shown[record.id])
    opened(run, who, run.world.chance.choice(records) if records else None)


def opened(run: Run, who: Person, record: Record | None) -> None:
    """Opening counts once a day for each customer, and shows from then on what is kept from members before."""
    record = record or run.world.something("customer")
    pool, oracle = record.pool, run.world.oracle
    answer = oracle.sees(who, record)
    reaches_all = oracle.owners(who, "customer.read", "customer") is None
    if answer.yes and pool is None:
        answer = Answer(NOT_NOW, "it lies in no pool")
    elif answer.yes and pool is not None and pool.views is not None and not reaches_all:
        before = [r for r in run.world.records["customer"] if (who.id, pool.id) in r.opened]
        if record not in before and len(before) >= pool.views:
            answer = Answer(USED_UP, f"{pool.views} were opened today")
    outcome = run.ask(who, "ViewPoolCustomer", id=record.id)
    if run.answer("pool", who, record, answer, outcome, "ViewPoolCustomer"):
        if pool is not None and not reaches_all:
            record.opened.add((who.id, pool.id))
        compare_all(run, "field in pool", who, record, outcome.answer)


def claimed(run: Run) -> None:
    """A member takes a customer out of a pool; others are told that they are none, or nothing."""
    who, records = _member(run)
    record = run.world.chance.choice(records or run.world.records["customer"])
    company.refresh(run.services, record)
    oracle = run.world.oracle
    answer = oracle.may(who, "customer.update")
    answer = _there(run, who, record) if answer.yes else answer
    if answer.yes and record.pool is not None and not oracle.is_member(who, record.pool):
        answer = Answer(NO_RIGHT, "no member of the pool")
    outcome = run.ask(who, "ClaimCustomer", id=record.id, etag=str(record.version))
    run.answer("pool", who, record, answer, outcome, "ClaimCustomer")
    if outcome.code == ALLOWED:
        company.refresh(run.services, record)
        run.equal("pool", who, who.id, record.owner, "ClaimCustomer: whose it is")


def given_out(run: Run) -> None:
    """Who administers a pool gives customers of it to anybody."""
    chance, oracle = run.world.chance, run.world.oracle
    inside = _inside(run)
    record = chance.choice(inside or run.world.records["customer"])
    company.refresh(run.services, record)
    administrators = record.pool.administrators if record.pool else frozenset[str]()
    able = [p for p in run.world.people if p.id in administrators]
    who = chance.choice(able) if able and chance.random() < 0.6 else run.world.somebody()
    answer = oracle.may(who, "customer.assign")
    answer = _there(run, who, record) if answer.yes else answer
    if answer.yes and who.id not in administrators:
        answer = Answer(NO_RIGHT, "does not administer the pool")
    to = run.world.somebody()
    outcome = run.ask(who, "GiveOutCustomer", id=record.id, etag=str(record.version), owner_id=to.id)
    run.answer("pool", who, record, answer, outcome, "GiveOutCustomer")
    if outcome.code != ALLOWED:
        return
    company.refresh(run.services, record)
    if to is not who:
        run.given[to.id][record.id] += 1


def given_back(run: Run) -> None:
    """Who may change a customer puts it into a pool."""
    chance, oracle, right = run.world.chance, run.world.oracle, "customer.update"
    record = run.world.something("customer")
    company.refresh(run.services, record)
    able = [p for p in run.world.people if oracle.may_do(p, right, record).yes]
    who = chance.choice(able) if able and chance.random() < 0.6 else run.world.somebody()
    answer = oracle.may_do(who, right, record)
    if answer.yes and record.deleted:
        answer = Answer(NOT_THERE, "it is deleted")
    elif answer.yes and record.pool is not None:
        answer = Answer(NOT_NOW, "it lies in a pool already")
    into = chance.choice(oracle.pools)
    said = {"id": record.id, "etag": str(record.version), "reason": "other", "pool_id": into.id}
    outcome = run.ask(who, "GiveBackCustomer", **said)
    run.answer("pool", who, record, answer, outcome, "GiveBackCustomer")
    if outcome.code == ALLOWED:
        company.refresh(run.services, record)
        run.equal("pool", who, into, record.pool, "GiveBackCustomer: where it lies")


def told(run: Run) -> None:
    """Moves and figures of a pool are for who administers or configures it; a customer's for who sees its details."""
    who, oracle = run.world.somebody(), run.world.oracle
    pool: Pool = run.world.chance.choice(oracle.pools)
    rpc = run.world.chance.choice(["ListPoolMoves", "GetPoolStatistics", "ListCustomerPoolMoves", "GetReturnTerms"])
    if rpc in ("ListCustomerPoolMoves", "GetReturnTerms"):
        record = run.world.something("customer")
        outcome = run.ask(who, rpc, id=record.id)
        run.answer("pool moves", who, record, oracle.sees_details(who, record), outcome, rpc)
        return
    answer = oracle.may(who, "pool.read")
    if answer.yes and who.id not in pool.administrators and not oracle.may(who, "pool.configure").yes:
        answer = Answer(NO_RIGHT, "neither administers the pool nor configures pools")
    outcome = run.ask(who, rpc, id=pool.id)
    if run.answer("pool moves", who, None, answer, outcome, rpc) and rpc == "GetPoolStatistics":
        inside = [r for r in _inside(run) if r.pool == pool]
        run.equal("pool moves", who, len(inside), outcome.answer.size, "GetPoolStatistics: size")


def _there(run: Run, who: Person, record: Record) -> Answer:
    """Whether somebody sees a customer, and it lies in a pool."""
    seen = run.world.oracle.sees(who, record)
    return Answer(NOT_NOW, "it lies in no pool") if seen.yes and record.pool is None else seen


def _inside(run: Run) -> list[Record]:
    return [r for r in run.world.records["customer"] if r.pool is not None and not r.deleted]


def _member(run: Run) -> tuple[Person, list[Record]]:
    """Somebody, most of the time a member of a pool; and the customers in pools, more often those of their own."""
    chance, oracle, inside = run.world.chance, run.world.oracle, _inside(run)
    members = [p for p in run.world.people if any(oracle.is_member(p, pool) for pool in oracle.pools)]
    who = chance.choice(members) if members and chance.random() < 0.8 else run.world.somebody()
    own: list[Any] = [r for r in inside if r.pool and oracle.is_member(who, r.pool)]
    return who, own if own and chance.random() < 0.7 else inside


SURFACES: tuple[Callable[[Run], None], ...] = (looked_at, looked_at, claimed, given_out, given_back, given_back, told)
