"""The search box finds a customer by its credit code and by its id in another system, typed whole."""

from __future__ import annotations

from typing import Any

import pytest

from crm_kit.testing import Client, Server

pytestmark = pytest.mark.feature("CUS-06")

CODE, ELSEWHERE = "91310000607234515H", "Old-CRM 0042"


@pytest.fixture
def customer(boss: Client) -> Any:
    fields = {"credit_code": CODE, "external_id": ELSEWHERE, "industry": "software"}
    made = boss.CreateCustomer(customer={"name": "上海华信", **fields})
    boss.CreateCustomer(customer={"name": "上海恒瑞", "external_id": "OLD-43"})
    return made


def found(client: Client, words: str, **asked: Any) -> list[str]:
    return [c.name for c in client.ListCustomers(search=words, **asked).customers]


@pytest.mark.parametrize(
    "typed",
    [
        CODE,
        CODE.lower(),
        "9131 0000 6072 34515h",
        "９１３１００００６０７２３４５１５Ｈ",
        f" {CODE}\t",
        f"上海华信 {CODE}",
        ELSEWHERE,
    ],
)
def test_a_code_is_found_however_it_is_pasted(boss: Client, customer: Any, typed: str) -> None:
    assert found(boss, typed) == found(boss, typed, filter="industry = software") == ["上海华信"]


@pytest.mark.parametrize("typed", [CODE[:-1], "91310000607234515J", "0042", "old-crm 0042", f"恒瑞 {CODE}"])
def test_a_part_of_it_finds_nothing(boss: Client, customer: Any, typed: str) -> None:
    assert found(boss, typed) == []


def test_what_somebody_does_not_see_finds_nothing_for_them(server: Server, boss: Client, customer: Any) -> None:
    hidden = [{"resource": "customer", "field": "credit_code", "rule": "masked"}]
    reader = server.person(["customer.read"], "all", fields=hidden)
    brief = server.person(["customer_brief.read"], "all")

    assert found(reader, CODE) == []
    assert found(reader, ELSEWHERE) == found(reader, "华信") == ["上海华信"]
    assert list(brief.ListCustomerBriefs(search=CODE).customers) == []


@pytest.mark.parametrize(("hidden", "expected"), [(["mobile"], ["上海华信"]), (["credit_code"], [])])
def test_what_a_pool_hides_finds_nothing_there(
    server: Server, pools: Any, boss: Client, customer: Any, hidden: list[str], expected: list[str]
) -> None:
    member = server.person(["customer.read", "contact.read"], "self")
    pool = pools.make(member_user_ids=[member.user_id], hidden_fields=hidden)
    boss.GiveBackCustomer(id=customer.id, etag=customer.etag, reason="no_time", pool_id=pool.id)

    assert found(member, CODE) == expected
    assert found(member, "华信") == found(boss, CODE) == ["上海华信"]
