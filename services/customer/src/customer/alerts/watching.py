"""Every day each customer is looked at: what is new is raised, what has no reason any more is done."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import select

from crm.customer.v1 import alerts_pb2 as pb
from crm_kit.db import one_of
from crm_kit.jobs import Job, Kind, Step
from crm_kit.rpc import Call
from crm_records import changes, storing
from crm_records.new_rows import new_row
from crm_records.record import Row
from customer.alerts import reasons, rules
from customer.alerts.reasons import Reason
from customer.alerts.record import ALERTS, DONE, OPEN
from customer.alerts.tables import alert

PAGE = 500
"""Customers that a step looks at."""


def _step(call: Call, job: Job) -> Step:
    page = reasons.page(call, rules.in_force(call), job.position, PAGE, date.fromisoformat(job.parameters["day"]))
    raised, done = look(call, page)
    last = list(page.customers)[-1] if len(page.customers) == PAGE else None
    so_far = {"raised": job.result.get("raised", 0) + raised, "done": job.result.get("done", 0) + done}
    return Step(last, done=len(page.customers), result=so_far)


WATCH = Kind("alerts_watch", ("检查预警", "Look for alerts"), _step, daily=time(1, 40), record_type="alert")


def look(call: Call, page: reasons.Page) -> tuple[int, int]:
    """(how many alerts of these customers were raised, how many were done)"""
    c = alert.c
    query = select(alert).where(one_of(c.customer_id, list(page.customers)), c.state != DONE, c.delete_time.is_(None))
    there = [dict(r) for r in call.connection.execute(query.order_by(c.id).with_for_update()).mappings()]
    found = {reason.key: reason for reason in reasons.of(page)}
    # Credit has no date of its own: as long as it is exceeded the alert that there is stays.
    exceeded = {r.record_id for r in found.values() if r.kind == rules.CREDIT}
    lasting = {row["record_id"] for row in there if row["kind"] == rules.CREDIT and row["record_id"] in exceeded}
    done = 0
    for row in there:
        if row["unique_key"] not in found and not (row["kind"] == rules.CREDIT and row["record_id"] in lasting):
            _end(call, row)
            done += 1
    known = set(call.connection.scalars(select(c.unique_key).where(one_of(c.unique_key, list(found)))))
    new = [
        _row(call, reason)
        for key, reason in sorted(found.items())
        if key not in known and not (reason.kind == rules.CREDIT and reason.record_id in lasting)
    ]
    if new:
        storing.insert_rows(call, ALERTS, new)
        changes.tell(call, ALERTS, "raised", [(None, row) for row in new], new[0]["create_time"])
    return len(new), done


def _row(call: Call, reason: Reason) -> Row:
    row = new_row(call, ALERTS, pb.Alert(), [])
    values: dict[str, Any] = {
        "customer_id": reason.customer["id"],
        "customer_name": reason.customer["name"],
        "record_type": reason.record_type,
        "record_id": reason.record_id,
        "title": reason.title,
        "kind": reason.kind,
        "rule_id": reason.rule["id"],
        "rule_version": reason.rule["version"],
        "date": reason.date,
        "days": reason.days,
        "amount": reason.amount,
        "user_id": reason.customer["owner_id"],
        "state": OPEN,
        "unique_key": reason.key,
    }
    return {**row, **values}


def _end(call: Call, before: Row) -> None:
    now = datetime.now(UTC)
    after = {**before, "state": DONE, "done_time": now}
    storing.store(call, ALERTS, before, after)
    changes.tell(call, ALERTS, "done", [(before, after)], now)
