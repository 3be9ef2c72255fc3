"""Care: people confirm what is proposed, what is due leaves if it is still wanted, tasks take it along."""

from __future__ import annotations

from typing import Any

import pytest
from care_fixtures import at, contact, items, plan, propose

from crm.workspace.v1.tasks_pb2 import Task
from crm_kit.testing import Client, Server, event, refused
from customer.care.task_events import task_of

pytestmark = pytest.mark.feature("CUS-21")


def test_a_birthday_is_proposed_confirmed_and_leaves_at_its_hour(server: Server, boss: Client, company: Any) -> None:
    person = contact(boss, company)
    made = plan(boss, days_before=1, hour=10)

    assert propose(server, "2026-06-05") == {"proposed": 0}
    assert propose(server, "2026-06-06") == {"proposed": 1}

    (item,) = items(boss)
    assert (item.state, item.plan_id, item.record_id, item.occasion_date) == (
        "proposed", made.id, person.id, "2026-06-10"
    )  # fmt: skip
    assert (item.subject, item.text) == ("生日", "王芳女士，生日快乐！长江轴承 总经理")
    assert item.send_time.ToJsonString() == "2026-06-09T02:00:00Z"
    confirmed = boss.ConfirmCareItem(id=item.id, etag=item.etag)
    assert (confirmed.state, confirmed.confirmer_id) == ("confirmed", boss.user_id)
    at(server, "2026-06-09T09:59")
    assert items(boss)[0].state == "confirmed"
    at(server, "2026-06-09T10:00")
    assert items(boss)[0].state == "sent"
    assert [e.action for e in server.events("care_item")] == ["proposed", "confirmed", "due"]


@pytest.mark.parametrize(
    ("channel", "wish", "address"),
    [("mail", "do_not_mail", "email"), ("text", "do_not_text", "mobile"), ("call", "do_not_call", "mobile")],
)
def test_who_does_not_want_it_gets_nothing_asked_twice(
    server: Server, boss: Client, company: Any, channel: str, wish: str, address: str
) -> None:
    before = contact(boss, company, "早拒绝", **{wish: True})
    nowhere = contact(boss, company, "无地址", **{address: ""})
    later = contact(boss, company, "后拒绝")
    willing = contact(boss, company, "愿意")
    plan(boss, channel=channel, automatic=True)

    propose(server, "2026-06-10")
    boss.UpdateContact(contact={"id": later.id, wish: True}, update_mask={"paths": [wish]}, etag=later.etag)
    at(server, "2026-06-10T09:00")

    found = {i.record_id: (i.state, i.reason) for i in items(boss)}
    assert found == {
        before.id: ("not_sent", wish),
        nowhere.id: ("not_sent", "no_address"),
        later.id: ("not_sent", wish),
        willing.id: ("sent", ""),
    }
    assert [e.record_id for e in server.events("care_item") if e.action == "due"] == [
        i.id for i in items(boss) if i.state == "sent"
    ]


def test_what_a_company_does_not_want_its_contacts_do_not_get(server: Server, boss: Client, company: Any) -> None:
    contact(boss, company)
    boss.UpdateCustomer(
        customer={"id": company.id, "do_not_text": True}, update_mask={"paths": ["do_not_text"]}, etag=company.etag
    )
    plan(boss, automatic=True)

    propose(server, "2026-06-10")

    assert [(i.state, i.reason) for i in items(boss)] == [("not_sent", "do_not_text")]


def test_the_event_that_leaves_holds_no_address(server: Server, boss: Client, company: Any) -> None:
    contact(boss, company)
    plan(boss, automatic=True, days_before=2)
    propose(server, "2026-06-08")
    at(server, "2026-06-08T09:00")

    (due,) = [e for e in server.events("care_item") if e.action == "due"]
    assert "王芳女士" in due.record.value.decode(errors="ignore")
    assert b"13800001234" not in due.SerializeToString()
    assert b"2026-06-10" not in due.SerializeToString()


