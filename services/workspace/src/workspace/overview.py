"""The parts of a customer's overview that this service owns: a function for each, named in PARTS by its code."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import and_

from crm_kit.rpc import Call
from crm_records.overview import ABOUT, Show, Shown, rows_of
from workspace.tables import task
from workspace.tasks import STATES, TASKS

_OPEN = and_(task.c.record_id == ABOUT, task.c.state == STATES.initial)


def open_tasks(call: Call, customer_id: str) -> Shown:
    """What is to be done about the customer, the most urgent first."""
    return rows_of(call, TASKS, _OPEN, customer_id, order_by="due_time")


PARTS: Mapping[str, Show] = {open_tasks.__name__: open_tasks}
