"""What the customer service asks of people: tasks made of care that is due, alerts in the inbox."""

from __future__ import annotations

from typing import Any

import pytest

from crm.customer.v1.alerts_pb2 import Alert
from crm.customer.v1.care_items_pb2 import CareItem
from crm_kit import ids
from crm_kit.testing import Client, Server, event, refused
from workspace.care import task_of


def due(seller: Client, channel: str = "task", action: str = "due", **fields: Any) -> Any:
    """An act of care that left."""
    said = {"subject": "祝王芳生日快乐", "text": "问候王芳女士", "recipient_name": "王芳", "occasion_name": "生日"}
    said |= {"state": "sent", **fields}
    item = CareItem(id=ids.uuid7(), channel=channel, performer_id=seller.user_id, **said)
    item.send_time.FromJsonString("2027-06-09T02:00:00Z")
    return event(item, action)


@pytest.fixture
def seller(server: Server) -> Client:
    return server.person(["task.read", "task.update"], "self", name="小周")


@pytest.mark.feature("CUS-21")
@pytest.mark.parametrize("channel", ["task", "call"])
def test_care_that_is_due_becomes_a_task_of_whoever_looks_after_the_customer(
    server: Server, seller: Client, channel: str
) -> None:
    told = due(seller, channel)

    server.deliver("customer", told, told)
    server.sql("DELETE FROM inbox")
    server.deliver("customer", told)

    (task,) = seller.ListTasks(fields="*").tasks
    assert (task.id, task.owner_id, task.record_type, task.record_id) == (
        task_of(told.record_id), seller.user_id, "care_item", told.record_id
    )  # fmt: skip
    assert (task.title, task.record_title) == ("生日", "王芳")
    assert task.due_time.ToJsonString() == "2027-06-09T02:00:00Z"
    assert [e.action for e in server.events("task")] == ["created"]


@pytest.mark.feature("CUS-21")
def test_mails_and_what_did_not_leave_are_nobodys_task(server: Server, seller: Client) -> None:
    confirmed = due(seller, action="confirmed", state="confirmed")

    server.deliver("customer", due(seller, "mail"), due(seller, "text"), confirmed, due(seller, state="done"))

    assert seller.ListTasks().tasks == []


@pytest.mark.feature("CUS-21")
def test_a_task_that_was_done_stays_done_if_the_event_comes_again(server: Server, seller: Client) -> None:
    told = due(seller)
    server.deliver("customer", told)
    (task,) = seller.ListTasks().tasks
    seller.CompleteTask(id=task.id, etag=task.etag, result="已电话问候")
    server.sql("DELETE FROM inbox")

    server.deliver("customer", told)

    assert [t.state for t in seller.ListTasks().tasks] == ["done"]


def raised(seller: Client, kind: str, days: int | None = 3, action: str = "raised") -> Any:
    return event(
        Alert(id=ids.uuid7(), customer_id=ids.uuid7(), customer_name="长江轴承", title="王芳", kind=kind, days=days,
              user_id=seller.user_id),
        action,
    )  # fmt: skip


@pytest.mark.feature("CUS-22")
@pytest.mark.parametrize(
    ("kind", "zh", "en"),
    [
        ("birthday", "“长江轴承”在 3 天后有生日", "“长江轴承”: a birthday in 3 days"),
        ("company_anniversary", "“长江轴承”在 3 天后迎来成立纪念日", "The anniversary of “长江轴承” is in 3 days"),
        ("contact_overdue", "已有 3 天没有联系“长江轴承”", "Nobody was in contact with “长江轴承” for 3 days"),
        ("next_step", "与“长江轴承”约定的下一步到期了，请跟进", "The next step agreed with “长江轴承” is due"),
        ("no_business", "“长江轴承”已有 3 天没有业务", "There was no business with “长江轴承” for 3 days"),
        ("demand_ending", "“长江轴承”的需求在 3 天后到期", "A demand of “长江轴承” runs out in 3 days"),
        ("credit_exceeded", "“长江轴承”的应收余额超过信用额度", "“长江轴承” owes more than its credit limit"),
    ],
)
def test_an_alert_is_in_the_inbox_once_in_the_readers_language(
    server: Server, seller: Client, kind: str, zh: str, en: str
) -> None:
    told = raised(seller, kind)

    server.deliver("customer", told, told, raised(seller, kind, action="done"))

    (chinese,) = seller.ListNotifications().notifications
    (english,) = seller.ListNotifications(metadata={"accept-language": "en"}).notifications
    assert (chinese.kind, chinese.record_type) == (f"alert_{kind}", "customer")
    assert (chinese.body, english.body) == (zh, en)
    assert chinese.title != english.title


