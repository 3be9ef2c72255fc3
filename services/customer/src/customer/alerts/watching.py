"""Every day each customer is looked at: what is new is raised, what has no reason any more is done, and what comes to
hold again is raised again."""

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
    lasting = {row["unique_key"] for row in there if _lasts(row, found.get(row["unique_key"]))}
    over = [row for row in there if row["unique_key"] not in lasting]
    for row in over:
        _end(call, row)
    new = [_row(call, reason) for key, reason in sorted(found.items()) if key not in lasting]
    if new:
        storing.insert_rows(call, ALERTS, new)
        changes.tell(call, ALERTS, "raised", [(None, row) for row in new], new[0]["create_time"])
    return len(new), len(over)


def _lasts(row: Row, reason: Reason | None) -> bool:
    """Whether there still is what an alert was raised for, on the same day."""
    return reason is not None and reason.date == row["date"]


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
