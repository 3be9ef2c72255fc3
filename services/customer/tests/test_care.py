"""Care: plans propose, people confirm, what is due leaves if it is still wanted."""

from __future__ import annotations

from typing import Any

import pytest
from care_fixtures import at, contact, day_id, items, plan, propose, queue, result, template

from crm.sales.v1.opportunities_pb2 import Opportunity
from crm.workspace.v1.tasks_pb2 import Task
from crm_kit.testing import Client, Server, event, refused
from customer.care.task_events import task_of

pytestmark = pytest.mark.feature("CUS-21")


@pytest.fixture
def customer(boss: Client) -> Any:
    return boss.CreateCustomer(
        customer={"name": "重庆长江轴承有限公司", "short_name": "长江轴承", "founding_date": "1998-06-12"}
    )


def test_a_birthday_is_proposed_confirmed_and_leaves_at_its_hour(server: Server, boss: Client, customer: Any) -> None:
    person = contact(boss, customer)
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


def test_there_is_one_item_for_each_plan_person_and_occasion(server: Server, boss: Client, customer: Any) -> None:
    for n in range(5):
        contact(boss, customer, f"王{n}")
    plan(boss)
    plan(boss, channel="mail", name="另一方案")

    first = [propose(server, f"2026-06-{day:02}")["proposed"] for day in range(7, 11)]
    again = propose(server, "2026-06-08")["proposed"]

    assert (first, again) == ([10, 0, 0, 0], 0)
    assert propose(server, "2027-06-10")["proposed"] == 10
    with pytest.raises(Exception, match="uq_care_item_occasion"):
        server.sql(
            "INSERT INTO care_item (id, create_time, update_time, plan_id, record_id, occasion_key)"
            " SELECT gen_random_uuid(), now(), now(), plan_id, record_id, occasion_key FROM care_item LIMIT 1"
        )


def test_a_killed_job_goes_on_without_doubles_and_without_gaps(
    server: Server, boss: Client, customer: Any, measured: Any
) -> None:
    boss.ImportCustomers(customers=[{"name": f"客户{n}", "external_id": f"k{n}"} for n in range(90)])
    ids = [i for (i,) in server.sql("SELECT id::text FROM customer WHERE external_id IS NOT NULL")]
    for part in range(3):
        rows = [{"customer_id": i, "name": f"人{n}", "birthday": "1980-06-10", "mobile": "13800001234"}
                for i in ids[part::3] for n in range(10)]  # fmt: skip
        boss.ImportContacts(contacts=rows)
    plan(boss, automatic=True, name="一")
    plan(boss, name="二")

    job = queue(server, "care_propose", "2026-06-10")
    kills = 0
    while True:
        runner = server.service.runner()
        broken = _break_once(runner, kills)
        if not broken and not runner.step():
            break
        kills += broken
    again = propose(server, "2026-06-10")

    assert result(server, job) == {"proposed": 1800}
    assert again == {"proposed": 0}
    ((made, persons),) = server.sql("SELECT count(*), count(DISTINCT record_id) FROM care_item")
    measured(f"{made} items of {persons} people over {kills} kills")
    assert (made, persons, kills) == (1800, 900, 5)


def _break_once(runner: Any, kills: int) -> bool:
    """A step that dies just before its end: its transaction is lost, as with the process."""
    if kills >= 5:
        return False
    advance = runner._advance

    def die(call: Any, row: Any) -> None:
        advance(call, row)
        raise KeyboardInterrupt

    runner._advance = die
    with pytest.raises(KeyboardInterrupt):
        runner.step()
    return True


def test_a_lunar_birthday_and_a_lunar_festival(server: Server, boss: Client, customer: Any) -> None:
    born_on_mid_autumn = contact(boss, customer, "秋月", birthday="1985-09-29", birthday_lunar=True)
    contact(boss, customer, "国庆", birthday="1985-09-29")
    plan(boss)
    plan(boss, "day", day_id=day_id(boss, "mid_autumn"), name="中秋")

    propose(server, "2026-09-25")

    found = sorted((i.record_id == born_on_mid_autumn.id, i.occasion_name, i.occasion_date) for i in items(boss))
    assert found == [(False, "中秋节", "2026-09-25"), (True, "中秋节", "2026-09-25"), (True, "生日", "2026-09-25")]


