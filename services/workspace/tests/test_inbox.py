"""The inbox: who is given a record anywhere is told, once, in the language they read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm.records.v1.team_pb2 import TeamMember
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm.service_desk.v1.requests_pb2 import ServiceRequest
from crm.workspace.v1.tasks_pb2 import Task
from crm_kit import ids
from crm_kit.testing import Client, Server, event, refused

Make = Callable[..., Any]

pytestmark = pytest.mark.feature("WSP-04")

KINDS = [
    ("customer", Customer, "name", "客户", "Customer"),
    ("sales", Opportunity, "title", "商机", "Opportunity"),
    ("service-desk", ServiceRequest, "summary", "服务请求", "Service request"),
    ("workspace", Task, "title", "任务", "Task"),
]


def told(action: str, owner: str, actor: str = "", kind: Any = Customer, title: str = "name", **fields: Any) -> Any:
    """The event of a record that is somebody's."""
    made = event(kind(id=ids.uuid7(), owner_id=owner, **{title: "上海宝钢"}), action)
    made.actor_id, made.actor_name, made.bulk = actor, fields.get("actor_name", ""), fields.get("bulk", False)
    return made


def changed_owner(made: Any) -> Any:
    made.changes.add(field="ownerId")
    return made


def inbox(client: Client, **asked: Any) -> list[Any]:
    return list(client.ListNotifications(**asked).notifications)


@pytest.fixture
def seller(server: Server) -> Client:
    """Somebody without any right: the inbox is everybody's."""
    return server.person([], "self", name="小周")


@pytest.mark.parametrize("action", ["created", "assigned"])
@pytest.mark.parametrize(("source", "kind", "title", "zh", "en"), KINDS, ids=[k[0] for k in KINDS])
def test_whatever_is_given_to_somebody_is_in_the_inbox(
    server: Server, seller: Client, action: str, source: str, kind: Any, title: str, zh: str, en: str
) -> None:
    given = told(action, seller.user_id, ids.uuid7(), kind, title, actor_name="王总")

    server.deliver(source, given)

    (chinese,) = inbox(seller)
    (english,) = seller.ListNotifications(metadata={"accept-language": "en"}).notifications
    assert (chinese.kind, chinese.record_type, chinese.record_id) == ("assigned", given.record_type, given.record_id)
    assert (chinese.title, chinese.body) == (f"{zh}已分配给您", "王总将“上海宝钢”分配给您")
    assert (english.title, english.body) == (f"{en} assigned to you", "王总 assigned “上海宝钢” to you")


def test_an_update_that_changed_the_owner_is_told_and_any_other_is_not(server: Server, seller: Client) -> None:
    server.deliver("customer", told("updated", seller.user_id), changed_owner(told("updated", seller.user_id)))

    assert [n.body for n in inbox(seller)] == ["系统将“上海宝钢”分配给您"]


@pytest.mark.feature("CUS-09")
def test_whoever_manages_a_department_finds_what_it_is_given_and_nobody_else(server: Server, seller: Client) -> None:
    manager = server.person(["customer.read"], "subordinates")
    blind = server.person([], "subordinates")
    east, north = server.department("华东", manager=manager), server.department("华北", manager=blind)
    nanjing = server.department("南京", east)

    for department in (east, nanjing, north):
        given = told("assigned", "", ids.uuid7(), actor_name="王总")
        given.record.Pack(Customer(id=given.record_id, name="上海宝钢", department_id=department))
        server.deliver("customer", given)

    kinds = {(n.kind, n.title, n.body) for n in inbox(manager)}
    assert kinds == {
        (
            "assigned_department",
            "客户已分配给您管理的部门",
            "王总将“上海宝钢”分配给您管理的部门，由您再分配给人员",
        )
    }
    assert [len(inbox(p)) for p in (manager, blind, seller)] == [2, 0, 0]


def test_an_event_delivered_twice_is_told_once(server: Server, seller: Client) -> None:
    given = told("assigned", seller.user_id)

    server.deliver("customer", given, given)
    server.deliver("customer", given)
    server.sql("DELETE FROM inbox")
    server.deliver("customer", given)

    assert len(inbox(seller)) == 1


def test_nobody_is_told_what_they_did_themselves(server: Server, seller: Client) -> None:
    server.deliver("customer", told("created", seller.user_id, seller.user_id), told("assigned", "", ids.uuid7()))

    assert server.sql("SELECT count(*) FROM notification") == [(0,)]


def test_an_import_does_not_flood_the_inbox(server: Server, seller: Client) -> None:
    rows = [told("created", seller.user_id, ids.uuid7(), bulk=True) for _ in range(300)]

    server.deliver("customer", *rows)

    assert inbox(seller) == []


def test_a_task_given_here_comes_back_as_an_event(server: Server, boss: Client, seller: Client, task_of: Make) -> None:
    task_of(boss)
    task = task_of(boss, "给客户回电话", owner_id=seller.user_id)
    boss.ImportTasks(tasks=[{"title": "导入的", "owner_id": seller.user_id}])

    server.deliver("workspace", *server.events("task"))

    (notification,) = inbox(seller)
    assert (notification.record_id, notification.record_title, notification.actor_name) == (
        task.id, "给客户回电话", "总经理"
    )  # fmt: skip
    assert inbox(boss) == []


