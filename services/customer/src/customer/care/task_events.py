"""What becomes of the task that an item turned into: done with it, failed with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Connection, select

from crm.records.v1.event_pb2 import Event
from crm.workspace.v1.tasks_pb2 import Task
from crm_records import acting, changes, storing
from crm_records import fields as kinds
from crm_records.record import Row
from customer.care import items
from customer.care.items import CARE_ITEMS
from customer.care.tables import care_item

_BY_TASK = {"open": items.SENT, "done": items.DONE, "cancelled": items.FAILED}
_ACTIONS = {items.SENT: "reopened", items.DONE: "completed", items.FAILED: "failed"}


def apply(connection: Connection, events: Sequence[Event]) -> None:
    """Follow the tasks of items. The newest event alone says the same as all of them."""
    for event in events:
        task = Task.FromString(event.record.value)
        if task.record_type == CARE_ITEMS.type and event.record_id == task_of(task.record_id):
            _follow(connection, event, task)


def task_of(item_id: str) -> str:
    """The id of the task that the workspace makes of an item. Anybody may write one about it: this one counts."""
    return str(uuid5(UUID(item_id), "task")) if kinds.is_id(item_id) else ""


def _follow(connection: Connection, event: Event, task: Task) -> None:
    query = select(care_item).where(care_item.c.id == task.record_id).with_for_update()
    found: Any = connection.execute(query).mappings().one_or_none()
    state = items.FAILED if event.action == "deleted" else _BY_TASK.get(task.state)
    if found is None or state is None or found["state"] not in _ACTIONS or found["state"] == state:
        return
    before: Row = dict(found)
    if before["channel"] not in ("call", "task"):
        return
    now = event.time.ToDatetime(UTC)
    said = {"result": task.result or before["result"], "done_time": now} if state == items.DONE else {"done_time": None}
    after = {**before, "state": state, **said}
    if state == items.FAILED:
        after["reason"] = "task_deleted" if event.action == "deleted" else "task_cancelled"
    else:
        after["reason"] = None
    call = acting.call_of(connection, "customer", event)
    storing.store(call, CARE_ITEMS, before, after)
    changes.tell(call, CARE_ITEMS, _ACTIONS[state], [(before, after)], now)
    call.send_events()