def test_company_anniversaries_and_first_deals_go_to_the_primary_contact_or_the_company(
    server: Server, boss: Client, customer: Any
) -> None:
    primary = contact(boss, customer, "李总", primary=True)
    contact(boss, customer, "其他人")
    deal = Opportunity(id="01890000-0000-7000-8000-000000000001", title="轴承", state="won")
    deal.customer_id, deal.close_date = customer.id, "2024-06-12"
    server.deliver("sales", event(deal, "won"))
    plan(boss, "company_anniversary", audience="primary_contacts", name="周年")
    plan(boss, "first_deal", "task", audience="customers", name="首单")

    propose(server, "2026-06-12")

    found = {(i.occasion, i.record_type, i.record_id, i.occasion_date) for i in items(boss)}
    assert found == {
        ("company_anniversary", "contact", primary.id, "2026-06-12"),
        ("first_deal", "customer", customer.id, "2026-06-12"),
    }


def test_the_first_deal_is_the_first_order_where_that_is_earlier(
    server: Server, boss: Client, customer: Any, order: Any
) -> None:
    ordered = boss.CreateCustomer(customer={"name": "老主顾"})
    boss.CreateCustomer(customer={"name": "潜在客户"})
    for day in ("2023-06-13", "2024-06-12"):
        order(ordered.id, day, "100")
    order(customer.id, "2023-06-12", "100")
    deal = Opportunity(id="01890000-0000-7000-8000-000000000001", customer_id=customer.id, state="won")
    deal.close_date = "2024-06-13"
    server.deliver("sales", event(deal, "won"))
    plan(boss, "first_deal", "task", audience="customers")

    propose(server, "2026-06-12")

    found = {(i.record_id, i.occasion_date) for i in items(boss)}
    assert found == {(ordered.id, "2026-06-13"), (customer.id, "2026-06-12")}


def test_a_plan_tells_no_day_of_orders_that_its_owner_does_not_see(
    server: Server, boss: Client, customer: Any, order: Any
) -> None:
    order(customer.id, "2023-06-12", "100")
    hidden = [{"resource": "customer", "field": "first_order_date", "rule": "hidden"}]
    owner = server.person(fields=hidden)
    plan(owner, "first_deal", "task", audience="customers", template_id=template(boss, "task"))

    said = propose(server, "2026-06-12")

    assert ["首次订货日期" in s["reason"] for s in said["stopped"]] == [True]
    assert items(boss) == []


def test_occasions_that_people_enter_come_once_or_every_year(server: Server, boss: Client, customer: Any) -> None:
    person = contact(boss, customer)
    enter = {"customer_id": customer.id, "contact_id": person.id}
    boss.CreateOccasion(occasion={**enter, "kind": "promotion", "name": "升任总经理", "date": "2026-06-20"})
    boss.CreateOccasion(
        occasion={**enter, "kind": "promotion", "name": "入职纪念", "date": "2020-06-20", "yearly": True}
    )
    boss.CreateOccasion(occasion={**enter, "kind": "wedding", "name": "结婚纪念", "date": "2010-06-20", "yearly": True})
    plan(boss, "occasion", occasion_kind="promotion")

    assert propose(server, "2026-06-20") == {"proposed": 2}
    assert propose(server, "2027-06-20") == {"proposed": 1}
    assert sorted(i.occasion_name for i in items(boss)) == ["入职纪念", "入职纪念", "升任总经理"]


def test_an_occasion_is_of_a_contact_of_the_same_customer(boss: Client, customer: Any) -> None:
    other = contact(boss, boss.CreateCustomer(customer={"name": "别家"}))

    with refused("INVALID_ARGUMENT", "INVALID", "contactId"):
        boss.CreateOccasion(
            occasion={
                "customer_id": customer.id,
                "contact_id": other.id,
                "kind": "other",
                "name": "某",
                "date": "2026-01-01",
            }
        )


@pytest.mark.parametrize(
    ("channel", "wish", "address"),
    [("mail", "do_not_mail", "email"), ("text", "do_not_text", "mobile"), ("call", "do_not_call", "mobile")],
)
def test_who_does_not_want_it_gets_nothing_asked_twice(
    server: Server, boss: Client, customer: Any, channel: str, wish: str, address: str
) -> None:
    before = contact(boss, customer, "早拒绝", **{wish: True})
    nowhere = contact(boss, customer, "无地址", **{address: ""})
    later = contact(boss, customer, "后拒绝")
    willing = contact(boss, customer, "愿意")
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


