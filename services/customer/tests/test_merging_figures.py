"""What is computed of customers that are merged, and that come apart again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from crm_kit.testing import Client, Server

pytestmark = pytest.mark.feature("CUS-05")


def two(boss: Client) -> tuple[str, str]:
    keep, goes = (boss.CreateCustomer(customer={"name": name}).id for name in ("甲公司", "乙公司"))
    return keep, goes


def merge(boss: Client, keep: str, goes: str) -> Any:
    etags = {i: boss.GetCustomer(id=i).etag for i in (keep, goes)}
    return boss.MergeCustomers(id=keep, etag=etags[keep], merged=[{"id": goes, "etag": etags[goes]}])


def months(server: Server, customer_id: str) -> list[tuple[str, str, int]]:
    query = (
        "SELECT month::text, order_amount::text, order_count FROM customer_trade_month"
        " WHERE customer_id = :id AND order_count <> 0 ORDER BY month"
    )
    return [tuple(row) for row in server.sql(query, id=customer_id)]


def test_the_sums_of_merged_customers_are_added_and_come_apart_again(
    server: Server, boss: Client, order: Callable[..., Any]
) -> None:
    keep, goes = two(boss)
    order(keep, "2026-10-01", "100.00")
    order(goes, "2026-10-02", "50.00")
    order(goes, "2026-09-02", "7.00")
    merged = merge(boss, keep, goes)
    assert months(server, keep) == [("2026-09-01", "7.00", 1), ("2026-10-01", "150.00", 2)]
    assert months(server, goes) == []
    boss.UndoAct(record_type="customer", id=merged.act_id)
    server.run_jobs()
    assert months(server, keep) == [("2026-10-01", "100.00", 1)]
    assert months(server, goes) == [("2026-09-01", "7.00", 1), ("2026-10-01", "50.00", 1)]


def test_of_two_open_churn_cases_that_of_the_customer_that_stays_goes_on(
    server: Server, boss: Client, order: Callable[..., Any], sweep: Callable[[date], int]
) -> None:
    keep, goes = two(boss)
    for customer_id in (keep, goes):
        order(customer_id, "2026-01-01", "100.00")
    sweep(date(2026, 11, 24))

    def cases() -> dict[str, tuple[str, str]]:
        return {c.id: (c.customer_id, c.state) for c in boss.ListChurnCases(fields="*").churn_cases}

    before = cases()
    assert sorted(before.values()) == sorted([(keep, "warned"), (goes, "warned")])
    merged = merge(boss, keep, goes)
    assert sorted(cases().values()) == sorted([(keep, "warned"), (keep, "closed")])
    boss.UndoAct(record_type="customer", id=merged.act_id)
    server.run_jobs()
    assert cases() == before
