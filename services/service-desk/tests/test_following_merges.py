"""Customers and contacts were merged elsewhere: service requests follow, and come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm.customer.v1.contacts_pb2 import Contact
from crm.customer.v1.customers_pb2 import Customer
from crm_kit import ids
from crm_kit.testing import Client, Server
from crm_records.testing import merged

pytestmark = [pytest.mark.feature("CUS-05")]


def test_requests_follow_a_merge_and_come_back(
    server: Server, boss: Client, customer: Callable[..., str], request_of: Callable[..., Any]
) -> None:
    stays, goes, act_id = customer("甲公司"), customer("甲有限公司"), ids.uuid7()
    asked = request_of(boss, customer_id=goes)
    for action, expected in (("merged", stays), ("unmerged", goes)):
        server.deliver("customer", merged(Customer(id=stays, name="甲公司"), act_id, [goes], action))
        server.run_jobs()
        now = boss.GetServiceRequest(id=asked.id)
        assert (now.customer_id, now.state, now.summary) == (expected, asked.state, asked.summary)


def test_the_contact_of_a_request_follows_too(
    server: Server, boss: Client, customer: Callable[..., str], request_of: Callable[..., Any]
) -> None:
    stays, goes = ids.uuid7(), ids.uuid7()
    asked = request_of(boss, customer_id=customer(), contact_id=goes)
    server.deliver("customer", merged(Contact(id=stays, name="王芳"), ids.uuid7(), [goes]))
    server.run_jobs()
    assert boss.GetServiceRequest(id=asked.id).contact_id == stays