def test_what_a_company_does_not_want_its_contacts_do_not_get(server: Server, boss: Client, customer: Any) -> None:
    contact(boss, customer)
    boss.UpdateCustomer(
        customer={"id": customer.id, "do_not_text": True}, update_mask={"paths": ["do_not_text"]}, etag=customer.etag
    )
    plan(boss, automatic=True)

    propose(server, "2026-06-10")

    assert [(i.state, i.reason) for i in items(boss)] == [("not_sent", "do_not_text")]


def test_the_event_that_leaves_holds_no_address(server: Server, boss: Client, customer: Any) -> None:
    contact(boss, customer)
    plan(boss, automatic=True, days_before=2)
    propose(server, "2026-06-08")
    at(server, "2026-06-08T09:00")

    (due,) = [e for e in server.events("care_item") if e.action == "due"]
    assert "王芳女士" in due.record.value.decode(errors="ignore")
    assert b"13800001234" not in due.SerializeToString()
    assert b"2026-06-10" not in due.SerializeToString()


def test_who_left_since_and_a_plan_that_was_stopped_send_nothing(server: Server, boss: Client, customer: Any) -> None:
    gone = contact(boss, customer, "离职")
    contact(boss, customer, "在职")
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


def test_what_nobody_confirmed_lapses_when_its_day_is_over(server: Server, boss: Client, customer: Any) -> None:
    contact(boss, customer)
    plan(boss)
    propose(server, "2026-06-08")

    at(server, "2026-06-10T23:59")
    assert items(boss)[0].state == "proposed"
    at(server, "2026-06-11T00:01")

    assert (items(boss)[0].state, items(boss)[0].reason) == ("skipped", "lapsed")


def test_many_are_confirmed_or_skipped_at_once_each_for_itself(server: Server, boss: Client, customer: Any) -> None:
    for n in range(4):
        contact(boss, customer, f"王{n}")
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


def test_a_text_is_changed_as_long_as_it_is_proposed(server: Server, boss: Client, customer: Any) -> None:
    contact(boss, customer)
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


@pytest.mark.parametrize("text", ["{nmae}您好", "{ name }", "{}", "{name.secret}"])
def test_an_unknown_placeholder_is_refused_when_it_is_saved(boss: Client, text: str) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "textZh"):
        boss.CreateCareTemplate(care_template={"name": "模板", "channel": "text", "text_zh": text})


def test_a_template_is_previewed_with_somebody_the_caller_sees(server: Server, boss: Client, customer: Any) -> None:
    person = contact(boss, customer)
    made = template(boss, text_en="Dear {honorific} {name}, happy {occasion}! {owner}")
    near = server.person(["care_template.read", "contact.read"], "self")
    masked = server.person(fields=[{"resource": "contact", "field": "name", "rule": "hidden"}])

    chinese = boss.PreviewCareTemplate(id=made, contact_id=person.id, occasion="春节")
    english = boss.PreviewCareTemplate(id=made, contact_id=person.id, occasion="birthday", language="en")

    assert chinese.text == "王芳女士，春节快乐！长江轴承 总经理"
    assert english.text == "Dear Ms. 王芳, happy birthday! 总经理"
    assert "王芳" not in masked.PreviewCareTemplate(id=made, contact_id=person.id).text
    nameless = server.person(fields=[{"resource": "customer", "field": "name", "rule": "hidden"}])
    assert "长江" not in nameless.PreviewCareTemplate(id=made, contact_id=person.id).text
    with refused("NOT_FOUND"):
        near.PreviewCareTemplate(id=made, contact_id=person.id)
    with refused("INVALID_ARGUMENT", "INVALID", "contactId"):
        boss.PreviewCareTemplate(id=made)


@pytest.mark.parametrize(
    ("customer", "zh", "en"),
    [
        ({"name": "长江轴承有限公司"}, "问候长江轴承有限公司", "regards to 长江轴承有限公司"),
        ({"name": "长江轴承有限公司", "short_name": "长江"}, "问候长江", "regards to 长江"),
        (
            {"name": "张三", "short_name": "老张", "kind": "individual", "sex": "male"},
            "问候张三先生",
            "regards to Mr. 张三",
        ),
    ],
)
def test_where_there_is_no_contact_the_customer_is_named_once(
    server: Server, boss: Client, customer: dict[str, str], zh: str, en: str
) -> None:
    texts = {"text_zh": "问候{company}的{name}{honorific}", "text_en": "regards to {honorific} {name} of {company}"}
    made, one = template(boss, "task", **texts), boss.CreateCustomer(customer=customer)

    assert boss.PreviewCareTemplate(id=made, customer_id=one.id).text == zh
    assert boss.PreviewCareTemplate(id=made, customer_id=one.id, language="en").text == en