@pytest.mark.feature("CUS-22")
@pytest.mark.parametrize(
    ("kind", "days", "zh", "en"),
    [
        ("birthday", 0, "“长江轴承”今天有生日", "“长江轴承”: a birthday today"),
        ("company_anniversary", 0, "“长江轴承”今天迎来成立纪念日", "The anniversary of “长江轴承” is today"),
        ("demand_ending", 1, "“长江轴承”的需求在 1 天后到期", "A demand of “长江轴承” runs out in 1 day"),
        ("contact_overdue", 1, "已有 1 天没有联系“长江轴承”", "Nobody was in contact with “长江轴承” for 1 day"),
    ],
)
def test_an_alert_of_today_says_so_and_one_day_is_no_days(
    server: Server, seller: Client, kind: str, days: int, zh: str, en: str
) -> None:
    server.deliver("customer", raised(seller, kind, days=days))

    (chinese,) = seller.ListNotifications().notifications
    (english,) = seller.ListNotifications(metadata={"accept-language": "en"}).notifications
    assert (chinese.body, english.body) == (zh, en)


@pytest.mark.feature("CUS-22")
def test_who_does_not_see_customers_names_sees_none_in_an_alert(server: Server) -> None:
    hidden = server.person(["customer.read"], fields=[{"resource": "customer", "field": "name", "rule": "hidden"}])

    server.deliver("customer", raised(hidden, "birthday"))

    (told,) = hidden.ListNotifications().notifications
    assert "长江" not in f"{told.title}{told.body}{told.record_title}"
    assert "长江" not in str(hidden.ListNotifications(fields="record_title"))


@pytest.mark.feature("CUS-21")
def test_only_the_suite_still_gives_a_task_to_an_account_that_ended_meanwhile(
    server: Server, boss: Client, seller: Client
) -> None:
    server.sql("UPDATE org_user SET active = false WHERE id = :id", id=seller.user_id)

    server.deliver("customer", due(seller))

    assert [t.owner_id for t in boss.ListTasks(fields="owner_id").tasks] == [seller.user_id]
    with refused("INVALID_ARGUMENT", "", "ownerId"):
        boss.CreateTask(task={"title": "回访", "owner_id": seller.user_id})


@pytest.mark.feature("CUS-21")
@pytest.mark.parametrize("named", ["contact", "customer"])
def test_the_task_of_care_and_its_notice_name_nobody_to_who_does_not_see_names(server: Server, named: str) -> None:
    hidden = [{"resource": named, "field": "name", "rule": "masked"}]
    performer = server.person(["task.read", "task.update"], "self", fields=hidden)
    told = due(performer)
    server.deliver("customer", told)
    server.deliver("workspace", *server.events("task"))

    (task,) = performer.ListTasks(fields="*", order_by="title").tasks
    (notice,) = performer.ListNotifications(fields="*").notifications

    assert (task.title, task.record_id) == ("生日", told.record_id)
    assert task.record_title not in ("", "王芳")
    changes = performer.ListChanges(record_type="task", id=task.id)
    assert "王芳" not in f"{task} {performer.GetTask(id=task.id)} {notice} {changes}"
    assert "王芳" not in str(performer.ListTasks(fields="record_title"))
    with refused("INVALID_ARGUMENT", "BAD_FILTER"):
        performer.ListTasks(filter='recordTitle = "王芳"')


@pytest.mark.feature("WSP-01")
def test_a_task_names_what_it_is_about_as_its_reader_sees_that(server: Server, boss: Client) -> None:
    about = [("customer", "长江轴承"), ("opportunity", "轴承订单"), ("visit", "拜访")]
    for kind, title in about:
        boss.CreateTask(task={"title": "回访", "record_type": kind, "record_id": ids.uuid7(), "record_title": title})
    hidden = server.person(["task.*"], fields=[{"resource": "customer", "field": "name", "rule": "hidden"}])

    shown = {t.record_type: t.record_title for t in hidden.ListTasks(fields="*").tasks}

    assert shown == {"customer": "", "opportunity": "轴承订单", "visit": "拜访"}
    assert [t.record_title for t in hidden.ListTasks(fields="record_title").tasks] == ["", "", ""]
