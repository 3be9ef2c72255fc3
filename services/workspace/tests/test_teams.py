"""Teams of tasks, and why somebody sees one: besides its owner, whoever made it does."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from crm.workspace.v1.tasks_pb2 import Task
from crm_kit import ids
from crm_kit.testing import Client, Server, event, gets_through, refused
from crm_kit.testing.company import Company

pytestmark = pytest.mark.feature("IDN-07")

RIGHTS = ["task.read", "task.create", "task.update", "task.assign", "task_comment.read", "task_comment.create"]


@pytest.fixture
def put(server: Server) -> Callable[..., Any]:
    def member(by: Client, task: Any, who: Client, access: str) -> None:
        by.PutTeamMember(record_type="task", id=task.id, user_id=who.user_id, access=access)
        server.service.organisation.forget()

    return member


def test_a_member_sees_a_task_and_its_comments_and_writes_as_far_as_the_place_goes(
    server: Server, task_of: Callable[..., Any], put: Callable[..., Any]
) -> None:
    owner = server.person(RIGHTS, "self", name="王芳")
    reader, writer = (server.person(RIGHTS, "self", name=n) for n in ("读者", "写者"))
    task = task_of(owner)
    owner.CreateTaskComment(task_comment={"task_id": task.id, "text": "先看图纸"})
    put(owner, task, reader, "read")
    put(owner, task, writer, "write")

    assert [t.id for t in reader.ListTasks(search="投标").tasks] == [task.id]
    assert [c.text for c in reader.ListTaskComments().task_comments] == ["先看图纸"]
    actions = {
        name: {a.action: a.reason for a in who.ListActions(record_type="task", id=task.id).actions}
        for name, who in (("reader", reader), ("writer", writer), ("owner", owner))
    }
    assert actions["owner"]["complete"] == actions["owner"]["assign"] == actions["writer"]["complete"] == ""
    assert (
        actions["writer"]["assign"]
        == actions["reader"]["complete"]
        == ("您是这条记录的相关团队成员，但您的团队权限不允许此操作")
    )
    for step in (
        lambda: reader.CompleteTask(id=task.id, etag=task.etag),
        lambda: reader.CreateTaskComment(task_comment={"task_id": task.id, "text": "我也说"}),
        lambda: writer.AssignTask(id=task.id, etag=task.etag, owner_id=writer.user_id),
        lambda: writer.UpdateTask(
            task={"id": task.id, "owner_id": writer.user_id}, update_mask={"paths": ["owner_id"]}, etag=task.etag
        ),
    ):
        with refused("PERMISSION_DENIED", "BEYOND_TEAM"):
            step()
    writer.CreateTaskComment(task_comment={"task_id": task.id, "text": "好了"})
    assert writer.CompleteTask(id=task.id, etag=task.etag).state == "done"


def test_what_one_reads_by_a_role_and_may_not_change_says_so(server: Server, task_of: Callable[..., Any]) -> None:
    worker = server.role(["task.update"], "self")
    who = server.person(["task.read"], "all", also=[worker])
    task = task_of(server.person())

    reasons = {a.action: a.reason for a in who.ListActions(record_type="task", id=task.id).actions}

    assert reasons["complete"] == "这条记录不在该权限的数据范围内：task.update"
    with refused("NOT_FOUND"):
        who.CompleteTask(id=task.id, etag=task.etag)


def really(who: Client, task_id: str, action: str) -> bool:
    """Whether somebody gets through."""
    if action == "read":
        return gets_through(who.GetTask, id=task_id)
    return gets_through(who.CompleteTask, id=task_id, etag="999")


def test_an_explanation_of_a_task_says_what_really_happens(
    server: Server, boss: Client, task_of: Callable[..., Any], put: Callable[..., Any]
) -> None:
    company = Company(server, random.Random(5), ["task.read", "task.update"])
    makers = [server.person(RIGHTS, "all", name=f"发起人{i}") for i in range(3)]
    tasks = [
        task_of(maker, owner_id=company.chance.choice([*company.working, maker]).user_id)
        for maker in makers
        for _ in range(3)
    ]
    put(boss, tasks[0], makers[2], "read")
    seen = set()

    for who in (*company.people, *makers):
        for task in tasks:
            action = company.chance.choice(["read", "update"])
            said = boss.ExplainAccess(record_type="task", id=task.id, user_id=who.user_id, right=action)
            assert said.allowed == really(who, task.id, action), f"{action}: {said}"
            seen |= {(s.kind, s.held) for s in said.steps}

    assert {("creator", True), ("creator", False), ("owner", True), ("scope", False)} <= seen


def test_an_inbox_is_for_one_person_whatever_their_role(server: Server) -> None:
    who = who_asks = server.person(["*"], "self", name="王芳")
    other = server.person(["*"], "all")
    server.deliver("workspace", event(Task(id=ids.uuid7(), title="准备", owner_id=who.user_id), "created"))

    (notice,) = who.ListNotifications().notifications

    def explained(person: Client) -> Any:
        return who_asks.ExplainAccess(record_type="notification", id=notice.id, user_id=person.user_id)

    with refused("NOT_FOUND"):
        other.ExplainAccess(record_type="notification", id=notice.id, user_id=who.user_id)
    assert explained(who).allowed
    assert not explained(other).allowed
    with refused("FAILED_PRECONDITION", "NO_TEAM"):
        other.ListTeam(record_type="notification", id=notice.id)