def test_what_a_customer_gets_names_it_once(server: Server, boss: Client) -> None:
    texts = {"subject_zh": "{name}（{company}）", "text_zh": "问候{company}的{name}，{occasion}"}
    boss.CreateCustomer(customer={"name": "长江轴承有限公司", "short_name": "长江", "founding_date": "2001-03-05"})
    fields = {"audience": "customers", "template_id": template(boss, "task", **texts)}
    plan(boss, "company_anniversary", "task", **fields)

    propose(server, "2026-03-04")

    (item,) = boss.ListCareItems().care_items
    assert (item.subject, item.text) == ("长江", "问候长江，成立纪念日")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"occasion": "day"}, "dayId"),
        ({"occasion": "date"}, "date"),
        ({"occasion": "occasion"}, "occasionKind"),
        ({"occasion": "first_deal"}, "audience"),
        ({"customer_filter": "nosuch = 1"}, "customerFilter"),
        ({"contact_filter": "birthday = x"}, "contactFilter"),
        ({"audience": "customers", "contact_filter": "sex = male"}, "contactFilter"),
        ({"channel": "mail"}, "channel"),
        ({"language": "en"}, "language"),
        ({"hour": 24}, "hour"),
    ],
)
def test_a_plan_that_cannot_run_is_refused(boss: Client, fields: dict[str, Any], wrong: str) -> None:
    said = {"name": "方案", "occasion": "birthday", "channel": "text", "audience": "contacts", **fields}

    with refused("INVALID_ARGUMENT", "INVALID", wrong):
        boss.CreateCarePlan(care_plan={**said, "template_id": template(boss)})


def test_a_plan_goes_to_whom_its_filters_and_departments_say(server: Server, boss: Client) -> None:
    east = server.department("东区")
    below = server.department("东区二部", east)
    li = server.person(name="李", department_id=below)
    wang = server.person(name="王", department_id=server.department("西区"))
    near = li.CreateCustomer(customer={"name": "甲", "level": "key"})
    far = wang.CreateCustomer(customer={"name": "乙", "level": "key"})
    small = li.CreateCustomer(customer={"name": "丙", "level": "c"})
    for one, name in ((near, "甲女"), (far, "乙女"), (small, "丙女")):
        contact(boss, one, name)
    contact(boss, near, "甲男", sex="male")
    plan(boss, customer_filter="level = key", contact_filter="sex = female", name="条件")
    plan(boss, customer_filter="level = key OR level = a", department_ids=[east], name="部门")
    plan(li, own_only=True, name="本人")

    propose(server, "2026-06-10")

    by_plan = {p.id: p.name for p in boss.ListCarePlans().care_plans}
    found: dict[str, set[str]] = {}
    for item in items(boss):
        found.setdefault(by_plan[item.plan_id], set()).add(item.recipient_name)
    assert found == {"条件": {"甲女", "乙女"}, "部门": {"甲女", "甲男"}, "本人": {"甲女", "甲男", "丙女"}}


def test_a_plan_reaches_no_further_than_its_owner(server: Server, boss: Client, customer: Any) -> None:
    rights = ["care_plan.*", "care_template.*", "customer.*", "contact.*"]
    li = server.person(rights, "self", name="李")
    own = li.CreateCustomer(customer={"name": "李的客户"})
    contact(boss, customer, "别人的")
    contact(li, own, "自己的")
    plan(li)
    blind = server.person(rights, fields=[{"resource": "contact", "field": "birthday", "rule": "hidden"}])
    unseen = plan(blind, name="看不到生日")
    left = plan(server.person(name="离职"), name="离职者的")
    server.sql("UPDATE org_user SET active = false WHERE name = '离职'")

    said = propose(server, "2026-06-10")

    assert [i.recipient_name for i in items(boss)] == ["自己的"]
    assert {s["plan"] for s in said["stopped"]} == {unseen.id, left.id}


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


def test_a_name_that_one_does_not_see_is_in_no_item(server: Server, boss: Client, customer: Any) -> None:
    contact(boss, customer)
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


def test_the_task_of_an_item_takes_it_along(server: Server, boss: Client, customer: Any) -> None:
    contact(boss, customer)
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


def test_a_task_that_somebody_wrote_about_an_item_moves_nothing(server: Server, boss: Client, customer: Any) -> None:
    contact(boss, customer)
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
