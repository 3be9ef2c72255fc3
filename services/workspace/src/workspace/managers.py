"""Whoever manages a department is told what it is given: it is theirs to give on."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from sqlalchemy import Connection, select

from crm.records.v1.event_pb2 import Event
from crm_kit.organisation import department
from crm_records.record import Row
from workspace import followers
from workspace.notifications import ASSIGNED_DEPARTMENT, notice

_FARTHEST = 100
"""Steps up the tree: a circle, which no rule allows, would not end."""


def told(connection: Connection, event: Event, record: Any, title: str) -> list[Row]:
    """The entry for whoever manages the department that a record was assigned to, or the nearest one above that has a
    manager. None where that person did it, or does not read it."""
    if event.action != "assigned" or record.owner_id or not record.department_id:
        return []
    manager_id = _manager(connection, record.department_id)
    if manager_id in (None, event.actor_id) or not followers.reads(connection, manager_id, event.record_type, record):
        return []
    about = (event.record_type, event.record_id, title)
    actor = (event.actor_id, event.actor_name)
    return [notice(event.id, manager_id, ASSIGNED_DEPARTMENT, event.time.ToDatetime(UTC), about, actor)]


def _manager(connection: Connection, department_id: str) -> Any:
    at: str | None = department_id
    for _ in range(_FARTHEST):
        query = select(department.c.manager_id, department.c.parent_id).where(department.c.id == at)
        row = connection.execute(query).one_or_none()
        if row is None or row.manager_id:
            return row.manager_id if row else None
        at = row.parent_id
    return None
