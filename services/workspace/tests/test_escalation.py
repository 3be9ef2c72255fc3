"""Overdue tasks: the manager is told once, whatever is killed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_kit.testing import Client, Server
from workspace.escalation import escalate

Make = Callable[..., Any]

pytestmark = [pytest.mark.feature("WSP-01"), pytest.mark.feature("WSP-04")]

YESTERDAY = datetime.now(UTC) - timedelta(days=1)


class Killed(Exception):
    """The process ended here."""


@pytest.fixture
def doer(server: Server, boss: Client) -> Client:
    """Somebody whose manager is the boss."""
    return server.person(name="小周", manager=boss)


def tick(server: Server) -> None:
    server.service.act(escalate)


def inbox(client: Client, language: str = "zh-CN") -> list[Any]:
    return list(client.ListNotifications(metadata={"accept-language": language}).notifications)


def test_the_manager_of_who_should_have_done_it_is_told_once(
    server: Server, boss: Client, doer: Client, task_of: Make
) -> None:
    late = task_of(doer, "交报告", due_time=YESTERDAY)

    tick(server)
    tick(server)

    (told,) = inbox(boss)
    assert (told.kind, told.record_id, told.title) == ("task_overdue", late.id, "任务逾期")
    assert told.body == "小周负责的任务“交报告”已逾期"
    assert inbox(boss, "en")[0].body == "The task “交报告” of 小周 is overdue"
    assert inbox(doer) == []
    assert [(e.action, e.actor_id) for e in server.events("task")] == [("created", doer.user_id), ("escalated", "")]
    assert doer.GetTask(id=late.id).HasField("escalate_time")


def test_where_there_is_no_manager_the_owner_is_told(server: Server, boss: Client, task_of: Make) -> None:
    task_of(boss, due_time=YESTERDAY)

    tick(server)

    assert [n.kind for n in inbox(boss)] == ["task_overdue"]


def test_what_is_closed_deleted_or_not_yet_due_is_left(
    server: Server, boss: Client, doer: Client, task_of: Make
) -> None:
    task_of(doer, due_time=datetime.now(UTC) + timedelta(hours=1))
    done, gone = task_of(doer, due_time=YESTERDAY), task_of(doer, due_time=YESTERDAY)
    doer.CompleteTask(id=done.id, etag=done.etag)
    doer.DeleteTask(id=gone.id, etag=gone.etag)

    tick(server)

    assert inbox(boss) == []


def test_a_new_due_time_or_a_new_start_escalates_anew(
    server: Server, boss: Client, doer: Client, task_of: Make
) -> None:
    late = task_of(doer, due_time=YESTERDAY)
    tick(server)
    late = doer.GetTask(id=late.id)

    moved = {"id": late.id, "due_time": YESTERDAY + timedelta(hours=1)}
    late = doer.UpdateTask(task=moved, update_mask={"paths": ["due_time"]}, etag=late.etag)
    tick(server)
    late = doer.GetTask(id=late.id)
    late = doer.CompleteTask(id=late.id, etag=late.etag)
    doer.ReopenTask(id=late.id, etag=late.etag)
    tick(server)

    assert len(inbox(boss)) == 3


def test_an_import_of_old_tasks_tells_nobody(server: Server, boss: Client, doer: Client) -> None:
    doer.ImportTasks(tasks=[{"title": f"旧任务{i}", "due_time": YESTERDAY} for i in range(20)])

    tick(server)

    assert inbox(boss) == []


def test_killed_in_the_middle_it_leaves_nothing_and_is_done_again(
    server: Server, boss: Client, doer: Client, task_of: Make
) -> None:
    late = task_of(doer, due_time=YESTERDAY)

    def die(call: Any) -> None:
        escalate(call)
        raise Killed

    with pytest.raises(Killed):
        server.service.act(die)
    assert inbox(boss) == []
    assert not doer.GetTask(id=late.id).HasField("escalate_time")

    tick(server)
    assert len(inbox(boss)) == 1


def test_two_processes_at_once_tell_once(server: Server, boss: Client, doer: Client, task_of: Make) -> None:
    for _ in range(10):
        task_of(doer, due_time=YESTERDAY)

    threads = [threading.Thread(target=tick, args=(server,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(inbox(boss)) == 10
    assert [e.action for e in server.events("task")].count("escalated") == 10