def test_who_left_since_and_a_plan_that_was_stopped_send_nothing(server: Server, boss: Client, company: Any) -> None:
    gone = contact(boss, company, "离职")
    contact(boss, company, "在职")
    automatic = plan(boss, automatic=True)
    propose(server, "2026-06-10")
    boss.UpdateContact(contact={"id": gone.id, "invalid": True}, update_mask={"paths": ["invalid"]}, etag=gone.etag)
    boss.UpdateCarePlan(
        care_plan={"id": automatic.id, "paused": True}, update_mask={"paths": ["paused"]}, etag=automatic.etag
    )

    at(server, "2026-06-10T09:00")

    found = {i.recipient_name: (i.state, i.reason) for i in items(boss)}
    assert found["在职"] == ("not_sent", "plan_stopped")
    assert found["离职"][0] == "not_sent"


def test_what_nobody_confirmed_lapses_when_its_day_is_over(server: Server, boss: Client, company: Any) -> None:
    contact(boss, company)
    plan(boss)
    propose(server, "2026-06-08")

    at(server, "2026-06-10T23:59")
    assert items(boss)[0].state == "proposed"
    at(server, "2026-06-11T00:01")

    assert (items(boss)[0].state, items(boss)[0].reason) == ("skipped", "lapsed")


def test_many_are_confirmed_or_skipped_at_once_each_for_itself(server: Server, boss: Client, company: Any) -> None:
    for n in range(4):
        contact(boss, company, f"王{n}")
    plan(boss)
    propose(server, "2026-06-10")
    ids = [i.id for i in items(boss)]
    boss.SkipCareItem(id=ids[0], etag="1", reason="关系一般")

    answer = boss.ConfirmCareItems(ids=ids[:3])
    skipped = boss.SkipCareItems(ids=[ids[3]], reason="出差")

    assert [r.outcome for r in answer.results] == ["failed", "updated", "updated"]
    assert (answer.updated, answer.failed, skipped.updated) == (2, 1, 1)
    assert "已跳过" in answer.results[0].reason
    assert [i.state for i in items(boss)] == ["skipped", "confirmed", "confirmed", "skipped"]
    with refused("INVALID_ARGUMENT", "ONE_TO_MANY"):
        boss.ConfirmCareItems(ids=[])


def test_a_text_is_changed_as_long_as_it_is_proposed(server: Server, boss: Client, company: Any) -> None:
    contact(boss, company)
    plan(boss)
    propose(server, "2026-06-10")
    (item,) = items(boss)

    edited = boss.UpdateCareItem(
        care_item={"id": item.id, "text": "芳姐生日快乐"}, update_mask={"paths": ["text"]}, etag="1"
    )
    confirmed = boss.ConfirmCareItem(id=item.id, etag=edited.etag)

    with refused("FAILED_PRECONDITION", "CARE_ITEM_FIXED"):
        boss.UpdateCareItem(
            care_item={"id": item.id, "text": "改"}, update_mask={"paths": ["text"]}, etag=confirmed.etag
        )
    assert items(boss)[0].text == "芳姐生日快乐"


def test_items_are_seen_and_confirmed_by_whoever_reaches_the_customer(server: Server, boss: Client) -> None:
    li = server.person(["customer.*", "contact.*", "care_item.read", "care_item.update"], "self", name="李")
    wang = server.person(["care_item.read", "care_item.update", "customer.read"], "self", name="王")
    manager = server.person(["care_item.read", "customer.read"], name="经理")
    contact(li, li.CreateCustomer(customer={"name": "李的客户"}))
    plan(boss)
    propose(server, "2026-06-10")
    (item,) = items(li)

    assert items(wang) == []
    with refused("NOT_FOUND"):
        wang.ConfirmCareItem(id=item.id, etag=item.etag)
    assert wang.ConfirmCareItems(ids=[item.id]).failed == 1
    assert wang.GetCareProgress().groups == []
    with refused("PERMISSION_DENIED"):
        manager.ConfirmCareItem(id=item.id, etag=item.etag)
    with refused("ABORTED"):
        li.ConfirmCareItem(id=item.id, etag="7")
    assert li.ConfirmCareItem(id=item.id, etag=item.etag).state == "confirmed"


