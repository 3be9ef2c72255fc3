"""What an entry of the trail shows: no more of a record than its reader would see of the record itself."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm_kit import ids
from crm_kit.testing import Client, Server, event

pytestmark = pytest.mark.feature("IDN-09")

BEFORE = {"name": "甲公司", "pinyin": "jiagongsi", "pinyinInitials": "jgs", "city": "上海", "custom.budget": "5000万"}
AFTER = {"name": "乙公司", "pinyin": "yigongsi", "pinyinInitials": "ygs", "city": "苏州", "custom.budget": None}
SECRETS = ("甲公司", "乙公司", "gongsi", "jgs", "ygs")


@pytest.fixture
def entry_id(server: Server) -> str:
    """A customer was renamed."""
    told = event(Customer(id=ids.uuid7(), name="乙公司", kind="company"), "updated")
    for name, before in BEFORE.items():
        change = told.changes.add(field=name)
        change.before.string_value = before
        if AFTER[name] is None:
            change.after.null_value = 0
        else:
            change.after.string_value = AFTER[name]
    server.deliver("customer", told)
    return str(told.id)


@pytest.fixture
def auditor(admin: Client, hire: Any, sign_in: Any) -> Callable[..., Client]:
    """Somebody who reads the trail with these rights and field rules of customers."""

    def make(*rights: str, **rules: str) -> Client:
        role: dict[str, Any] = {"code": "auditor", "name": "审计", "scopes": [{"resource": "*", "scope": "all"}]}
        role["rights"] = ["audit_entry.read", "audit_entry.export", *rights]
        named = {name.replace("__", "."): rule for name, rule in rules.items()}
        role["field_rules"] = [{"resource": "customer", "field": f, "rule": r} for f, r in named.items()]
        admin.CreateRole(role=role)
        hire("auditor", "auditor")
        client: Client = sign_in("auditor")
        return client

    return make


def seen(client: Client, entry_id: str) -> dict[str, tuple[Any, Any]]:
    """The changes that somebody is shown, the same on all three ways."""
    one = client.GetAuditEntry(id=entry_id)
    (listed,) = client.ListAuditEntries(record_type="customer").audit_entries
    assert listed == one
    told = {c.field: tuple(getattr(c, n).string_value or None for n in ("before", "after")) for c in one.changes}
    (line,) = csv.DictReader(io.StringIO(client.ExportAuditEntries(record_type="customer").data.decode("utf-8-sig")))
    assert {c["field"]: (c.get("before"), c.get("after")) for c in json.loads(line["changes"])} == told
    return told


def test_who_sees_everything_of_a_record_sees_every_change(admin: Client, entry_id: str) -> None:
    assert seen(admin, entry_id) == {n: (BEFORE[n], AFTER[n]) for n in BEFORE}


def test_a_hidden_field_and_what_is_made_of_it_is_not_there(auditor: Any, entry_id: str) -> None:
    told = seen(auditor("customer.read", name="hidden"), entry_id)

    assert told == {n: (BEFORE[n], AFTER[n]) for n in ("city", "custom.budget")}


def test_a_masked_field_and_what_is_made_of_it_has_no_values(auditor: Any, entry_id: str) -> None:
    told = seen(auditor("customer.read", name="masked", custom__budget="masked"), entry_id)

    assert {n for n, values in told.items() if values == ("***", "***")} == {"name", "pinyin", "pinyinInitials"}
    assert (told["custom.budget"], told["city"]) == (("***", None), ("上海", "苏州"))
    assert not any(word in str(told) for word in SECRETS)


def test_custom_fields_are_closed_together_as_well(auditor: Any, entry_id: str) -> None:
    told = seen(auditor("customer.read", custom="hidden", city="read_only"), entry_id)

    assert set(told) == {"name", "city"}, "custom fields go, and what may be made of them"


def test_without_the_right_to_read_the_record_only_the_names_of_the_fields_are_told(
    auditor: Any, entry_id: str
) -> None:
    client = auditor()

    assert seen(client, entry_id) == dict.fromkeys(BEFORE, (None, None))
    assert client.GetAuditEntry(id=entry_id).record_id, "who, when and which record are told"


def test_an_entry_that_was_tampered_with_shows_no_more(server: Server, auditor: Any, entry_id: str) -> None:
    server.sql("ALTER TABLE audit_entry DISABLE TRIGGER ALL")
    server.sql("UPDATE audit_entry SET changes = '甲公司' WHERE id = :id", id=entry_id)
    server.sql("ALTER TABLE audit_entry ENABLE TRIGGER ALL")

    (change,) = auditor("customer.read", name="hidden").GetAuditEntry(id=entry_id).changes

    assert (change.field, change.after.string_value) == ("changes", "***")
