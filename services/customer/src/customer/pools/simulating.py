"""What rules would do, worked out as a job by the same function that decides at night (`terms.decide`)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Integer, Uuid, cast, delete, func, insert, literal, select, text, tuple_

from crm.customer.v1 import pools_pb2 as pb
from crm.records.v1 import jobs_pb2
from crm_kit import errors, jobs, organisation
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.jobs import Job, Kind, Step
from crm_kit.pool import today
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import paging, reaching, validation, writing
from crm_records.jobs import started
from customer.clock import later
from customer.customers import CUSTOMERS
from customer.pools import facts as reading
from customer.pools import moves, pools, tables
from customer.pools.config import ACTIVE_POOLS, Config, of_row
from customer.pools.returning import judged
from customer.pools.tables import simulated_return
from customer.tables import customer

KIND = "pool_simulation"
BATCH = 500
FARTHEST, USUAL_DAYS = 90, 30
KEPT_DAYS = 7
"""Days that what a simulation found is kept."""
_s = simulated_return.c

errors.texts({"pool_too_far": ("最多模拟 {limit} 天", "At most {limit} days are simulated")})


def start(call: Call, request: pb.SimulatePoolRequest) -> jobs_pb2.Job:
    """Begin a simulation. INVALID_ARGUMENT names what is wrong with its rules or its period."""
    query = select(tables.pool.c.id).where(tables.pool.c.id == request.id, tables.pool.c.delete_time.is_(None))
    if not kinds.is_id(request.id) or call.connection.scalar(query) is None:
        raise errors.NotFound()
    begin, end = moves.period(request, first := today(), first + timedelta(days=USUAL_DAYS))
    if end > later(begin, FARTHEST):
        raise errors.Invalid(Problem("untilDate", "pool_too_far", {"limit": FARTHEST}))
    problems: list[Problem] = []
    rules = validation.row_values(request, ["return_rules"], kinds.of(request.DESCRIPTOR), problems)["return_rules"]
    writing.refuse(problems)
    writing.refuse(pools.rule_problems(call, rules))
    old = select(jobs.job.c.id).where(jobs.job.c.kind == KIND)
    forgotten = _s.time < func.now() - text(f"interval '{KEPT_DAYS} days'")
    call.connection.execute(delete(simulated_return).where(forgotten, _s.job_id.in_(old)))
    parameters = {"pool": request.id, "rules": rules, "from": begin.isoformat(), "until": end.isoformat()}
    job_id = jobs.start(call, KIND, pools.POOLS.type, parameters)
    assert job_id is not None
    return started(call, pools.POOLS.registry, job_id)


def kind() -> Kind:
    return Kind(KIND, ("公海规则模拟", "Simulation of a pool's rules"), _step)


def _step(call: Call, job: Job) -> Step:
    begin, end = (date.fromisoformat(job.parameters[n]) for n in ("from", "until"))
    tried = _with_draft(call, job.parameters)
    some = reading.next_owned(call, job.position or "", BATCH)
    lost = [d for d in judged(call, tried, some, begin) if d.pool.id == job.parameters["pool"]]
    rows = []
    for facts, pool, verdict in lost:
        if verdict.day is None or verdict.day > end:
            continue
        row = {"job_id": job.id, "customer_id": facts.customer_id, "pool_id": pool.id, "day": verdict.day}
        row |= {"warning_day": verdict.warning, "owner_id": facts.owner_id, "reason": verdict.reason}
        row |= {"open_opportunity": facts.open_opportunity, "open_contract": facts.has_open_contract(verdict.day)}
        rows.append({**row, "time": datetime.now(UTC)})
    if rows:
        call.connection.execute(insert(simulated_return), rows)
    counts = dict(job.result) or {"customers": 0, "withOpenOpportunity": 0, "withOpenContract": 0}
    counts["customers"] += len(rows)
    counts["withOpenOpportunity"] += sum(1 for r in rows if r["open_opportunity"])
    counts["withOpenContract"] += sum(1 for r in rows if r["open_contract"])
    return Step(some[-1].customer_id if len(some) == BATCH else None, done=len(some), result=counts)


def _with_draft(call: Call, parameters: Mapping[str, Any]) -> dict[str, Config]:
    """The pools in use, and the one that is tried in its place among them, with the rules that are tried."""
    pool_id = parameters["pool"]
    row = call.connection.execute(select(tables.pool).where(tables.pool.c.id == pool_id)).one()
    stored = of_row(row)
    found = {**ACTIVE_POOLS.read(call.connection)}
    found[pool_id] = stored.with_rules(parameters["rules"]) if parameters["rules"] else stored
    return dict(sorted(found.items()))


def _of(call: Call, request: pb.GetPoolSimulationRequest) -> None:
    c = jobs.job.c
    ids = kinds.is_id(request.id) and kinds.is_id(request.job_id)
    query = select(c.parameters).where(c.id == request.job_id, c.kind == KIND)
    parameters = call.connection.scalar(query) if ids else None
    if parameters is None or parameters["pool"] != request.id:
        raise errors.NotFound()


def losses(call: Call, request: pb.GetPoolSimulationRequest) -> pb.ListSimulatedLossesResponse:
    """By day and owner."""
    _of(call, request)
    size = paging.page_size(request)
    sums = [func.sum(cast(_s[n], Integer)).label(n) for n in ("open_opportunity", "open_contract")]
    query = select(_s.day, _s.owner_id, func.count().label("n"), *sums).where(_s.job_id == request.job_id)
    if request.page_token:
        query = query.where(tuple_(_s.day, _s.owner_id) > _place(request.page_token))
    query = query.group_by(_s.day, _s.owner_id).order_by(_s.day, _s.owner_id).limit(size + 1)
    rows = call.connection.execute(query).all()
    names = organisation.names(call.connection, {r.owner_id for r in rows})
    answer = pb.ListSimulatedLossesResponse()
    for row in rows[:size]:
        answer.losses.add(
            day=row.day.isoformat(),
            owner_id=row.owner_id,
            owner_name=names.get(row.owner_id, ""),
            customers=row.n,
            with_open_opportunity=row.open_opportunity,
            with_open_contract=row.open_contract,
        )
    if len(rows) > size:
        answer.next_page_token = _token(rows[size - 1].day, rows[size - 1].owner_id)
    return answer


def returns(call: Call, request: pb.GetPoolSimulationRequest) -> pb.ListSimulatedReturnsResponse:
    """The customers, by day."""
    _of(call, request)
    size = paging.page_size(request)
    query = select(simulated_return).where(_s.job_id == request.job_id)
    if request.page_token:
        query = query.where(tuple_(_s.day, _s.customer_id) > _place(request.page_token))
    rows = call.connection.execute(query.order_by(_s.day, _s.customer_id).limit(size + 1)).all()
    people = organisation.names(call.connection, {r.owner_id for r in rows})
    ids = [r.customer_id for r in rows]
    reads = call.access.may("customer.read")
    reach = CUSTOMERS.reach_of(call.access, "customer.read")
    seen = reaching.those(call, CUSTOMERS, ids, reach) if reads and ids else set()
    c = customer.c
    known = {r.id: r for r in call.connection.execute(select(c.id, c.number, c.name).where(one_of(c.id, ids)))}
    answer = pb.ListSimulatedReturnsResponse()
    for row in rows[:size]:
        there = known.get(row.customer_id)
        answer.returns.add(
            **{n: getattr(row, n) for n in ("customer_id", "owner_id", "reason", "open_opportunity", "open_contract")},
            day=row.day.isoformat(),
            number=there.number if there else "",
            name=there.name if there and row.customer_id in seen else "",
            owner_name=people.get(row.owner_id, ""),
            warning_day=row.warning_day.isoformat() if row.warning_day else "",
        )
    if len(rows) > size:
        answer.next_page_token = _token(rows[size - 1].day, rows[size - 1].customer_id)
    return answer


def _token(day: date, last: str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([day.isoformat(), last])).decode()


def _place(token: str) -> ColumnElement[Any]:
    try:
        day, last = orjson.loads(base64.urlsafe_b64decode(token))
        if not kinds.is_id(last):
            raise ValueError
        return tuple_(literal(date.fromisoformat(day)), literal(last, Uuid(as_uuid=False)))
    except (ValueError, TypeError):
        raise errors.Invalid(key="bad_page_token") from None
