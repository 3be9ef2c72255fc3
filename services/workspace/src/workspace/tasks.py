"""Tasks: what somebody is to do until when, and how a task hangs together with its sub-tasks.

What always holds: an open task never hangs below one that is not open. So a task is not completed before its
sub-tasks, is cancelled with them, and nothing is added below it afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import bindparam, func, literal_column, select

from crm.workspace.v1 import tasks_pb2 as pb
from crm_kit import errors, organisation
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import changes, sql, storing, writing
from crm_records.record import Dependent, Record, Row
from crm_records.states import States, Transition
from workspace import titles
from workspace.tables import task

errors.texts(
    {
        "due_before_start": ("截止时间不能早于开始时间", "A task cannot be due before it starts"),
        "task_below_itself": ("任务不能是自己的下级", "A task cannot hang below itself"),
        "tasks_too_deep": ("子任务最多 {limit} 层", "Sub-tasks go {limit} levels deep at most"),
        "parent_not_open": ("上级任务不在进行中", "The task above is not open"),
        "open_subtasks": ("还有 {count} 个子任务未完成", "Sub-tasks still open: {count}"),
    }
)

LEVELS = 5
"""Tasks below one another at most, the topmost included."""

STATES = States(
    pb.Task,
    initial="open",
    transitions=[
        Transition(("open",), "assign", "open", "task.assign", ("转交", "hand it on"), "assigned", ("owner_id",)),
        Transition(("open",), "complete", "done", "task.update", ("完成", "complete it"), "completed"),
        Transition(("open",), "cancel", "cancelled", "task.update", ("取消", "cancel it"), "cancelled"),
        Transition(("done", "cancelled"), "reopen", "open", "task.update", ("重新打开", "open it again"), "reopened"),
    ],
)


class Tasks(Record):
    """See the contract for the fields.

    What a task is about (`record_type`, `record_id`) is kept as it is given: it may be a record of any service,
    and naming one shows nothing of it.
    """

    message = pb.Task
    table = task
    plural = "tasks"
    number = "RW{yyyyMMdd}-{seq:4}"
    search = ("title", "number")
    states = STATES
    closed_states = ("done", "cancelled")
    about = ("record_type", "record_id")
    kept_together_by = "record_id"
    also_sees = ("creator_id",)
    given_within_reach = False
    made_of: ClassVar = {"overdue": ("state", "due_time"), "owner_name": ("owner_id",)}
    copies: ClassVar = {"record_title": titles.COPIES}
    importable = ("create_time", "creator_id", "state", "done_time", "result")
    list_fields = (
        "number",
        "title",
        "priority",
        "state",
        "progress",
        "due_time",
        "overdue",
        "owner_id",
        "owner_name",
        "creator_id",
        "parent_id",
        "record_type",
        "record_id",
        "record_title",
        "create_time",
    )

    def __init__(self) -> None:
        super().__init__()
        self.dependents.append(Dependent(task.c.parent_id, ("子任务", "Sub-task")))

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        row["priority"] = row["priority"] or "normal"
        row["progress"] = row["progress"] or 0
        writing.refuse(_problems(row))
        if before is not None and row["due_time"] != before["due_time"]:
            row["escalate_time"] = None
        if row["parent_id"]:
            _hang(call, row, before)

    def prepare_many(self, call: Call, rows: Sequence[Row]) -> None:
        """What was overdue before it was imported counts as told: an import does not flood managers' inboxes."""
        now = datetime.now(UTC)
        for row in rows:
            if row["due_time"] and row["due_time"] < now:
                row["escalate_time"] = now

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        if before is not None and before["state"] != "cancelled" and row["state"] == "cancelled":
            _cancel_below(call, row["id"])

    def decorate(self, call: Call, messages: Sequence[pb.Task]) -> None:
        titles.obey_rules(call, messages)
        now = datetime.now(UTC)
        names = organisation.names(call.connection, [m.owner_id for m in messages])
        for message in messages:
            due = message.HasField("due_time") and message.due_time.ToDatetime(UTC) < now
            message.overdue = due and message.state == "open"
            message.owner_name = names.get(message.owner_id, "")


TASKS = Tasks()

_ANY = sql.prepare(select(task).where(task.c.id == bindparam("id", type_=task.c.id.type)).with_for_update())


def refuse_open_subtasks(call: Call, row: Row) -> None:
    """A task is not done before what it consists of."""
    query = select(func.count()).where(
        task.c.parent_id == row["id"], task.c.state == "open", task.c.delete_time.is_(None)
    )
    count = call.connection.scalar(query)
    if count:
        raise errors.Conflict("open_subtasks", count=count)


def _problems(row: Row) -> list[Problem]:
    found = []
    label = {name: TASKS.fields[name].label for name in ("record_type", "record_id")}
    if row["start_time"] and row["due_time"] and row["due_time"] < row["start_time"]:
        found.append(Problem("dueTime", "due_before_start"))
    if row["record_id"] and not row["record_type"]:
        found.append(Problem("recordType", "required", {"label": label["record_type"]}))
    if row["record_type"] and not row["record_id"]:
        found.append(Problem("recordId", "required", {"label": label["record_id"]}))
    return found


def _hang(call: Call, row: Row, before: Row | None) -> None:
    """Check a sub-task's place. Everything above is locked, so that two moves at once cannot make a circle."""
    moved = before is None or before["parent_id"] != row["parent_id"]
    opened = before is None or before["state"] != "open" or before["delete_time"] is not None
    if not moved and not (opened and row["state"] == "open"):
        return
    above: list[Row] = []
    while above_id := above[-1]["parent_id"] if above else row["parent_id"]:
        if above_id == row["id"]:
            raise errors.Invalid(Problem("parentId", "task_below_itself"))
        found = _ANY.run(call.connection, {"id": above_id}).fetchone()
        if found is None or len(above) == LEVELS:
            break
        above.append(storing.as_row(call, TASKS, found))
    if moved and len(above) + _levels(call, row, before) > LEVELS:
        raise errors.Invalid(Problem("parentId", "tasks_too_deep", {"limit": LEVELS}))
    parent = above[0]
    if row["state"] == "open" and (parent["state"] != "open" or parent["delete_time"] is not None):
        raise errors.Conflict("parent_not_open")


def _levels(call: Call, row: Row, before: Row | None) -> int:
    """How many levels a task and what hangs below it take."""
    if before is None:
        return 1
    below = select(task.c.id, literal_column("1").label("level")).where(task.c.id == row["id"]).cte(recursive=True)
    deeper = select(task.c.id, below.c.level + 1).join(below, task.c.parent_id == below.c.id)
    below = below.union_all(deeper.where(below.c.level <= LEVELS))
    levels: Any = call.connection.scalar(select(func.max(below.c.level)))
    return int(levels)


def _cancel_below(call: Call, task_id: str) -> None:
    """Cancel open sub-tasks, level by level; for each it is a change of its own."""
    level = [task_id]
    while level:
        query = select(task).where(
            one_of(task.c.parent_id, level), task.c.state == "open", task.c.delete_time.is_(None)
        )
        found = call.connection.execute(query.order_by(task.c.id).with_for_update()).mappings().all()
        for before in map(dict, found):
            after = {**before, "state": "cancelled"}
            storing.store(call, TASKS, before, after)
            changes.tell(call, TASKS, "cancelled", [(before, after)], after["update_time"])
        level = [row["id"] for row in found]
