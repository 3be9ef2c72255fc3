"""All customers computed anew in pieces, by key order: what time alone changes, and what a new rule changes."""

from __future__ import annotations

from datetime import date, time
from typing import Any

from sqlalchemy import bindparam, func, select

from crm_kit import jobs, rpc
from crm_kit.jobs import Job, Kind, Step
from crm_kit.organisation_reader import Organisation
from crm_kit.rpc import Call
from crm_records import sql
from customer import clock, last_contact
from customer.standing.computing import recompute_each
from customer.tables import customer

SIZE = 200
"""Customers of one piece."""
KIND = "customer_standings"

_living = customer.c.delete_time.is_(None)
_NEXT = sql.prepare(
    select(customer.c.id)
    .where(customer.c.id > bindparam("last", type_=customer.c.id.type), _living)
    .order_by(customer.c.id)
    .limit(bindparam("size", type_=customer.c.version.type))
)
_FIRST = "00000000-0000-0000-0000-000000000000"


def step(call: Call, job: Job) -> Step:
    """Compute the next customers as of the job's day."""
    day = date.fromisoformat(job.parameters["day"])
    total = None
    if job.position is None:
        total = call.connection.scalar(select(func.count()).select_from(customer).where(_living))
    found = _NEXT.run(call.connection, {"last": job.position or _FIRST, "size": SIZE}).fetchall()
    if found:
        ids = [row[0] for row in found]
        last_contact.renew(call, ids)
        recompute_each(call, ids, day)
    return Step(found[-1][0] if len(found) == SIZE else None, done=len(found), total=total)


SWEEP = Kind(KIND, ("重新计算客户状况", "Customers computed anew"), step, daily=time(0, 10), record_type="customer")


def start(call: Call, day: date | None = None) -> Any:
    """Compute everybody anew soon, in the suite's own name: a rule is for all customers, whoever put it in force."""
    own = rpc.system_call(call.connection, call.service, Organisation(call.connection.engine))
    return jobs.start(own, KIND, "customer", {"day": (day or clock.today(call)).isoformat()})
