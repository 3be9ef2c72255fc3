"""Comments: seen by whoever sees the task, changed by nobody but the author."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused

Make = Callable[..., Any]

pytestmark = pytest.mark.feature("WSP-01")


def say(client: Client, task: Any, text: str = "客户改了日期") -> Any:
    return client.CreateTaskComment(task_comment={"task_id": task.id, "text": text})


def rewrite(client: Client, comment: Any, text: str) -> Any:
    changed = {"id": comment.id, "text": text}
    return client.UpdateTaskComment(task_comment=changed, update_mask={"paths": ["text"]}, etag=comment.etag)


def test_who_sees_the_task_sees_what_is_said(server: Server, task_of: Make) -> None:
    giver, doer, other = (
        server.person(scope="self", name="陈总"),
        server.person(scope="self"),
        server.person(scope="self"),
    )
    task = task_of(giver, owner_id=doer.user_id)

    said = say(giver, task)

    assert (said.text, said.author_name, said.number) == ("客户改了日期", "陈总", "")
    assert [c.id for c in doer.ListTaskComments(filter=f'task_id = "{task.id}"').task_comments] == [said.id]
    assert not other.ListTaskComments().task_comments
    with refused("NOT_FOUND"):
        other.GetTaskComment(id=said.id)
    with refused("INVALID_ARGUMENT", "INVALID", "taskId"):
        say(other, task)


def test_only_the_author_changes_or_deletes(server: Server, boss: Client, task_of: Make) -> None:
    author = server.person(scope="self")
    said = say(author, task_of(author))

    with refused("PERMISSION_DENIED", "NOT_THE_AUTHOR"):
        rewrite(boss, said, "不是我写的")
    with refused("PERMISSION_DENIED", "NOT_THE_AUTHOR"):
        boss.DeleteTaskComment(id=said.id, etag=said.etag)

    said = rewrite(author, said, "改到周五")
    author.DeleteTaskComment(id=said.id, etag=said.etag)
    with refused("PERMISSION_DENIED", "NOT_THE_AUTHOR"):
        boss.RestoreTaskComment(id=said.id)
    assert author.RestoreTaskComment(id=said.id).text == "改到周五"


def test_a_comment_stays_with_its_task(boss: Client, task_of: Make) -> None:
    said, other = say(boss, task_of(boss)), task_of(boss)

    with refused("INVALID_ARGUMENT", "INVALID", "taskId"):
        boss.UpdateTaskComment(
            task_comment={"id": said.id, "task_id": other.id}, update_mask={"paths": ["task_id"]}, etag=said.etag
        )


def test_comments_do_not_keep_a_task_from_being_deleted(boss: Client, task_of: Make) -> None:
    task = task_of(boss)
    say(boss, task)

    assert boss.DeleteTask(id=task.id, etag=task.etag).HasField("delete_time")


def test_what_was_said_of_a_deleted_task_is_out_of_reach_until_it_is_back(server: Server, task_of: Make) -> None:
    someone, boss = server.person(scope="self"), server.person()
    task, other = task_of(someone), task_of(someone)
    said, elsewhere = say(someone, task), say(someone, other)

    someone.DeleteTask(id=task.id, etag=task.etag)

    for client in (someone, boss):
        found = client.ListTaskComments(count="exact")
        assert ([c.id for c in found.task_comments], found.total) == ([elsewhere.id], 1)
        assert not client.ListTaskComments(filter=f'task_id = "{task.id}"').task_comments
        with refused("NOT_FOUND"):
            client.GetTaskComment(id=said.id)
        with refused("NOT_FOUND"):
            client.ListChanges(record_type="task_comment", id=said.id)
    with refused("NOT_FOUND"):
        rewrite(someone, said, "改到周五")

    someone.RestoreTask(id=task.id)
    assert {c.id for c in boss.ListTaskComments().task_comments} == {said.id, elsewhere.id}
