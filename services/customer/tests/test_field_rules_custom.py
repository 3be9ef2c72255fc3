"""Field rules of custom fields, and revealing what is masked."""

from __future__ import annotations

from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused


def rule(field: str, level: str) -> dict[str, Any]:
    return {"resource": "customer", "field": field, "rule": level}


@pytest.fixture
def made(boss: Client) -> Any:
    for key, kind in (("code", "text"), ("size", "number"), ("rank", "choice"), ("open", "text")):
        boss.CreateCustomField(
            record_type="customer",
            custom_field={"key": key, "kind": kind, "label_zh": key, "label_en": key, "choices": ["a", "b"]},
        )
    custom = {"code": "13812345678", "size": 7, "rank": "a", "open": "x"}
    return boss.CreateCustomer(customer={"name": "甲", "custom": custom, "phone": "13812345678"})


def change(client: Client, made: Any, etag: str, custom: dict[str, Any], *paths: str) -> Any:
    mask = {"paths": list(paths)}
    return client.UpdateCustomer(customer={"id": made.id, "custom": custom}, update_mask=mask, etag=etag)


@pytest.mark.feature("IDN-07")
def test_custom_fields_obey_like_built_in_ones(server: Server, made: Any) -> None:
    rules = [rule("custom.code", "masked"), rule("custom.size", "hidden"), rule("custom.rank", "masked")]
    clerk = server.person(["customer.*"], fields=rules)

    seen = clerk.GetCustomer(id=made.id)

    assert dict(seen.custom.items()) == {"code": "138****5678", "open": "x"}
    assert dict(clerk.ListCustomers(fields="custom").customers[0].custom.items()) == dict(seen.custom.items())
    for text in ("custom.size=7", 'custom.code:"138"', 'custom.rank="a"'):
        with refused("INVALID_ARGUMENT", "BAD_FILTER"):
            clerk.ListCustomers(filter=text)
    assert len(clerk.ListCustomers(filter='custom.open="x"').customers) == 1
    described = {f.name: f.rule for f in clerk.DescribeRecord(record_type="customer").fields}
    assert described["custom.code"] == "masked"
    assert "custom.size" not in described
    assert "size" not in {f.key for f in clerk.ListCustomFields(record_type="customer").custom_fields}
    told = clerk.ListChanges(record_type="customer", id=made.id).changes[0].changes
    values = {c.field: c.after.string_value for c in told}
    assert values["custom.code"] == "***"
    assert "custom.size" not in values


@pytest.mark.feature("IDN-07")
def test_closed_custom_fields_are_not_given_and_not_lost(server: Server, boss: Client, made: Any) -> None:
    rules = [rule("custom.code", "masked"), rule("custom.size", "hidden"), rule("custom.rank", "read_only")]
    clerk = server.person(["customer.*"], fields=rules)

    with refused("INVALID_ARGUMENT", "INVALID", "custom.code", "custom.size", "custom.rank") as told:
        change(clerk, made, "1", {"code": "1", "size": 8, "rank": "b"}, "custom")
    assert len(told.fields) == 3
    with refused("INVALID_ARGUMENT", "INVALID", "custom.size"):
        change(clerk, made, "1", {"size": 7}, "custom.size")
    with refused("INVALID_ARGUMENT", "INVALID", "custom.size"):
        clerk.CreateCustomer(customer={"name": "乙", "custom": {"size": 7}})
    change(clerk, made, "1", {"open": "y"}, "custom")

    kept = dict(boss.GetCustomer(id=made.id).custom.items())
    assert kept == {"code": "13812345678", "size": 7, "rank": "a", "open": "y"}


@pytest.mark.feature("IDN-07")
def test_a_custom_field_may_be_required_of_some(server: Server, made: Any) -> None:
    clerk = server.person(["customer.*"], fields=[rule("custom.open", "required"), rule("custom.nothing", "required")])

    with refused("INVALID_ARGUMENT", "INVALID", "custom.open") as told:
        clerk.CreateCustomer(customer={"name": "乙"})
    assert list(told.fields) == ["custom.open"]
    assert clerk.CreateCustomer(customer={"name": "乙", "custom": {"open": "z"}}).custom["open"] == "z"


@pytest.mark.feature("IDN-07")
def test_a_rule_for_all_custom_fields_holds_for_each(server: Server, made: Any) -> None:
    clerk = server.person(["customer.*"], fields=[rule("custom", "hidden")])

    assert dict(clerk.GetCustomer(id=made.id).custom.items()) == {}
    with refused("INVALID_ARGUMENT", "BAD_FILTER"):
        clerk.ListCustomers(filter='custom.open="x"')
    assert not [f for f in clerk.DescribeRecord(record_type="customer").fields if f.name.startswith("custom")]


@pytest.mark.feature("IDN-10")
def test_who_may_reveal_sees_one_masked_value_in_full(server: Server, made: Any) -> None:
    rules = [rule("phone", "masked"), rule("custom.size", "masked"), rule("city", "hidden")]
    clerk = server.person(["customer.read", "customer.reveal"], fields=rules)
    reader = server.person(["customer.read"], fields=rules)

    def reveal(who: Client, field: str) -> Any:
        return who.RevealField(record_type="customer", id=made.id, field=field)

    assert reveal(clerk, "phone").value.string_value == "13812345678"
    assert reveal(clerk, "custom.size").value.number_value == 7
    assert clerk.GetCustomer(id=made.id).phone == "138****5678"
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        reveal(reader, "phone")
    for field in ("city", "nothing", "custom"):
        with refused("INVALID_ARGUMENT" if field != "custom" else "FAILED_PRECONDITION"):
            reveal(clerk, field)
    with refused("FAILED_PRECONDITION", "NOT_MASKED"):
        reveal(clerk, "name")
    with refused("NOT_FOUND"):
        server.person(["*"]).RevealField(record_type="nothing", id=made.id, field="phone")


@pytest.mark.feature("IDN-10")
def test_only_what_lies_within_both_scopes_is_revealed(server: Server, boss: Client, made: Any) -> None:
    rules = [rule("phone", "masked")]
    far_reader = server.role(["customer.read", "customer.create"], "all", rules)
    near = server.person(["customer.read", "customer.reveal"], "self", fields=rules, also=[far_reader])
    far_revealer = server.role(["customer.reveal"], "all")
    blind = server.person(["customer.read"], "self", fields=rules, also=[far_revealer])

    for who in (near, blind):
        with refused("NOT_FOUND"):
            who.RevealField(record_type="customer", id=made.id, field="phone")
    boss.AssignCustomer(id=made.id, etag="1", owner_id=near.user_id)
    assert near.RevealField(record_type="customer", id=made.id, field="phone").value.string_value == "13812345678"
