"""Customers were merged elsewhere: tasks about them follow, and come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm_kit import ids
from crm_kit.testing import Client, Server
from crm_records.testing import merged

pytestmark = [pytest.mark.feature("CUS-05")]


def test_tasks_about_a_customer_follow_a_merge_and_come_back(
    server: Server, boss: Client, task_of: Callable[..., Any]
) -> None:
    stays, goes, act_id = ids.uuid7(), ids.uuid7(), ids.uuid7()
    about = task_of(boss, record_type="customer", record_id=goes)
    same_id = task_of(boss, record_type="opportunity", record_id=goes)
    for action, expected in (("merged", stays), ("unmerged", goes)):
        server.deliver("customer", merged(Customer(id=stays, name="甲公司"), act_id, [goes], action))
        server.run_jobs()
        assert boss.GetTask(id=about.id).record_id == expected
        assert boss.GetTask(id=same_id.id).record_id == goes
