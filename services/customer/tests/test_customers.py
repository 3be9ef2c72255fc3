"""Customers over gRPC: what is stored, who sees it, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused

pytestmark = pytest.mark.feature("CUS-01")


def make(client: Client, name: str = "上海宝山钢铁股份有限公司", **fields: Any) -> Any:
    return client.CreateCustomer(customer={"name": name, **fields})


def test_a_customer_is_made_from_its_name_alone(boss: Client) -> None:
    made = make(boss)

    assert made.number.startswith("KH")
    assert (made.kind, made.owner_id, made.etag) == ("organization", boss.user_id, "1")
    assert made.pinyin_initials == "shbsgtgfyxgs"
    assert boss.GetCustomer(id=made.id) == made


def test_the_page_after_page_shows_every_customer_once(boss: Client) -> None:
    names = {f"客户{i:02}" for i in range(25)}
    for name in names:
        make(boss, name)

    seen, token = [], ""
    while True:
        page = boss.ListCustomers(page_size=10, page_token=token, order_by="name desc", count="capped")
        seen += [c.name for c in page.customers]
        token = page.next_page_token
        assert page.total == 25
        if not token:
            break

    assert seen == sorted(names, reverse=True)


def test_an_update_says_what_changed_and_who_did_it(boss: Client, server: Server) -> None:
    made = make(boss, city="上海")

    boss.UpdateCustomer(customer={"id": made.id, "city": "杭州"}, update_mask={"paths": ["city"]}, etag="1")

    changes = boss.ListChanges(record_type="customer", id=made.id).changes
    assert [(c.action, c.version, c.actor_name) for c in changes] == [
        ("created", 1, "总经理"),
        ("updated", 2, "总经理"),
    ]
    (change,) = changes[1].changes
    assert (change.field, change.before.string_value, change.after.string_value) == ("city", "上海", "杭州")
    assert [e.action for e in server.events("customer")] == ["created", "updated"]


def test_a_stale_update_changes_nothing(boss: Client, server: Server) -> None:
    made = make(boss)
    boss.UpdateCustomer(customer={"id": made.id, "city": "杭州"}, update_mask={"paths": ["city"]}, etag="1")

    with refused("ABORTED", "STALE"):
        boss.UpdateCustomer(customer={"id": made.id, "city": "苏州"}, update_mask={"paths": ["city"]}, etag="1")

    assert boss.GetCustomer(id=made.id).city == "杭州"
    assert len(server.events("customer")) == 2
