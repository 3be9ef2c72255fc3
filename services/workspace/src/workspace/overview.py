"""The parts of a customer's overview that this service owns: a function for each, named in PARTS by its code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, and_, any_, func, select, union_all

from crm_kit.rpc import Call
from crm_records.overview import ABOUT, Show, Shown, rows_of
from workspace.tables import customer_record, task
from workspace.tasks import STATES, TASKS

_THEIRS = select(customer_record.c.record_id).where(customer_record.c.customer_id == ABOUT)
# An array, so that the index on what a task is about serves.
_ABOUT: ColumnElement[Any] = func.array(union_all(select(ABOUT), _THEIRS).scalar_subquery(), type_=ARRAY(ABOUT.type))
_OPEN = and_(task.c.record_id == any_(_ABOUT), task.c.state == STATES.initial)


def open_tasks(call: Call, customer_id: str) -> Shown:
    """What is to be done about the customer, its opportunities and its service requests; the most urgent first."""
    return rows_of(call, TASKS, _OPEN, customer_id, order_by="due_time")


PARTS: Mapping[str, Show] = {open_tasks.__name__: open_tasks}
