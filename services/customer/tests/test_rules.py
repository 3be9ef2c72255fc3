"""Bad input to customers: each its own clear refusal, nothing changed, nothing announced."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

import grpc
import pytest

from crm_kit.testing import Client, Server, refused
from customer.first_entries import DICTIONARIES

CODE = "91350100M000100Y43"
"""A credit code with a right check digit (the example of the standard)."""


@pytest.mark.feature("CUS-01")
@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": ""}, "name"),
        ({"name": " \t"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "甲\u2028乙"}, "name"),
        ({"name": "甲\n乙"}, "name"),
        ({"name": "甲", "credit_code": "91350100M000100Y44"}, "creditCode"),
        ({"name": "甲", "email": "no at sign"}, "email"),
        ({"name": "甲", "website": "javascript:alert(1)"}, "website"),
        ({"name": "甲", "phone": "call me"}, "phone"),
        ({"name": "甲", "industry": "witchcraft"}, "industry"),
        ({"name": "甲", "kind": "ghost"}, "kind"),
        ({"name": "甲", "registered_capital": "-1"}, "registeredCapital"),
        ({"name": "甲", "registered_capital": "1e30"}, "registeredCapital"),
        ({"name": "甲", "registered_capital": "NaN"}, "registeredCapital"),
        ({"name": "甲", "registered_capital": "1.005"}, "registeredCapital"),
        ({"name": "甲", "employees": -5}, "employees"),
        ({"name": "甲", "employees": 5, "male_employees": 3, "female_employees": 3}, "employees"),
        ({"name": "甲", "founding_date": "2026-02-30"}, "foundingDate"),
        ({"name": "甲", "owner_id": "nobody"}, "ownerId"),
        ({"name": "甲", "owner_id": "01890000-0000-7000-8000-000000000000"}, "ownerId"),
        ({"name": "甲", "parent_id": "01890000-0000-7000-8000-000000000000"}, "parentId"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    boss: Client, server: Server, fields: dict[str, Any], wrong: str
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", wrong):
        boss.CreateCustomer(customer=fields)

    assert server.sql("SELECT count(*) FROM customer") == [(0,)]
    assert server.events() == []


@pytest.mark.feature("CUS-01")
def test_every_wrong_field_is_named_at_once_in_the_callers_language(boss: Client) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "name", "email", "kind") as english:
        boss.CreateCustomer(customer={"email": "x", "kind": "y"}, metadata={"accept-language": "en"})
    with refused("INVALID_ARGUMENT") as chinese:
        boss.CreateCustomer(customer={"email": "x", "kind": "y"})

    assert english.fields["name"] == "Name is required"
    assert chinese.fields["name"] == "客户名称不能为空"


@pytest.mark.feature("CUS-01")
def test_a_credit_code_belongs_to_one_living_customer(boss: Client) -> None:
    first = boss.CreateCustomer(customer={"name": "甲", "credit_code": CODE.lower()})
    assert first.credit_code == CODE

    with refused("ALREADY_EXISTS", "EXISTS", "creditCode") as refusal:
        boss.CreateCustomer(customer={"name": "乙", "credit_code": CODE})
    assert refusal.fields["creditCode"] == f"统一社会信用代码“{CODE}”已被使用"

    boss.DeleteCustomer(id=first.id, etag=first.etag)
    second = boss.CreateCustomer(customer={"name": "乙", "credit_code": CODE})
    with refused("ALREADY_EXISTS", "EXISTS", "creditCode"):
        boss.RestoreCustomer(id=first.id)
    assert boss.GetCustomer(id=second.id).credit_code == CODE


@pytest.mark.feature("CUS-01")
def test_no_customer_is_its_own_ancestor(boss: Client) -> None:
    top = boss.CreateCustomer(customer={"name": "集团"})
    below = boss.CreateCustomer(customer={"name": "子公司", "parent_id": top.id})

    with refused("INVALID_ARGUMENT", "INVALID", "parentId"):
        boss.UpdateCustomer(
            customer={"id": top.id, "parent_id": below.id}, update_mask={"paths": ["parent_id"]}, etag=top.etag
        )


@pytest.mark.feature("CUS-01")
def test_an_update_without_a_version_or_without_fields_is_refused(boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "甲"})

    with refused("FAILED_PRECONDITION", "ETAG_REQUIRED"):
        boss.UpdateCustomer(customer={"id": made.id, "city": "苏州"}, update_mask={"paths": ["city"]})
    with refused("INVALID_ARGUMENT", "BAD_UPDATE_MASK"):
        boss.UpdateCustomer(customer={"id": made.id}, update_mask={"paths": ["number", "pinyin"]}, etag="1")
    with refused("INVALID_ARGUMENT", "INVALID", "colour"):
        boss.UpdateCustomer(customer={"id": made.id}, update_mask={"paths": ["colour"]}, etag="1")
    with refused("INVALID_ARGUMENT", "INVALID", "name"):
        boss.UpdateCustomer(customer={"id": made.id}, update_mask={"paths": ["name"]}, etag="1")


@pytest.mark.feature("CUS-01")
def test_a_customer_that_others_point_at_is_not_deleted(boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "甲"})
    contact = boss.CreateContact(contact={"customer_id": made.id, "name": "王芳"})

    with refused("FAILED_PRECONDITION", "DEPENDED_ON") as refusal:
        boss.DeleteCustomer(id=made.id, etag=made.etag)
    assert "联系人 1" in refusal.message

    boss.DeleteContact(id=contact.id, etag=contact.etag)
    deleted = boss.DeleteCustomer(id=made.id, etag=made.etag)
    with refused("NOT_FOUND"):
        boss.GetCustomer(id=made.id)
    assert [c.id for c in boss.ListCustomers(deleted=True).customers] == [made.id]
    restored = boss.RestoreCustomer(id=made.id)
    assert (restored.name, int(restored.etag)) == ("甲", int(deleted.etag) + 1)


@pytest.mark.feature("CUS-01")
def test_a_repeated_idempotency_key_gives_the_first_answer(boss: Client, server: Server) -> None:
    key = {"idempotency-key": "3f6f7a52-create"}
    first = boss.CreateCustomer(customer={"name": "甲"}, metadata=key)

    assert boss.CreateCustomer(customer={"name": "甲"}, metadata=key) == first
    with refused("FAILED_PRECONDITION", "IDEMPOTENCY_KEY_REUSED"):
        boss.CreateCustomer(customer={"name": "乙"}, metadata=key)
    assert len(server.events("customer")) == 1


@pytest.mark.feature("CUS-01")
def test_dictionary_entries_can_be_added_and_retire_without_hurting_old_records(boss: Client) -> None:
    boss.CreateDictionaryEntry(
        record_type="customer",
        dictionary="industry",
        entry={"code": "space", "label_zh": "航天", "label_en": "Space"},
    )
    made = boss.CreateCustomer(customer={"name": "甲", "industry": "space"})
    boss.UpdateDictionaryEntry(
        record_type="customer",
        dictionary="industry",
        code="space",
        entry={"retired": True},
        update_mask={"paths": ["retired"]},
        etag="1",
    )

    with refused("INVALID_ARGUMENT", "INVALID", "industry"):
        boss.CreateCustomer(customer={"name": "乙", "industry": "space"})
    changed = boss.UpdateCustomer(
        customer={"id": made.id, "city": "西安"}, update_mask={"paths": ["city"]}, etag=made.etag
    )
    assert (changed.industry, changed.city) == ("space", "西安")


@pytest.mark.feature("CUS-01")
def test_every_dictionary_of_the_contract_has_first_entries(boss: Client) -> None:
    for record_type in ("customer", "contact", "demand"):
        fields = boss.DescribeRecord(record_type=record_type).fields
        assert {f.dictionary for f in fields if f.dictionary} <= set(DICTIONARIES)


@pytest.mark.feature("CUS-01")
def test_custom_fields_validate_filter_and_can_be_required(boss: Client) -> None:
    for key, kind, choices in (("grade", "choice", ["gold", "silver"]), ("fleet", "number", []), ("due", "date", [])):
        boss.CreateCustomField(
            record_type="customer",
            custom_field={"key": key, "kind": kind, "label_zh": key, "label_en": key, "choices": choices},
        )
    boss.CreateCustomer(customer={"name": "甲", "custom": {"grade": "gold", "fleet": 12, "due": "2026-05-01"}})
    boss.CreateCustomer(customer={"name": "乙", "custom": {"grade": "silver", "fleet": 3}})

    for custom, wrong in (
        ({"grade": "bronze"}, "custom.grade"),
        ({"fleet": "many"}, "custom.fleet"),
        ({"due": "soon"}, "custom.due"),
        ({"unknown": 1}, "custom.unknown"),
    ):
        with refused("INVALID_ARGUMENT", "INVALID", wrong):
            boss.CreateCustomer(customer={"name": "丙", "custom": custom})
    for condition, names in (
        ('custom.grade = "gold"', ["甲"]),
        ("custom.fleet < 10", ["乙"]),
        ("custom.due >= 2026-01-01", ["甲"]),
        ("custom.due = null", ["乙"]),
    ):
        assert [c.name for c in boss.ListCustomers(filter=condition).customers] == names

    boss.UpdateCustomField(
        record_type="customer",
        key="grade",
        custom_field={"required": True},
        update_mask={"paths": ["required"]},
        etag="1",
    )
    with refused("INVALID_ARGUMENT", "INVALID", "custom.grade"):
        boss.CreateCustomer(customer={"name": "丁"})


@pytest.mark.feature("CUS-01")
def test_numbers_take_the_form_that_the_administrator_gave(boss: Client) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "pattern"):
        boss.UpdateNumberFormat(record_type="customer", number_format={"pattern": "C-{yyyy}"}, etag="0")
    boss.UpdateNumberFormat(record_type="customer", number_format={"pattern": "C{seq:6}"}, etag="0")
    made = boss.CreateCustomer(customer={"name": "甲"})
    assert made.number == "C000001"


@pytest.mark.feature("CUS-01")
@pytest.mark.parametrize("value", ["2026-W01-1", "20260105xx", "2026-1-5", "２０２６-01-05"])
def test_a_day_is_written_as_year_month_and_day(boss: Client, value: str) -> None:
    boss.CreateCustomField(
        record_type="customer",
        custom_field={"key": "due", "kind": "date", "label_zh": "到期", "label_en": "Due"},
    )

    with refused("INVALID_ARGUMENT", "INVALID", "foundingDate"):
        boss.CreateCustomer(customer={"name": "甲", "founding_date": value})
    with refused("INVALID_ARGUMENT", "INVALID", "custom.due"):
        boss.CreateCustomer(customer={"name": "甲", "custom": {"due": value}})


@pytest.mark.feature("CUS-01")
def test_one_stored_value_that_is_no_date_does_not_break_the_question_for_everybody(
    boss: Client, server: Server
) -> None:
    boss.CreateCustomField(
        record_type="customer",
        custom_field={"key": "due", "kind": "date", "label_zh": "到期", "label_en": "Due"},
    )
    boss.CreateCustomer(customer={"name": "甲", "custom": {"due": "2026-05-01"}})
    boss.CreateCustomer(customer={"name": "乙", "custom": {"due": "2026-05-02"}})
    server.sql("""UPDATE customer SET custom = '{"due": "soon"}' WHERE name = '乙'""")

    assert [c.name for c in boss.ListCustomers(filter="custom.due > 2026-01-01").customers] == ["甲"]


@pytest.mark.feature("CUS-01")
@pytest.mark.parametrize(
    "condition",
    ["custom.colours > red", 'custom.colours in ("red", null)', "NOT " * 1000 + "city = x", "employees > 1e-999999"],
)
def test_a_question_that_cannot_be_asked_is_refused(boss: Client, condition: str) -> None:
    boss.CreateCustomField(
        record_type="customer",
        custom_field={
            "key": "colours",
            "kind": "multi_choice",
            "label_zh": "颜色",
            "label_en": "Colours",
            "choices": ["red"],
        },
    )

    with refused("INVALID_ARGUMENT", "BAD_FILTER"):
        boss.ListCustomers(filter=condition)


@pytest.mark.feature("CUS-01")
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("custom.ports = sea", "ab"),
        ("custom.ports : sea", "ab"),
        ("custom.ports != sea", "cde"),
        ('custom.ports in ("air", "rail")', "bc"),
        ("custom.ports = null", "de"),
        ("custom.ports != null", "abc"),
        ("NOT custom.ports = air AND custom.ports = sea", "a"),
    ],
)
def test_several_choices_are_filtered_like_tags(boss: Client, condition: str, expected: str) -> None:
    field = {
        "key": "ports",
        "kind": "multi_choice",
        "label_zh": "口岸",
        "label_en": "Ports",
        "choices": ["sea", "air", "rail"],
    }
    boss.CreateCustomField(record_type="customer", custom_field=field)
    for name, ports in (("a", ["sea"]), ("b", ["air", "sea"]), ("c", ["rail"]), ("d", []), ("e", None)):
        boss.CreateCustomer(customer={"name": name, "custom": {"ports": ports} if ports is not None else {}})

    found = boss.ListCustomers(filter=condition, order_by="name").customers

    assert "".join(c.name for c in found) == expected
    (told,) = [f for f in boss.DescribeRecord(record_type="customer").fields if f.name == "custom.ports"]
    assert told.filterable


@pytest.mark.feature("CUS-01")
def test_me_is_whoever_asks_in_every_field_that_names_a_person(server: Server, boss: Client) -> None:
    field = {"key": "buddy", "kind": "reference", "label_zh": "搭档", "label_en": "Buddy", "references": "user"}
    boss.CreateCustomField(record_type="customer", custom_field=field)
    other = server.person(name="李娜")
    boss.CreateCustomer(customer={"name": "甲", "custom": {"buddy": other.user_id}})
    other.CreateCustomer(customer={"name": "乙"})

    def found(by: Client, condition: str) -> str:
        return "".join(c.name for c in by.ListCustomers(filter=condition, order_by="create_time").customers)

    for name in ("ownerId", "owner_id", "creatorId", "enterer_id"):
        assert (found(boss, f"{name} = me"), found(other, f"{name} = me")) == ("甲", "乙")
    assert found(other, "ownerId != me") == found(other, "custom.buddy = me") == "甲"
    assert found(other, f'ownerId in ("me", "{boss.user_id}")') == "甲乙"
    assert found(other, "name = me") == ""
    with refused("INVALID_ARGUMENT", "BAD_FILTER"):
        other.ListCustomers(filter="parentId = me")


@pytest.mark.feature("CUS-01")
def test_customers_that_are_moved_at_once_make_no_ring(boss: Client) -> None:
    made = [boss.CreateCustomer(customer={"name": f"客户{i}"}) for i in range(6)]

    def move(i: int) -> bool:
        change = {"id": made[i].id, "parent_id": made[(i + 1) % 6].id}
        try:
            boss.UpdateCustomer(customer=change, update_mask={"paths": ["parent_id"]}, etag="1")
        except grpc.RpcError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        moved = list(pool.map(move, range(6)))

    assert moved.count(False) == 1


@pytest.mark.feature("CUS-02")
def test_a_customer_that_is_deleted_while_a_contact_is_made_leaves_no_orphan(boss: Client, server: Server) -> None:
    def delete(customer_id: str) -> None:
        with suppress(grpc.RpcError):
            boss.DeleteCustomer(id=customer_id, etag="1")

    def add(customer_id: str) -> None:
        with suppress(grpc.RpcError):
            boss.CreateContact(contact={"customer_id": customer_id, "name": "王芳"})

    with ThreadPoolExecutor(2) as pool:
        for i in range(10):
            made = boss.CreateCustomer(customer={"name": f"客户{i}"})
            wait([pool.submit(delete, made.id), pool.submit(add, made.id)])

    orphans = server.sql(
        "SELECT count(*) FROM contact JOIN customer ON customer.id = contact.customer_id"
        " WHERE contact.delete_time IS NULL AND customer.delete_time IS NOT NULL"
    )
    assert orphans == [(0,)]


@pytest.mark.feature("CUS-02")
def test_a_contact_does_not_come_back_to_a_customer_that_is_deleted(boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "甲"})
    contact = boss.CreateContact(contact={"customer_id": made.id, "name": "王芳"})
    boss.DeleteContact(id=contact.id, etag=contact.etag)
    boss.DeleteCustomer(id=made.id, etag=made.etag)

    with refused("INVALID_ARGUMENT", "INVALID", "customerId"):
        boss.RestoreContact(id=contact.id)


@pytest.mark.feature("CUS-01")
def test_a_wrong_code_is_told_together_with_those_that_there_are(boss: Client) -> None:
    def said(language: str, **fields: Any) -> str:
        with refused("INVALID_ARGUMENT", "INVALID") as told:
            boss.CreateCustomer(customer={"name": "甲", **fields}, metadata={"accept-language": language})
        return str(next(iter(told.fields.values())))

    code, chinese, english = DICTIONARIES["customer_level"][0]
    assert said("en", level="gold").startswith(f"Level has no entry “gold”; choose one of {code} ({english}), ")
    assert said("zh-CN", level="gold").startswith(f"客户级别没有“gold”这一项，可选：{code}（{chinese}）、")
    assert len(DICTIONARIES["industry"]) > 10
    many = said("en", industry="gold")
    assert many.endswith(", …")
    assert many.count(" (") == 10
