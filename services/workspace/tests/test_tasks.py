"""Tasks over gRPC: their states, who sees them, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_kit import ids
from crm_kit.testing import Client, Server, refused
from workspace.tasks import STATES

Make = Callable[..., Any]

pytestmark = pytest.mark.feature("WSP-01")

ALLOWED = [(state, t) for t in STATES.transitions for state in t.of]
REFUSED = sorted(
    {(s, t.action) for s in STATES.labels for t in STATES.transitions} - {(s, t.action) for s, t in ALLOWED}
)
WORKER = ["task.read", "task.create", "task.update", "task.assign"]


def act(client: Client, action: str, task: Any, owner: str = "") -> Any:
    """Carry out an action of the state table with what it needs."""
    on = {"id": task.id, "etag": task.etag}
    match action:
        case "assign":
            return client.AssignTask(**on, owner_id=owner or client.user_id)
        case "complete":
            return client.CompleteTask(**on, result="已提交")
        case "cancel":
            return client.CancelTask(**on)
        case "reopen":
            return client.ReopenTask(**on)
    raise AssertionError(action)


def update(client: Client, task: Any, **fields: Any) -> Any:
    return client.UpdateTask(task={"id": task.id, **fields}, update_mask={"paths": list(fields)}, etag=task.etag)


def seen(client: Client) -> set[str]:
    return {t.id for t in client.ListTasks().tasks}


@pytest.mark.parametrize(("state", "transition"), ALLOWED, ids=[f"{s}-{t.action}" for s, t in ALLOWED])
def test_an_action_leads_where_the_table_says(
    boss: Client, server: Server, in_state: Make, state: str, transition: Any
) -> None:
    task, colleague = in_state(state), server.person()

    after = act(boss, transition.action, task, colleague.user_id)

    assert after.state == transition.to
    assert after == boss.GetTask(id=task.id)
    announced = [e.action for e in server.events("task")]
    assert announced[-1] == transition.event
    assert [c.action for c in boss.ListChanges(record_type="task", id=task.id).changes] == announced


@pytest.mark.parametrize(("state", "action"), REFUSED)
def test_an_action_is_refused_in_every_other_state(boss: Client, in_state: Make, state: str, action: str) -> None:
    task = in_state(state)

    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED") as refusal:
        act(boss, action, task)

    assert STATES.labels[state][0] in refusal.message
    assert boss.GetTask(id=task.id) == task


@pytest.mark.parametrize("action", ["assign", "complete", "cancel", "reopen"])
def test_a_stale_version_changes_nothing(boss: Client, server: Server, task_of: Make, action: str) -> None:
    task = task_of(boss)
    now = update(boss, task, progress=30)

    with refused("ABORTED", "STALE"):
        act(boss, action, task)

    assert boss.GetTask(id=task.id) == now
    assert len(server.events()) == 2


def test_a_task_is_made_from_its_title_alone(boss: Client, task_of: Make) -> None:
    made = task_of(boss)

    assert made.number.startswith("RW")
    assert (made.state, made.priority, made.progress, made.overdue) == ("open", "normal", 0, False)
    assert (made.owner_id, made.owner_name) == (boss.user_id, "总经理")
    assert [t.id for t in boss.ListTasks(search="投标").tasks] == [made.id]


def test_every_wrong_field_is_named_and_nothing_is_stored(boss: Client, task_of: Make) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "title", "priority", "progress", "parentId"):
        task_of(boss, "", priority="asap", progress=101, parent_id="nonsense")
    with refused("INVALID_ARGUMENT", "INVALID", "dueTime", "recordType"):
        task_of(
            boss,
            start_time=datetime(2026, 2, 1, tzinfo=UTC),
            due_time=datetime(2026, 1, 1, tzinfo=UTC),
            record_id=ids.uuid7(),
        )
    with refused("INVALID_ARGUMENT", "INVALID", "recordId"):
        task_of(boss, record_type="customer")
    assert seen(boss) == set()


def test_a_task_may_be_about_a_record_of_any_service(boss: Client, task_of: Make) -> None:
    about = {"record_type": "opportunity", "record_id": ids.uuid7(), "record_title": "二期扩建"}
    made = task_of(boss, **about)

    (found,) = boss.ListTasks(filter=f'record_id = "{about["record_id"]}"').tasks
    assert (found.id, found.record_type, found.record_title) == (made.id, "opportunity", "二期扩建")


def test_who_gave_a_task_and_who_does_it_see_it_and_nobody_else(server: Server, task_of: Make) -> None:
    giver, doer, other = (server.person(WORKER, "self") for _ in range(3))

    task = task_of(giver, owner_id=doer.user_id)

    assert seen(giver) == seen(doer) == {task.id}
    assert seen(other) == set()
    with refused("NOT_FOUND"):
        update(other, task, progress=50)
    assert update(doer, task, progress=50).progress == 50


def test_a_manager_sees_the_tasks_of_those_below(server: Server, task_of: Make) -> None:
    manager = server.person(WORKER, "subordinates")
    doer = server.person(WORKER, "self", manager=manager)

    task = task_of(doer)

    assert seen(manager) == {task.id}


def test_a_task_is_handed_on_to_anybody_with_a_note(server: Server, task_of: Make) -> None:
    doer, next_one = server.person(WORKER, "self", name="李工"), server.person(name="王工")
    task = task_of(server.person(WORKER, "self"), owner_id=doer.user_id)

    handed = doer.AssignTask(id=task.id, etag=task.etag, owner_id=next_one.user_id, note="我下周出差")

    assert (handed.owner_id, handed.owner_name) == (next_one.user_id, "王工")
    assert seen(doer) == set()
    (note,) = next_one.ListTaskComments().task_comments
    assert (note.task_id, note.text, note.author_name) == (task.id, "我下周出差", "李工")


def test_handing_on_takes_the_right_and_a_person(server: Server, boss: Client, task_of: Make) -> None:
    doer = server.person(["task.read", "task.create", "task.update"], "self")
    task = task_of(doer)

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        doer.AssignTask(id=task.id, etag=task.etag, owner_id=boss.user_id)
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        update(doer, task, owner_id=boss.user_id)
    with refused("INVALID_ARGUMENT", "INVALID", "ownerId"):
        boss.AssignTask(id=task.id, etag=task.etag, owner_id=ids.uuid7())
    with refused("INVALID_ARGUMENT", "INVALID", "ownerId"):
        boss.AssignTask(id=task.id, etag=task.etag)


def test_a_completed_task_is_all_done_and_opened_again_it_is_not(boss: Client, task_of: Make) -> None:
    task = task_of(boss, progress=40)

    done = boss.CompleteTask(id=task.id, etag=task.etag, result="已提交")
    assert (done.progress, done.result, done.HasField("done_time")) == (100, "已提交", True)

    opened = boss.ReopenTask(id=task.id, etag=done.etag)
    assert (opened.progress, opened.result, opened.HasField("done_time")) == (0, "已提交", False)


def test_a_task_is_overdue_while_it_is_open_past_its_time(boss: Client, task_of: Make) -> None:
    late = task_of(boss, "甲", due_time=datetime.now(UTC) - timedelta(minutes=1))
    task_of(boss, "乙", due_time=datetime.now(UTC) + timedelta(hours=1))
    task_of(boss, "丙")

    page = boss.ListTasks(order_by="title", fields="title,overdue").tasks
    assert {t.title: t.overdue for t in page} == {"甲": True, "乙": False, "丙": False}
    assert not boss.CompleteTask(id=late.id, etag=late.etag).overdue


def test_a_repeated_key_makes_one_task(boss: Client, server: Server) -> None:
    key = {"idempotency-key": "task-00000001"}

    first, again = (boss.CreateTask(task={"title": "一次"}, metadata=key) for _ in range(2))

    assert first == again
    assert [e.action for e in server.events("task")] == ["created"]


def test_a_deleted_task_waits_in_the_recycle_bin(boss: Client, task_of: Make) -> None:
    task = task_of(boss)

    boss.DeleteTask(id=task.id, etag=task.etag)
    with refused("NOT_FOUND"):
        boss.GetTask(id=task.id)

    assert boss.RestoreTask(id=task.id).title == task.title
    assert seen(boss) == {task.id}
