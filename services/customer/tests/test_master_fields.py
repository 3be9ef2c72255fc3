"""The fields that a customer and a contact have, one by one: each is given, kept and answered."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from crm_kit.testing import Client, refused

_CUSTOMER: dict[str, Any] = {
    "name": "重庆长江轴承有限公司",
    "short_name": "长江轴承",
    "kind": "organization",
    "type": "enterprise",
    "level": "key",
    "relation": "familiar",
    "industry": "manufacturing",
    "ownership_kind": "private",
    "business_form": "limited",
    "scale": "medium",
    "employees": 300,
    "male_employees": 200,
    "female_employees": 100,
    "senior_title_employees": 12,
    "middle_title_employees": 40,
    "qualification": "一级",
    "trade_standing": "leading",
    "peer_opinion": "口碑好",
    "market_area": "西南",
    "country": "CN",
    "province": "重庆",
    "city": "重庆",
    "district": "渝北区",
    "address": "长江路 1 号",
    "latitude": "29.718100",
    "longitude": "106.631200",
    "postcode": "401120",
    "phone": "023-61234567",
    "fax": "023-61234568",
    "mobile": "13912345678",
    "email": "info@example.com",
    "website": "https://example.com",
    "wechat": "cjzc",
    "legal_representative": "王强",
    "credit_code": "91350100M000100Y43",
    "licence_number": "500000000000001",
    "registered_capital": "5000000.00",
    "founding_date": "1998-05-01",
    "sales_channel": "direct",
    "brands": "长江",
    "registration_channel": "manual",
    "source": "exhibition",
    "bank": "工商银行",
    "bank_account": "6222020200001234567",
    "taxpayer_kind": "general",
    "credit_rating": "aa",
    "peer_credit": "良好",
    "payment_attitude": "prompt",
    "cash_situation": "充足",
    "books_state": "清楚",
    "supply_contract": "signed",
    "assessment": "优秀",
    "development_now": "扩产",
    "development_one_year": "新厂",
    "development_three_years": "上市",
    "development_long_run": "出海",
    "competition": "同城两家",
    "main_partners": "重汽",
    "tags": ["年单"],
    "remarks": "老客户",
}
_INDIVIDUAL: dict[str, Any] = {
    "name": "李明",
    "kind": "individual",
    "sex": "male",
    "birthday": "1980-02-03",
    "age": 46,
    "trade": "医生",
    "position": "主任",
    "mobile": "13912345679",
    "hobbies": "钓鱼",
}
_CONTACT: dict[str, Any] = {
    "name": "王芳",
    "primary": True,
    "sex": "female",
    "birthday": "1985-06-01",
    "age": 41,
    "position": "general_manager",
    "department": "总经办",
    "decision_role": "decider",
    "phone": "023-61234567",
    "office_phone": "023-61234569",
    "mobile": "13812345678",
    "home_phone": "023-68888888",
    "fax": "023-61234568",
    "email": "fang@example.com",
    "wechat": "wx-fang",
    "postcode": "401120",
    "home_address": "临江路 1 号",
    "birthplace": "成都",
    "native_place": "四川",
    "ethnicity": "汉族",
    "marital_state": "married",
    "education": "master",
    "career": "先后任职三家企业",
    "honorary_posts": "行业协会理事",
    "temperament": "直爽",
    "way_of_thinking": "重数据",
    "hobbies": "羽毛球",
    "taboos": "不谈政治",
    "strengths": "守信",
    "specialities": "机械设计",
    "business_knowledge": "精通",
    "influence": "大",
    "organization_part": "拍板",
    "recent_decisions": "换了供应商",
    "family": [
        {
            "relation": "女儿",
            "name": "王小丫",
            "birthday": "2015-06-01",
            "school_or_work": "实验小学",
            "phone": "13800000000",
            "hobbies": "钢琴",
        }
    ],
    "profile": "技术出身",
    "invalid": True,
    "invalid_reason": "已离职",
    "remarks": "备注",
}


def _told(message: Any, given: dict[str, Any]) -> dict[str, Any]:
    """What a message says of the fields that were given, in their form."""
    told = {}
    for name, value in given.items():
        found = getattr(message, name)
        if name == "family":
            found = [{n: getattr(one, n) for n in value[0]} for one in found]
        told[name] = list(found) if isinstance(value, list) else found
    return told


@pytest.mark.feature("CUS-01")
@pytest.mark.parametrize("given", [_CUSTOMER, _INDIVIDUAL], ids=["organisation", "individual"])
def test_every_field_of_a_customer_is_kept(boss: Client, given: dict[str, Any]) -> None:
    made = boss.CreateCustomer(customer={**given, "collector_id": boss.user_id})

    read = boss.GetCustomer(id=made.id)
    assert _told(read, given) == given
    assert (read.collector_id, read.enterer_id, read.owner_id) == (boss.user_id,) * 3
    assert (read.review_mark, read.reviewer_id) == ("pending", "")
    assert read.number.startswith("KH")


@pytest.mark.feature("CUS-02")
def test_every_field_of_a_contact_is_kept(boss: Client) -> None:
    customer = boss.CreateCustomer(customer={"name": "长江轴承"})
    made = boss.CreateContact(contact={**_CONTACT, "customer_id": customer.id, "collector_id": boss.user_id})

    read = boss.GetContact(id=made.id)
    assert _told(read, _CONTACT) == _CONTACT
    assert (read.collector_id, read.enterer_id) == (boss.user_id, boss.user_id)
    assert (read.review_mark, read.reviewer_id) == ("pending", "")


@pytest.mark.feature("CUS-02")
def test_the_change_record_of_a_contact_says_what_changed_when_and_by_whom(boss: Client) -> None:
    customer = boss.CreateCustomer(customer={"name": "长江轴承"})
    made = boss.CreateContact(contact={"customer_id": customer.id, "name": "王芳", "taboos": "烟"})
    mask = {"paths": ["taboos", "invalid"]}
    boss.UpdateContact(contact={"id": made.id, "taboos": "酒", "invalid": True}, update_mask=mask, etag=made.etag)

    (changed,) = [c for c in boss.ListChanges(record_type="contact", id=made.id).changes if c.action == "updated"]

    assert {c.field: (c.before.string_value, c.after.string_value) for c in changed.changes if c.field == "taboos"} == {
        "taboos": ("烟", "酒")
    }
    assert {c.field for c in changed.changes} == {"taboos", "invalid"}
    assert (changed.actor_id, changed.HasField("time")) == (boss.user_id, True)


@pytest.mark.feature("CUS-01")
@pytest.mark.parametrize(
    ("position", "field"),
    [
        ({"latitude": "31.2"}, "longitude"),
        ({"longitude": "121.4"}, "latitude"),
        ({"latitude": "90.1", "longitude": "1"}, "latitude"),
        ({"latitude": "1", "longitude": "-180.5"}, "longitude"),
    ],
)
def test_half_a_position_and_one_that_is_none_are_refused(boss: Client, position: dict[str, str], field: str) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", field):
        boss.CreateCustomer(customer={"name": "甲公司", **position})


@pytest.mark.feature("CUS-01")
def test_days_that_cannot_be_are_refused_in_the_api_and_in_imports(boss: Client, today: date) -> None:
    tomorrow = (today + timedelta(days=1)).isoformat()
    for given, said in (
        ({"founding_date": tomorrow}, "成立日期不能晚于今天"),
        ({"kind": "individual", "birthday": tomorrow}, "生日不能晚于今天"),
        ({"kind": "individual", "birthday": "1879-12-31"}, "生日不能早于 1880-01-01"),
    ):
        field = "foundingDate" if "founding_date" in given else "birthday"
        with refused("INVALID_ARGUMENT", "INVALID", field) as refusal:
            boss.CreateCustomer(customer={"name": "甲", **given})
        assert refusal.fields[field] == said
        (result,) = boss.ImportCustomers(customers=[{"name": "甲", **given}]).results
        assert (result.outcome, said in result.reason) == ("failed", True)
    made = boss.CreateCustomer(customer={"name": "同仁堂", "founding_date": "1669-01-01"})
    for contact in ({"birthday": tomorrow}, {"family": [{"name": "小宝", "birthday": tomorrow}]}):
        with refused("INVALID_ARGUMENT", "INVALID"):
            boss.CreateContact(contact={"customer_id": made.id, "name": "王芳", **contact})
    assert boss.CreateCustomer(customer={"name": "今天", "founding_date": today.isoformat()}).founding_date


@pytest.mark.feature("CUS-01")
def test_a_tag_given_twice_is_there_once(boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "甲", "tags": ["b", "a", " b "]})

    assert list(made.tags) == ["b", "a"]
