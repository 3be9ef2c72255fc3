"""What the customer service asks of people: care that is due becomes a task, an alert an entry of the inbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from uuid import UUID, uuid5

from sqlalchemy import Connection, select

from crm.customer.v1.alerts_pb2 import Alert
from crm.customer.v1.care_items_pb2 import CareItem
from crm.records.v1.event_pb2 import Event
from crm.workspace.v1 import tasks_pb2 as pb
from crm_kit.inbox import Handler
from crm_records import acting, writing
from workspace.notifications import ALERTS, notice, put
from workspace.tables import task
from workspace.tasks import TASKS

_BY_PEOPLE = ("call", "task")
"""Channels of care that somebody works through; mail and text messages are delivered."""
_LONGEST = 200


def task_of(item_id: str) -> str:
    """The id of the task of an act of care: the customer service knows it by the same."""
    return str(uuid5(UUID(item_id), "task"))


def due(connection: Connection, events: Sequence[Event]) -> None:
    """Make a task of what is due, once, for whoever looks after the customer."""
    for event in events:
        item = CareItem.FromString(event.record.value)
        # Only the newest of several events may come: what left is `sent` whatever was announced of it.
        if item.state == "sent" and item.channel in _BY_PEOPLE and item.performer_id:
            _give(connection, event, item)


def _give(connection: Connection, event: Event, item: CareItem) -> None:
    task_id = task_of(item.id)
    if connection.scalar(select(task.c.id).where(task.c.id == task_id)):
        return
    if TASKS.registry.numbers is None:  # a process that only does background work answers no RPCs
        TASKS.registry.connect(connection.engine)
    made = pb.Task(
        owner_id=item.performer_id,
        title=item.occasion_name[:_LONGEST],  # names nobody: people's names are read in the care, by the rules there
        due_time=item.send_time,
        record_type=event.record_type,
        record_id=item.id,
        record_title=item.recipient_name[:_LONGEST],
    )
    call = acting.call_of(connection, "workspace", event)
    writing.create(call, TASKS, made, id=task_id)
    call.send_events()


def raised(connection: Connection, events: Sequence[Event]) -> None:
    """Put alerts into the inbox of whoever looks after the customer, under the customer's name."""
    notices = []
    for event in events:
        alert = Alert.FromString(event.record.value)
        if event.action != "raised" or not alert.user_id or alert.kind not in ALERTS:
            continue
        about = ("customer", alert.customer_id, alert.customer_name)
        told = notice(event.id, alert.user_id, f"alert_{alert.kind}", event.time.ToDatetime(UTC), about, ("", ""))
        notices.append({**told, "records": alert.days})
    put(connection, notices)


HANDLERS: dict[str, Handler] = {"customer.care_item": due, "customer.alert": raised}
