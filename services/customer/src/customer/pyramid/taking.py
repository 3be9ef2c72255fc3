"""Taking snapshots: figures in pieces by key order, then the limits of the tiers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, insert, select, update

from crm_kit import errors, ids, jobs
from crm_kit.jobs import Job, Kind, Step
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import storing
from crm_records.record import Row
from customer import clock
from customer.pyramid import tiers
from customer.pyramid.record import PYRAMIDS
from customer.pyramid.tables import place, pyramid, snapshot
from customer.tables import customer
from customer.trade.tables import trade_month
from customer.value import fields
from customer.value.tables import score

KIND = "pyramid_snapshot"
SIZE = 5000
"""Customers of one step."""


def start(call: Call, pyramid_id: str) -> str:
    """Take one as a job; its id."""
    of(call, pyramid_id)
    job_id = jobs.start(call, KIND, "pyramid", {"pyramid": pyramid_id, "day": clock.today(call).isoformat()})
    assert job_id is not None
    return job_id


def of(call: Call, pyramid_id: str) -> Row:
    """A living pyramid, or NOT_FOUND."""
    if kinds.is_id(pyramid_id):
        query = select(pyramid).where(pyramid.c.id == pyramid_id, pyramid.c.delete_time.is_(None))
        found = call.connection.execute(query).one_or_none()
        if found is not None:
            return storing.as_row(call, PYRAMIDS, tuple(found))
    raise errors.NotFound()


def step(call: Call, job: Job) -> Step:
    """The next customers of the pyramid that is under way, or its end. The daily job has all of them on day 1."""
    day = date.fromisoformat(job.parameters["day"])
    at = dict(job.position or _begin(call, job, day))
    if not at["waiting"]:
        return Step()
    try:
        living = of(call, at["waiting"][0])
    except errors.NotFound:  # deleted since
        return _next(at)
    if not at["snapshot"]:
        at["snapshot"] = _open(call, living, day)
    rule = call.connection.scalars(select(snapshot.c.rule).where(snapshot.c.id == at["snapshot"])).one()
    amount = amount_of(call, rule, day)
    last = None
    if amount is not None:
        piece = select(customer.c.id).where(customer.c.delete_time.is_(None)).order_by(customer.c.id).limit(SIZE)
        piece = piece.where(customer.c.id > at["last"]) if at["last"] else piece
        found = list(call.connection.scalars(piece))
        if found:
            chosen = select(bindparam("s", at["snapshot"], place.c.snapshot_id.type), customer.c.id, amount)
            chosen = chosen.where(customer.c.id >= found[0], customer.c.id <= found[-1])
            chosen = chosen.where(customer.c.delete_time.is_(None), amount.is_not(None))
            call.connection.execute(insert(place).from_select(["snapshot_id", "customer_id", "amount"], chosen))
        last = found[-1] if len(found) == SIZE else None
        if last:
            return Step({**at, "last": last}, done=len(found))
    _close(call, rule, at["snapshot"])
    return _next(at)


def _begin(call: Call, job: Job, day: date) -> dict[str, Any]:
    if "pyramid" in job.parameters:
        waiting = [job.parameters["pyramid"]]
    elif day.day == 1:
        query = select(pyramid.c.id).where(pyramid.c.delete_time.is_(None)).order_by(pyramid.c.id)
        waiting = list(call.connection.scalars(query))
    else:
        waiting = []
    return {"waiting": waiting, "snapshot": "", "last": ""}


def _next(at: dict[str, Any]) -> Step:
    waiting = at["waiting"][1:]
    return Step({"waiting": waiting, "snapshot": "", "last": ""} if waiting else None)


def _open(call: Call, rule: Row, day: date) -> str:
    row = {"id": ids.uuid7(), "pyramid_id": rule["id"], "pyramid_version": rule["version"], "date": day}
    kept = {n: rule[n] for n in ("base", "field", "model", "method", "tiers")}  # whoever changes it while it is taken
    row |= {"time": datetime.now(UTC), "rule": kept, "complete": False}
    call.connection.execute(insert(snapshot).values(row))
    return str(row["id"])


def _close(call: Call, rule: Mapping[str, Any], snapshot_id: str) -> None:
    limits = [t.get("from") or "" for t in rule["tiers"]]
    if rule["method"] == "share":
        limits = _limits(call, snapshot_id, [Decimal(t["share"]) for t in rule["tiers"]])
    kept: dict[str, Any] = {n: rule[n] for n in ("base", "field", "model", "method")}
    found = [{"name": t["name"], "limit": limit} for t, limit in zip(rule["tiers"], limits, strict=True)]
    kept["tiers"] = _counted(call, snapshot_id, {**kept, "tiers": found})
    call.connection.execute(update(snapshot).where(snapshot.c.id == snapshot_id).values(rule=kept, complete=True))


def _counted(call: Call, snapshot_id: str, rule: dict[str, Any]) -> list[dict[str, Any]]:
    """The tiers with what each has in all: who reaches everybody need not count again."""
    tier = tiers.column(place.c.amount, rule)
    query = select(tier, func.count(), func.sum(place.c.amount)).where(place.c.snapshot_id == snapshot_id)
    counted = {row[0]: (row[1], row[2]) for row in call.connection.execute(query.group_by(tier))}
    told = [counted.get(i, (0, Decimal(0))) for i in range(len(rule["tiers"]))]
    return [{**t, "customers": n, "amount": f"{amount:f}"} for t, (n, amount) in zip(rule["tiers"], told, strict=True)]


def _limits(call: Call, snapshot_id: str, shares: list[Decimal]) -> list[str]:
    """What a figure must exceed to be in a tier: that of the first customer who is not in it any more.

    Of equal ones nobody is preferred: where not all fit into a tier, all are in the next. So a tier may be smaller than
    its share, never larger.
    """
    mine = place.c.snapshot_id == snapshot_id
    number = call.connection.scalar(select(func.count()).select_from(place).where(mine)) or 0
    found, reached = [], Decimal(0)
    for share in shares[:-1]:
        reached += share
        query = select(place.c.amount).where(mine).order_by(place.c.amount.desc(), place.c.customer_id.desc())
        amount = call.connection.scalar(query.offset(int(reached * number / 100)).limit(1))
        found.append("" if amount is None else f"{amount.normalize():f}")
    return [*found, ""]


def amount_of(call: Call, rule: Mapping[str, Any], day: date) -> ColumnElement[Any] | None:
    """The figure of a customer; none where the field is no more. Months that are to come do not count."""
    base = rule["base"]
    if base == "field":
        found = fields.find(call, rule["field"])
        return found.column if found is not None and found.numeric else None
    if base == "score":
        mine = (score.c.customer_id == customer.c.id) & (score.c.code == rule["model"])
        return select(score.c.score).where(mine).correlate(customer).scalar_subquery()
    c = trade_month.c
    column = c.order_amount if base in ("order_total", "year_orders") else c.receipt_amount
    query = select(func.coalesce(func.sum(column), 0)).where(c.customer_id == customer.c.id)
    query = query.where(c.month <= clock.first_of_month(day))
    if base.startswith("year_"):
        query = query.where(c.month >= date(day.year, 1, 1))
    return query.correlate(customer).scalar_subquery()


TAKE = Kind(KIND, ("客户金字塔快照", "Snapshots of customer pyramids"), step, daily=time(1, 10), record_type="pyramid")