def test_a_name_that_one_does_not_see_is_in_no_item(server: Server, boss: Client, company: Any) -> None:
    contact(boss, company)
    plan(boss)
    propose(server, "2026-06-10")
    rules = [
        {"resource": "contact", "field": "name", "rule": "hidden"},
        {"resource": "contact", "field": "birthday", "rule": "masked"},
    ]
    near = server.person(fields=rules)

    for asked in ("", "text", "recipientName,occasionDate,subject", "*"):
        (item,) = items(near, fields=asked)
        assert "王芳" not in str(item)
        assert not item.occasion_date
    with refused("INVALID_ARGUMENT"):
        items(near, filter='recipient_name = "王芳"')


def test_managers_see_how_far_care_has_come(server: Server, boss: Client) -> None:
    li, wang = (server.person(name=n) for n in ("李", "王"))
    for owner, many in ((li, 3), (wang, 2)):
        customer = owner.CreateCustomer(customer={"name": f"{owner.user_id}的客户"})
        for n in range(many):
            contact(boss, customer, f"人{n}")
    made = plan(boss, name="生日关怀")
    propose(server, "2026-06-10")
    first = items(boss)[0]
    boss.ConfirmCareItem(id=first.id, etag=first.etag)

    (by_plan,) = boss.GetCareProgress().groups
    people = boss.GetCareProgress(group_by="performer_id", from_date="2026-06-10", until_date="2026-06-10").groups

    assert (by_plan.key, by_plan.label, by_plan.total) == (made.id, "生日关怀", 5)
    assert {c.state: c.count for c in by_plan.counts} == {"proposed": 4, "confirmed": 1}
    assert {g.label: g.total for g in people} == {"李": 3, "王": 2}
    assert boss.GetCareProgress(from_date="2026-06-11").groups == []
    with refused("INVALID_ARGUMENT"):
        boss.GetCareProgress(group_by="text")


def _task_event(item: Any, state: str, action: str, task_id: str = "") -> Any:
    made = Task(
        id=task_id or task_of(item.id), record_type="care_item", record_id=item.id, state=state, result="已问候"
    )
    return event(made, action)


def test_the_task_of_an_item_takes_it_along(server: Server, boss: Client, company: Any) -> None:
    contact(boss, company)
    plan(boss, channel="task", automatic=True)
    propose(server, "2026-06-10")
    at(server, "2026-06-10T09:00")
    (item,) = items(boss)
    assert (item.state, item.performer_id) == ("sent", boss.user_id)
    steps = [("done", "completed"), ("open", "reopened"), ("cancelled", "cancelled"), ("open", "reopened")]

    found = []
    for state, action in steps:
        told = _task_event(item, state, action)
        server.deliver("workspace", told, told)
        found.append(items(boss)[0])

    assert [i.state for i in found] == ["done", "sent", "failed", "sent"]
    assert (found[0].result, found[2].reason) == ("已问候", "task_cancelled")


def test_a_task_that_somebody_wrote_about_an_item_moves_nothing(server: Server, boss: Client, company: Any) -> None:
    contact(boss, company)
    plan(boss, channel="task", automatic=True)
    propose(server, "2026-06-10")
    at(server, "2026-06-10T09:00")
    (item,) = items(boss)

    server.deliver("workspace", _task_event(item, "done", "completed", "01890000-0000-7000-8000-000000000009"))

    assert items(boss)[0].state == "sent"


def test_nobody_to_do_it_is_told(server: Server, boss: Client) -> None:
    department = server.department()
    nobodys = boss.CreateCustomer(customer={"name": "无主", "department_id": department})
    contact(boss, nobodys)
    plan(boss, channel="call", automatic=True)
    propose(server, "2026-06-10")

    at(server, "2026-06-10T09:00")

    assert [(i.state, i.reason) for i in items(boss)] == [("not_sent", "no_performer")]
