"""Overdue tasks: the manager of whoever should have done it is told, once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, select

from crm_kit import ids
from crm_kit.db import one_of
from crm_kit.organisation import user
from crm_kit.rpc import Call
from crm_records import changes, sql, storing
from workspace.notifications import TASK_OVERDUE, notice, put
from workspace.tables import task
from workspace.tasks import TASKS

MOST = 500
"""Tasks at a time; the rest wait for the next minute."""

_OVERDUE = sql.prepare(
    select(task)
    .where(
        task.c.state == "open",
        task.c.escalate_time.is_(None),
        task.c.delete_time.is_(None),
        task.c.due_time < bindparam("now", type_=task.c.due_time.type),
    )
    .order_by(task.c.due_time)
    .limit(MOST)
    .with_for_update(skip_locked=True)
)


def escalate(call: Call) -> None:
    """Mark what is overdue and tell the managers: mark, event and notification commit together."""
    now = datetime.now(UTC)
    found = [storing.as_row(call, TASKS, row) for row in _OVERDUE.run(call.connection, {"now": now}).fetchall()]
    if not found:
        return
    owners, managers = _owners(call, [row["owner_id"] for row in found if row["owner_id"]])
    notices = []
    for before in found:
        after = {**before, "escalate_time": now}
        storing.store(call, TASKS, before, after)
        changes.tell(call, TASKS, "escalated", [(before, after)], now)
        owner = before["owner_id"]
        told = managers.get(owner) or owner or before["creator_id"]
        if told:
            about = (TASKS.type, before["id"], before["title"])
            notices.append(notice(ids.uuid7(), told, TASK_OVERDUE, now, about, (owner or "", owners.get(owner, ""))))
    put(call.connection, notices)


def _owners(call: Call, owner_ids: list[str]) -> tuple[dict[str, str], dict[Any, str]]:
    """Names of owners by their ids, and who manages them; a manager who left is nobody's any more."""
    manager = user.alias()
    query = select(user.c.id, user.c.name, manager.c.id.label("manager_id")).outerjoin(
        manager, (manager.c.id == user.c.manager_id) & manager.c.active & ~manager.c.deleted
    )
    rows = call.connection.execute(query.where(one_of(user.c.id, set(owner_ids)))).all()
    return {r.id: r.name for r in rows}, {r.id: r.manager_id for r in rows if r.manager_id}
