"""Care: templates and plans, what is refused of them, and whom they reach."""

from __future__ import annotations

from typing import Any

import pytest
from care_fixtures import contact, items, plan, propose, template

from crm_kit.testing import Client, Server, refused

pytestmark = pytest.mark.feature("CUS-21")


@pytest.mark.parametrize("text", ["{nmae}您好", "{ name }", "{}", "{name.secret}"])
def test_an_unknown_placeholder_is_refused_when_it_is_saved(boss: Client, text: str) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "textZh"):
        boss.CreateCareTemplate(care_template={"name": "模板", "channel": "text", "text_zh": text})


def test_a_template_is_previewed_with_somebody_the_caller_sees(server: Server, boss: Client, company: Any) -> None:
    person = contact(boss, company)
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


def test_a_plan_reaches_no_further_than_its_owner(server: Server, boss: Client, company: Any) -> None:
    rights = ["care_plan.*", "care_template.*", "customer.*", "contact.*"]
    li = server.person(rights, "self", name="李")
    own = li.CreateCustomer(customer={"name": "李的客户"})
    contact(boss, company, "别人的")
    contact(li, own, "自己的")
    plan(li)
    blind = server.person(rights, fields=[{"resource": "contact", "field": "birthday", "rule": "hidden"}])
    unseen = plan(blind, name="看不到生日")
    left = plan(server.person(name="离职"), name="离职者的")
    server.sql("UPDATE org_user SET active = false WHERE name = '离职'")

    said = propose(server, "2026-06-10")

    assert [i.recipient_name for i in items(boss)] == ["自己的"]
    assert {s["plan"] for s in said["stopped"]} == {unseen.id, left.id}
