"""A customer has an order or a receipt once: its document number says which one it is."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from crm_kit.testing import Client, Server, refused

pytestmark = pytest.mark.feature("CUS-16")

MIGRATION = "customer.migrations.versions.customer_0013_document_numbers_of_entries_are_unique"


@pytest.fixture
def customer(boss: Client) -> Any:
    return boss.CreateCustomer(customer={"name": "宁波东海泵业有限公司"})


def enter(boss: Client, customer: Any, number: str = "DD-1", **fields: Any) -> Any:
    entry = {"customer_id": customer.id, "kind": "order", "date": "2026-03-31", "amount": "100", **fields}
    return boss.CreateTradeEntry(trade_entry={**entry, "document_number": number})


def test_the_same_document_is_not_entered_twice_for_a_customer(boss: Client, customer: Any) -> None:
    first = enter(boss, customer)
    with refused("ALREADY_EXISTS", "EXISTS", "documentNumber") as told:
        enter(boss, customer, amount="200", date="2026-04-01")
    assert told.fields["documentNumber"] == "单据号“DD-1”已被使用"

    enter(boss, customer, kind="receipt")
    enter(boss, boss.CreateCustomer(customer={"name": "另一家"}))
    assert {enter(boss, customer, number="").document_number for _ in range(2)} == {""}
    other = enter(boss, customer, "DD-2")
    with refused("ALREADY_EXISTS", "EXISTS", "documentNumber"):
        boss.UpdateTradeEntry(
            trade_entry={"id": other.id, "document_number": "DD-1"},
            update_mask={"paths": ["document_number"]},
            etag=other.etag,
        )
    boss.DeleteTradeEntry(id=first.id, etag=first.etag)
    enter(boss, customer)
    with refused("ALREADY_EXISTS", "EXISTS", "documentNumber"):
        boss.RestoreTradeEntry(id=first.id)


def test_of_imported_entries_only_the_second_one_is_refused(boss: Client, customer: Any) -> None:
    entry = {"customer_id": customer.id, "kind": "order", "date": "2026-03-31", "amount": "100"}
    rows = [{**entry, "document_number": f"DD-{n}", "external_id": f"x{i}"} for i, n in enumerate((1, 2, 1))]
    for _ in range(2):
        told = boss.ImportTradeEntries(trade_entries=rows)
        assert [r.outcome == "failed" for r in told.results] == [False, False, True]


def test_customers_that_have_the_same_document_are_merged_with_both(boss: Client, customer: Any) -> None:
    others = [boss.CreateCustomer(customer={"name": f"宁波东海泵业 {n}"}) for n in (1, 2)]
    for one in (customer, *others):
        enter(boss, one)
    merged = [{"id": o.id, "etag": o.etag} for o in others]
    boss.MergeCustomers(id=customer.id, etag=customer.etag, merged=merged)

    found = boss.ListTradeEntries(filter=f'customer_id = "{customer.id}"').trade_entries
    assert [e.document_number for e in found] == ["DD-1"] * 3
    with refused("ALREADY_EXISTS", "EXISTS", "documentNumber"):
        enter(boss, customer)


def test_entries_from_before_keep_the_number_that_they_share(boss: Client, server: Server, customer: Any) -> None:
    made = [enter(boss, customer, f"DD-{n}") for n in range(3)]
    with server.service.writer.begin() as connection:
        connection.exec_driver_sql("DROP INDEX uq_trade_entry_document_number")
        connection.exec_driver_sql("UPDATE trade_entry SET document_number = 'DD-1'")
        connection.exec_driver_sql("ALTER TABLE trade_entry DROP COLUMN number_shared")
        with Operations.context(MigrationContext.configure(connection)):
            importlib.import_module(MIGRATION).upgrade()

    kept = [boss.GetTradeEntry(id=e.id) for e in made]
    assert [e.document_number for e in kept] == ["DD-1"] * 3
    boss.UpdateTradeEntry(
        trade_entry={"id": kept[2].id, "remarks": "重复"}, update_mask={"paths": ["remarks"]}, etag=kept[2].etag
    )
    with refused("ALREADY_EXISTS", "EXISTS", "documentNumber"):
        enter(boss, customer)
