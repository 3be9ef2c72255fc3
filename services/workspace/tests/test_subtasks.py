"""Sub-tasks: how deep, never in a circle, done before and cancelled with what they belong to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from crm_kit import ids
from crm_kit.testing import Client, Server, refused
from workspace.tasks import LEVELS

Make = Callable[..., Any]

pytestmark = pytest.mark.feature("WSP-01")


@pytest.fixture
def chain(boss: Client, task_of: Make) -> Callable[[int], list[Any]]:
    """Tasks one below the other, the topmost first."""

    def make(levels: int) -> list[Any]:
        made: list[Any] = []
        for i in range(levels):
            made.append(task_of(boss, f"第{i + 1}层", parent_id=made[-1].id if made else ""))
        return made

    return make


def hang(client: Client, task: Any, below: str) -> Any:
    changed = {"id": task.id, "parent_id": below}
    return client.UpdateTask(task=changed, update_mask={"paths": ["parent_id"]}, etag=task.etag)


def state(client: Client, task: Any) -> str:
    return str(client.GetTask(id=task.id).state)


def test_subtasks_go_five_levels_deep(boss: Client, chain: Make, task_of: Make) -> None:
    made = chain(LEVELS)

    with refused("INVALID_ARGUMENT", "INVALID", "parentId"):
        task_of(boss, parent_id=made[-1].id)


def test_a_move_counts_what_hangs_below(boss: Client, chain: Make) -> None:
    three, two, another = chain(3), chain(2), chain(3)

    assert hang(boss, two[0], three[2].id).parent_id == three[2].id
    with refused("INVALID_ARGUMENT", "INVALID", "parentId"):
        hang(boss, another[0], three[2].id)


@pytest.mark.parametrize("below", [0, 1, 2])
def test_a_task_never_hangs_below_itself(boss: Client, chain: Make, below: int) -> None:
    made = chain(3)

    with refused("INVALID_ARGUMENT", "INVALID", "parentId"):
        hang(boss, made[0], made[below].id)


def test_two_moves_at_once_make_no_circle(boss: Client, server: Server, task_of: Make) -> None:
    one, two = task_of(boss, "甲"), task_of(boss, "乙")
    start, outcomes = threading.Barrier(2), []

    def move(task: Any, below: Any) -> None:
        start.wait()
        try:
            hang(boss, task, below.id)
            outcomes.append("moved")
        except grpc.RpcError:
            outcomes.append("refused")

    threads = [threading.Thread(target=move, args=pair) for pair in ((one, two), (two, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["moved", "refused"]
    assert server.sql("SELECT count(*) FROM task WHERE parent_id IS NULL") == [(1,)]


def test_a_parent_outside_ones_reach_is_unknown(server: Server, boss: Client, task_of: Make) -> None:
    hidden = task_of(boss)
    worker = server.person(scope="self")

    for parent in (hidden.id, ids.uuid7()):
        with refused("INVALID_ARGUMENT", "INVALID", "parentId"):
            task_of(worker, parent_id=parent)


def test_a_task_is_not_completed_before_its_subtasks(boss: Client, chain: Make) -> None:
    whole, part = chain(2)

    with refused("FAILED_PRECONDITION", "OPEN_SUBTASKS"):
        boss.CompleteTask(id=whole.id, etag=whole.etag)
    boss.CompleteTask(id=part.id, etag=part.etag)

    assert boss.CompleteTask(id=whole.id, etag=whole.etag).state == "done"


def test_open_subtasks_are_cancelled_along_and_done_ones_stay(
    boss: Client, server: Server, chain: Make, task_of: Make
) -> None:
    whole, part, below = chain(3)
    done = task_of(boss, parent_id=whole.id)
    boss.CompleteTask(id=done.id, etag=done.etag)

    boss.CancelTask(id=whole.id, etag=whole.etag)

    assert [state(boss, t) for t in (whole, part, below, done)] == ["cancelled", "cancelled", "cancelled", "done"]
    cancelled = {e.record_id for e in server.events("task") if e.action == "cancelled"}
    assert cancelled == {whole.id, part.id, below.id}
    assert [c.action for c in boss.ListChanges(record_type="task", id=below.id).changes] == ["created", "cancelled"]


@pytest.mark.parametrize("closed", ["done", "cancelled"])
def test_nothing_open_is_put_below_what_is_closed(boss: Client, in_state: Make, task_of: Make, closed: str) -> None:
    parent, other = in_state(closed), task_of(boss)

    with refused("FAILED_PRECONDITION", "PARENT_NOT_OPEN"):
        task_of(boss, parent_id=parent.id)
    with refused("FAILED_PRECONDITION", "PARENT_NOT_OPEN"):
        hang(boss, other, parent.id)


def test_a_subtask_is_opened_again_only_below_an_open_task(boss: Client, chain: Make) -> None:
    whole, part = chain(2)
    boss.CancelTask(id=whole.id, etag=whole.etag)
    part = boss.GetTask(id=part.id)

    with refused("FAILED_PRECONDITION", "PARENT_NOT_OPEN"):
        boss.ReopenTask(id=part.id, etag=part.etag)
    boss.ReopenTask(id=whole.id, etag=boss.GetTask(id=whole.id).etag)

    assert boss.ReopenTask(id=part.id, etag=part.etag).state == "open"


def test_a_task_with_subtasks_is_not_deleted(boss: Client, chain: Make) -> None:
    whole, part = chain(2)

    with refused("FAILED_PRECONDITION", "DEPENDED_ON") as refusal:
        boss.DeleteTask(id=whole.id, etag=whole.etag)
    assert "子任务 1" in refusal.message

    boss.DeleteTask(id=part.id, etag=part.etag)
    boss.DeleteTask(id=whole.id, etag=whole.etag)
    with refused("FAILED_PRECONDITION", "PARENT_NOT_OPEN"):
        boss.RestoreTask(id=part.id)