def test_the_newest_comes_first_and_pages_follow_one_another(server: Server, seller: Client) -> None:
    events = [told("assigned", seller.user_id) for _ in range(5)]
    server.deliver("customer", *events)

    first = seller.ListNotifications(page_size=3, count="capped")
    rest = seller.ListNotifications(page_size=3, page_token=first.next_page_token)

    assert [n.id for n in (*first.notifications, *rest.notifications)] == sorted((e.id for e in events), reverse=True)
    assert (first.total, first.unread, rest.next_page_token) == (5, 5, "")


def test_what_is_read_is_marked_and_only_ones_own(server: Server, seller: Client, boss: Client) -> None:
    server.deliver("customer", *(told("assigned", c.user_id) for c in (seller, seller, seller, boss)))
    mine, foreign = inbox(seller), inbox(boss)[0]

    assert seller.ReadNotifications(ids=[mine[0].id, foreign.id]).read == 1
    assert seller.ReadNotifications(ids=[mine[0].id]).read == 0

    page = seller.ListNotifications()
    assert [n.HasField("read_time") for n in page.notifications] == [True, False, False]
    assert (page.unread, boss.ListNotifications().unread) == (2, 1)
    assert [n.id for n in inbox(seller, filter="read_time = null")] == [n.id for n in mine[1:]]

    assert seller.ReadNotifications().read == 2
    assert (seller.ListNotifications().unread, boss.ListNotifications().unread) == (0, 1)


def test_an_inbox_is_its_owners_whatever_others_may(server: Server, seller: Client, boss: Client) -> None:
    server.deliver("customer", told("assigned", seller.user_id))

    assert inbox(boss) == inbox(boss, filter=f'user_id = "{seller.user_id}"') == []
    with refused("NOT_FOUND"):
        boss.ListChanges(record_type="notification", id=inbox(seller)[0].id)


def test_unread_entries_are_counted_up_to_a_thousand(server: Server, seller: Client) -> None:
    server.deliver("customer", *(told("assigned", seller.user_id) for _ in range(1003)))

    assert seller.ListNotifications(page_size=1).unread == 1000


def test_an_inbox_needs_somebody_signed_in(server: Server) -> None:
    with refused("UNAUTHENTICATED"):
        server.nobody.ListNotifications()


def test_ids_must_be_ids(seller: Client) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "ids"):
        seller.ReadNotifications(ids=["1"])


def place(seller: Client, action: str = "added", actor: str = "", record_type: str = "customer", **more: Any) -> Any:
    """The event of somebody's place in the team of a record."""
    member = TeamMember(record_type=record_type, record_id=ids.uuid7(), user_id=seller.user_id, access="read")
    member.id, member.record_title = f"{record_type}:{member.record_id}:{member.user_id}", "上海宝钢"
    made = event(member, action)
    made.actor_id, made.actor_name, made.bulk = actor or ids.uuid7(), "王总", more.get("bulk", False)
    return made


def test_whoever_is_put_into_the_team_of_a_record_is_told_once(server: Server, seller: Client) -> None:
    added = place(seller)

    server.deliver("customer", added)
    server.deliver("customer", added)

    (chinese,) = inbox(seller)
    (english,) = seller.ListNotifications(metadata={"accept-language": "en"}).notifications
    assert (chinese.kind, chinese.record_type) == ("team_added", "customer")
    assert f"customer:{chinese.record_id}:{seller.user_id}" == added.record_id
    assert (chinese.title, chinese.body) == ("客户的相关团队", "王总将您加入“上海宝钢”的相关团队")
    assert english.body == "王总 added you to the team of “上海宝钢”"
    assert server.sql("SELECT user_id::text FROM team_member") == [(seller.user_id,)]


def test_of_a_team_nobody_is_told_what_they_did_or_what_was_no_entry(server: Server, seller: Client) -> None:
    server.deliver(
        "customer",
        place(seller, actor=seller.user_id),
        place(seller, "changed"),
        place(seller, "removed"),
        place(seller, bulk=True),
    )

    assert inbox(seller) == []
    assert server.sql("SELECT count(*) FROM team_member") == [(4,)]


def test_who_is_put_into_the_team_of_a_task_is_told_what_the_task_is_called(server: Server) -> None:
    owner, helper = server.person(name="陈总"), server.person(name="小周")
    task = owner.CreateTask(task={"title": "准备投标文件"})

    answered = owner.PutTeamMember(record_type="task", id=task.id, user_id=helper.user_id, access="read")
    (said,) = server.events("team_member")
    server.deliver("workspace", said)

    assert answered.record_title == ""
    (told,) = inbox(helper)
    assert (told.record_id, told.body) == (task.id, "陈总将您加入“准备投标文件”的相关团队")


def test_the_inbox_shows_the_name_of_a_teams_record_as_its_reader_sees_it(server: Server) -> None:
    hidden = server.person(["customer.read"], fields=[{"resource": "customer", "field": "name", "rule": "hidden"}])

    server.deliver("customer", place(hidden))

    (told,) = inbox(hidden)
    assert "宝钢" not in f"{told.title}{told.body}{told.record_title}"
