"""What is personal of customers and contacts: encrypted in the database, found by its exact value."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text

from crm_kit import ids, migrate, sealing
from crm_kit.service import KIT_METADATA
from crm_kit.testing import Client, Server, connect, refused
from customer.app import SERVICE

pytestmark = pytest.mark.feature("IDN-10")

IDENTITY = "11010519491231002X"


@pytest.fixture
def customer(boss: Client) -> Any:
    values = {"phone": "021-6123 4567", "mobile": "+86 139-1234-5678", "email": "Sales@Example.COM"}
    return boss.CreateCustomer(
        customer={"name": "上海轴承", **values, "bank_account": "6222 0212 3456 7890", "identity_number": IDENTITY}
    )


def found(boss: Client, **asked: str) -> list[str]:
    return [c.id for c in boss.ListCustomers(**asked).customers]


@pytest.mark.parametrize(
    ("field", "spelling"),
    [
        ("mobile", "13912345678"),
        ("mobile", "139 1234 5678"),
        ("mobile", "0086-13912345678"),
        ("mobile", "+8613912345678"),
        ("mobile", "8613912345678"),
        ("mobile", "１３９１２３４５６７８"),
        ("phone", "02161234567"),
        ("phone", "(021) 6123-4567"),
        ("phone", "+86 21 6123 4567"),
        ("email", "sales@example.com"),
        ("email", "ＳＡＬＥＳ@example.com"),
        ("bankAccount", "6222021234567890"),
        ("bank_account", "6222-0212-3456-7890"),
        ("identityNumber", "11010519491231002x"),
    ],
)
def test_a_value_is_found_in_any_spelling(boss: Client, customer: Any, field: str, spelling: str) -> None:
    boss.CreateCustomer(customer={"name": "别家", "mobile": "13912345679", "phone": "021-61234568"})

    assert found(boss, filter=f'{field} = "{spelling}"') == [customer.id]
    assert found(boss, filter=f'{field} in ("13900000000", "{spelling}")') == [customer.id]
    assert found(boss, search=spelling) == [customer.id]
    assert customer.id not in found(boss, filter=f'{field} != "{spelling}"')


def test_a_filter_finds_what_is_empty_and_what_is_something_else(boss: Client, customer: Any) -> None:
    other = boss.CreateCustomer(customer={"name": "别家"})

    assert found(boss, filter="phone = null") == [other.id]
    assert found(boss, filter="phone != null") == [customer.id]
    assert set(found(boss, filter='phone != "13900000000"')) == {customer.id, other.id}
    assert found(boss, filter='mobile = "021-61234567"') == []
    assert found(boss, filter='NOT phone = "021-61234567"') == [other.id]


@pytest.mark.parametrize(
    "asked",
    [
        {"filter": 'phone:"6123"'},
        {"filter": 'mobile < "139"'},
        {"filter": 'bank_account >= "6222"'},
        {"order_by": "phone"},
        {"order_by": "name, identityNumber desc"},
    ],
)
def test_a_part_and_an_order_are_refused_in_both_languages(boss: Client, customer: Any, asked: dict[str, str]) -> None:
    with refused("INVALID_ARGUMENT") as chinese:
        boss.ListCustomers(**asked)
    with refused("INVALID_ARGUMENT") as english:
        boss.ListCustomers(**asked, metadata={"accept-language": "en"})

    assert "加密" in chinese.message
    assert "encrypted" in english.message


@pytest.mark.parametrize("words", ["1391234567", "91234567", "6123", "sales@", "example", "6222", "1101051949"])
def test_the_search_box_finds_no_part_of_a_value(boss: Client, customer: Any, words: str) -> None:
    assert found(boss, search=words) == []


@pytest.mark.parametrize("words", ["13700001111", "137 0000 1111", "WX-Fang", "fang@example.com", "010-88886666"])
def test_a_customer_is_found_by_what_is_personal_of_a_contact(boss: Client, customer: Any, words: str) -> None:
    boss.CreateCustomer(customer={"name": "别家"})
    values = {"mobile": "13700001111", "wechat": "wx-fang", "email": "Fang@example.com", "home_phone": "01088886666"}
    made = boss.CreateContact(contact={"customer_id": customer.id, "name": "王芳", **values})

    assert found(boss, search=words) == [customer.id]
    assert [c.id for c in boss.ListContacts(search=words).contacts] == [made.id]
    boss.DeleteContact(id=made.id, etag=made.etag)
    assert found(boss, search=words) == []


def test_briefs_are_never_found_by_what_is_personal(boss: Client, customer: Any) -> None:
    boss.CreateContact(contact={"customer_id": customer.id, "name": "王芳", "mobile": "13700001111"})

    for words in ("13912345678", "021-61234567", "13700001111", IDENTITY, "王芳"):
        assert not boss.ListCustomerBriefs(search=words).customers
    assert [c.id for c in boss.ListCustomerBriefs(search="轴承").customers] == [customer.id]


def test_a_value_that_changed_is_found_by_the_new_one_only(boss: Client, customer: Any) -> None:
    changed = boss.UpdateCustomer(
        customer={"id": customer.id, "phone": "010-88886666"}, update_mask={"paths": ["phone"]}, etag=customer.etag
    )

    assert changed.phone == "010-88886666"
    assert boss.GetCustomer(id=customer.id).phone == "010-88886666"
    assert found(boss, search="01088886666") == [customer.id]
    assert found(boss, search="02161234567") == []
    assert found(boss, search="13912345678") == [customer.id]
    emptied = boss.UpdateCustomer(customer={"id": customer.id}, update_mask={"paths": ["phone"]}, etag=changed.etag)
    assert emptied.phone == ""
    assert found(boss, filter="phone = null") == [customer.id]


def test_the_same_value_again_is_no_change(boss: Client, customer: Any, server: Server) -> None:
    again = boss.UpdateCustomer(
        customer={"id": customer.id, "phone": "021-6123 4567"}, update_mask={"paths": ["phone"]}, etag=customer.etag
    )
    rows = [{"external_id": "erp:1", "name": "甲", "mobile": "13800138000"}]
    boss.ImportCustomers(customers=rows)

    assert again.etag == customer.etag
    assert boss.ImportCustomers(customers=rows).unchanged == 1
    rows[0]["mobile"] = "13800138001"
    assert boss.ImportCustomers(customers=rows).updated == 1
    assert len(found(boss, filter='mobile = "13800138001"')) == 1
    assert len(server.events("customer")) == 3


def test_a_value_moved_to_another_record_does_not_open(boss: Client, customer: Any, server: Server) -> None:
    other = boss.CreateCustomer(customer={"name": "别家", "phone": "010-88886666"})
    server.sql(
        "UPDATE customer SET phone = (SELECT phone FROM customer WHERE id = :a) WHERE id = :b",
        a=customer.id,
        b=other.id,
    )

    with refused("INTERNAL") as refusal:
        boss.GetCustomer(id=other.id)
    assert "6123" not in refusal.message
    server.sql("UPDATE customer SET fax = phone WHERE id = :id", id=customer.id)
    with refused("INTERNAL"):
        boss.GetCustomer(id=customer.id)


def test_the_description_of_a_record_says_what_can_be_done(boss: Client) -> None:
    fields = {f.name: f for f in boss.DescribeRecord(record_type="contact").fields}

    assert (fields["mobile"].filterable, fields["mobile"].sortable, fields["mobile"].exact) == (True, False, True)
    assert (fields["name"].filterable, fields["name"].sortable, fields["name"].exact) == (True, True, False)
    assert (fields["family"].filterable, fields["family"].sortable) == (False, False)


def test_an_identity_number_is_checked(boss: Client) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "identityNumber"):
        boss.CreateCustomer(customer={"name": "甲", "identity_number": "110105194912310021"})
    made = boss.CreateCustomer(customer={"name": "甲", "identity_number": "11010519491231002x"})
    assert made.identity_number == IDENTITY


def test_values_of_the_release_before_are_sealed_and_found() -> None:
    service = dataclasses.replace(SERVICE)
    connect(service, "customer_before")
    alembic = migrate.config(service.writer, service.versions, [*KIT_METADATA, *service.metadata])
    for revision in ("kit_0002", "records_0001", "customer_0001"):
        command.upgrade(alembic, revision)
    key, one, other = ids.uuid7(), ids.uuid7(), ids.uuid7()
    with service.writer.begin() as connection:
        for i in range(1200):  # more than two batches
            _old_customer(connection, ids.uuid7(), f"客户{i}", f"138{i:08}", f"客户{i}\n138{i:08}")
        _old_customer(connection, one, "上海轴承", "021-6123 4567", "上海轴承\n02161234567\n王芳\n13700001111\nwx-fang")
        connection.execute(
            text(
                "INSERT INTO contact (id, customer_id, name, mobile, wechat, fax, family, search_text, search_grams,"
                " create_time, update_time) VALUES (:id, :customer, '王芳', '137 0000 1111', 'WX-Fang', '021-1',"
                " '[{\"name\": \"王小丫\"}]', E'王芳\\n13700001111\\nwx-fang', '{}', now(), now())"
            ),
            {"id": other, "customer": one},
        )
        connection.execute(
            text(
                "INSERT INTO change_log"
                " (record_type, record_id, version, action, actor_name, time, request_id, changes)"
                " VALUES ('contact', :id, 1, 'created', '', now(), '', '[{\"field\": \"fax\", \"before\": null,"
                ' "after": "021-1"}, {"field": "name", "before": null, "after": "王芳"}]\')'
            ),
            {"id": other},
        )
        connection.execute(
            text("INSERT INTO idempotency_key (user_id, key, request_hash, answer) VALUES (:id, 'k-1', 'h', 'a')"),
            {"id": key},
        )
    service.migrate()

    with service.writer.connect() as connection:
        keys = sealing.of(connection)
        customers = connection.execute(text("SELECT * FROM customer")).mappings().all()
        (contact,) = connection.execute(text("SELECT * FROM contact")).mappings().all()
        (log,) = connection.scalars(text("SELECT changes FROM change_log WHERE record_type = 'contact'"))
        (kept,) = connection.execute(text("SELECT answer FROM idempotency_key"))
        opened = {c["name"]: keys.open(connection, f"customer.phone.{c['id']}", c["phone"]) for c in customers}
        assert opened["上海轴承"] == b"021-6123 4567"
        assert opened["客户1199"] == b"13800001199"
        assert len(opened) == 1201
        (mine,) = [c for c in customers if c["id"] == one]
        assert mine["search_text"] == "上海轴承\n王芳"
        assert contact["search_text"] == "王芳"
        assert "13" not in "".join(contact["search_grams"])
        assert keys.sought(connection, [("contact.mobile", "13700001111")])[0] in contact["blind_index"]
        assert keys.open(connection, f"contact.family.{other}", contact["family"]) == '[{"name": "王小丫"}]'.encode()
        assert keys.open(connection, sealing.place("idempotency_key", "answer", key, "k-1"), kept[0]) == b"a"
        assert [(c["field"], c["after"]) for c in log] == [("fax", "***"), ("name", "王芳")]
    service.writer.dispose()


def _old_customer(connection: Any, customer_id: str, name: str, phone: str, searched: str) -> None:
    connection.execute(
        text(
            "INSERT INTO customer (id, name, phone, search_text, search_grams, create_time, update_time)"
            " VALUES (:id, :name, :phone, :searched, '{}', now(), now())"
        ),
        {"id": customer_id, "name": name, "phone": phone, "searched": searched},
    )
