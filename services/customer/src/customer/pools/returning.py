"""Customers come into a pool: by its rules, every night, as an act that can be taken back; or given back by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from crm.customer.v1 import pool_customers_pb2 as pb
from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.jobs import Job, Kind, Step
from crm_kit.pool import ZONE, today
from crm_kit.rpc import Call
from crm_records import acting, changes, dictionaries, each, images, sql, storing, writing
from crm_records.record import Row
from customer.customers import CUSTOMERS
from customer.pools import facts as reading
from customer.pools.config import ACTIVE_POOLS, Config
from customer.pools.ownership import GIVEN_BACK, RETURNED, Move, because
from customer.pools.tables import pool_warning
from customer.pools.terms import Facts, Verdict, decide
from customer.tables import customer

KIND = "pool_return"
BATCH = 200
"""Customers that one step looks at."""

errors.texts(
    {
        "in_a_pool": ("客户已在公海中", "The customer lies in a pool already"),
        "customer_locked": ("客户已锁定，不能退回公海", "The customer is locked and cannot be given back"),
        "no_pool": ("没有适用于该客户的公海", "No pool is responsible for the customer"),
    }
)


class Due(NamedTuple):
    """A customer with what the rules of its pool make of it."""

    facts: Facts
    pool: Config
    verdict: Verdict


def judged(call: Call, pools: Mapping[str, Config], some: Sequence[Facts], day: date) -> list[Due]:
    """Those customers for which one of the pools is responsible."""
    found = reading.Responsible(call, pools.values()).of(some)
    return [Due(f, at[0], decide(f, at[0].rules, day)) for f, at in zip(some, found, strict=True) if at]


def _step(call: Call, job: Job) -> Step:
    day = date.fromisoformat(job.parameters["day"])
    at = job.position or {"after": "", "act": False}
    pools = ACTIVE_POOLS.read(call.connection)
    looked_at = reading.next_owned(call, at["after"], BATCH) if any(p.rules for p in pools.values()) else []
    dues = judged(call, pools, looked_at, day)
    returned = [d for d in dues if d.verdict.day is not None and d.verdict.day <= day]
    _warn(call, [d for d in dues if d not in returned and _is_to_be_warned(d, day)], day)
    counts = dict(job.result) or {"returned": 0, "warned": 0, "failed": 0}
    counts["warned"] += sum(1 for d in dues if d not in returned and _is_to_be_warned(d, day))
    if returned:
        if at["act"]:
            images.go_on(call, job.id)
        else:
            images.begin(call, job.id, KIND, CUSTOMERS.type, {"day": day.isoformat()})
        at = {**at, "act": True}
        outcomes = each.one(call, returned, lambda due: _return(call, due, day))
        for due, outcome in zip(returned, outcomes, strict=True):
            if outcome.refusal is not None:
                images.fail(call, CUSTOMERS.type, due.facts.customer_id, outcome.reason(call))
        counts["returned"] += sum(1 for o in outcomes if o.value)
        counts["failed"] += sum(1 for o in outcomes if o.refusal is not None)
    if len(looked_at) < BATCH:
        _over(call, job, "")
        return Step(None, done=len(looked_at), result=counts)
    return Step({**at, "after": looked_at[-1].customer_id}, done=len(looked_at), result=counts)


def _over(call: Call, job: Job, _how: str) -> None:
    images.finish(call, job.id)


def daily() -> Kind:
    """The job of every night: the day that it is for is a parameter."""
    return Kind(
        KIND, ("公海自动收回", "Returns to public pools"), _step, time(1, 0), record_type=CUSTOMERS.type, ended=_over
    )


def _is_to_be_warned(due: Due, day: date) -> bool:
    warning, warned = due.verdict.warning, due.facts.warned
    return warning is not None and warning <= day and (warned is None or warned[0] != due.verdict.due)


def _warn(call: Call, dues: Sequence[Due], day: date) -> None:
    """Say once for each customer and term that it will be returned. No change of the customer itself."""
    if not dues:
        return
    kept = [{"customer_id": d.facts.customer_id, "due_day": d.verdict.due, "warned_day": day} for d in dues]
    new = insert(pool_warning)
    again = {n: new.excluded[n] for n in ("due_day", "warned_day")}
    call.connection.execute(new.on_conflict_do_update(index_elements=["customer_id"], set_=again), kept)
    query = select(customer).where(one_of(customer.c.id, [d.facts.customer_id for d in dues]))
    found = [storing.as_row(call, CUSTOMERS, r) for r in sql.prepare(query).run(call.connection).fetchall()]
    by_id = {row["id"]: row for row in found}
    for due in dues:
        assert due.verdict.day is not None
        said = {"returnDay": due.verdict.day.isoformat(), "reason": due.verdict.reason, "poolId": due.pool.id}
        differences = [(name, None, value) for name, value in said.items()]
        row = by_id[due.facts.customer_id]
        call.announce(changes.event(CUSTOMERS, "return_due", row, differences, datetime.now(UTC)))


def _return(call: Call, due: Due, day: date) -> bool:
    """Take one customer from its owner; not one to which something happened since it was looked at."""

    def move(before: Row) -> Mapping[str, Any]:
        if not _is_as_it_was(before, due.facts):
            return {}
        return _into(due.pool, datetime.combine(day, time(), ZONE).astimezone(UTC))

    verdict, rule = due.verdict, due.verdict.rule
    because(call, Move(RETURNED, verdict.reason, None, day, due.pool.version, rule.number if rule else None))
    after = writing.write(call, CUSTOMERS, due.facts.customer_id, None, "returned", move)
    return bool(after["pool_id"] == due.pool.id)


def _is_as_it_was(row: Row, facts: Facts) -> bool:
    held = (row["owner_id"], row["level"], row["locked"], row["protected_until"], row["supply_contract_end"])
    seen = (facts.owner_id, facts.level, facts.locked, facts.protected_until, facts.contract_end)
    ordered, deal = row["last_order_date"], facts.last_deal
    as_late = ordered is None or (deal is not None and ordered <= deal)
    return held == seen and as_late and reading.day_of(row["last_contact_time"]) == facts.last_contact


def _into(pool: Config, moment: datetime) -> dict[str, Any]:
    return {"owner_id": None, "department_id": None, "pool_id": pool.id, "pool_time": moment}


def give_back(call: Call, request: pb.GiveBackCustomerRequest) -> str:
    """Put a customer into a pool by hand; the id of the customer."""
    given = writing.given(request)
    before = storing.locked(call, CUSTOMERS, request.id, request.etag)
    if before["pool_id"]:
        raise errors.Conflict("in_a_pool")
    if before["locked"]:
        raise errors.Conflict("customer_locked")
    pool = _chosen(call, before, given["pool_id"])
    _check_reason(call, pool, given["reason"])
    suite = acting.as_suite(call)
    because(suite, Move(GIVEN_BACK, given["reason"], given["note"], today()))
    moment = datetime.now(UTC)
    writing.write(suite, CUSTOMERS, request.id, None, "given_back", lambda _row: _into(pool, moment))
    call.events += suite.events
    return request.id


def _chosen(call: Call, row: Row, pool_id: str | None) -> Config:
    pools = ACTIVE_POOLS.read(call.connection)
    if pool_id:
        if pool_id not in pools:
            raise errors.Invalid(Problem("poolId", "unknown_reference", {"label": ("公海", "Public pool")}))
        return pools[pool_id]
    at = reading.Responsible(call, pools.values()).of(reading.of(call, [row["id"]]))[0]
    if at is None:
        raise errors.Conflict("no_pool")
    return at[0]


def _check_reason(call: Call, pool: Config, reason: str) -> None:
    label = ("退回原因", "Reason")
    known = dictionaries.KEPT.read(call.connection).get("return_reason", {})
    entries = {code: e for code, e in known.items() if not pool.reasons or code in pool.reasons}
    if reason not in entries or entries[reason].retired:
        raise errors.Invalid(dictionaries.refusal("reason", label, reason, entries))
