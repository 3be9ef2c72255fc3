"""Customers were merged: reports count what the services announce of it, and again after it was taken back."""

from __future__ import annotations

from typing import Any

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit import ids
from crm_kit.testing import Client, Server, event

pytestmark = [pytest.mark.feature("CUS-05")]


def by_customer(boss: Client) -> dict[str, int]:
    return {r.label: r.count for r in boss.GetOpportunitySummary(group_by="customer").rows}


def test_opportunities_count_with_the_customer_that_stays(server: Server, boss: Client, company: Any) -> None:
    stays, goes = Customer(id=ids.uuid7(), name="甲公司"), Customer(id=ids.uuid7(), name="甲有限公司")
    server.deliver("customer", event(stays, "created"), event(goes, "created"))
    sold = [
        Opportunity(
            id=ids.uuid7(),
            customer_id=c.id,
            title="许可",
            state="developing",
            stage="prospecting",
            pipeline_id=company.pipeline.id,
        )
        for c in (stays, goes)
    ]
    server.deliver("sales", *(event(o, "created") for o in sold))
    before = by_customer(boss)
    assert (before["甲公司"], before["甲有限公司"]) == (1, 1)
    goes.delete_time.GetCurrentTime()
    sold[1].customer_id = stays.id
    server.deliver("customer", event(goes, "deleted", 2), event(stays, "merged", 2))
    server.deliver("sales", event(sold[1], "relinked", 2))
    after = by_customer(boss)
    assert after["甲公司"] == 2
    assert "甲有限公司" not in after
    goes.ClearField("delete_time")
    sold[1].customer_id = goes.id
    server.deliver("customer", event(goes, "undone", 3), event(stays, "unmerged", 3))
    server.deliver("sales", event(sold[1], "undone", 3))
    assert by_customer(boss) == before
