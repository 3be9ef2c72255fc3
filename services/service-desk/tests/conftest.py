"""The service desk as its tests see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm_kit import ids
from crm_kit.testing import Client, Server, event, running
from service_desk.app import SERVICE

Make = Callable[..., Any]


@pytest.fixture(scope="session")
def running_server() -> Iterator[Server]:
    with running(SERVICE) as server:
        yield server


@pytest.fixture
def server(running_server: Server) -> Server:
    running_server.reset()
    return running_server


@pytest.fixture
def boss(server: Server) -> Client:
    """Somebody with every right on everything."""
    return server.person(name="客服主管")


@pytest.fixture
def customer(server: Server) -> Callable[..., str]:
    """A customer that the customer service told of; its id."""

    def made(name: str = "上海宝山钢铁股份有限公司", owner_id: str = "") -> str:
        customer = Customer(id=ids.uuid7(), name=name, owner_id=owner_id)
        server.deliver("customer", event(customer, "created"))
        return customer.id

    return made


@pytest.fixture
def request_of(customer: Callable[..., str]) -> Make:
    """A new request by somebody, of a customer of its own unless one is named."""

    def make(client: Client, **fields: Any) -> Any:
        given = {
            "kind": "fault",
            "summary": "三号轧机停机",
            "customer_id": fields.pop("customer_id", None) or customer(),
        }
        return client.CreateServiceRequest(service_request={**given, **fields})

    return make


@pytest.fixture
def in_state(boss: Client, request_of: Make) -> Make:
    """A request that was brought into a state by the actions that lead there."""

    def bring(state: str, **fields: Any) -> Any:
        made = request_of(boss, **fields)
        if state != "created":
            made = boss.AssignServiceRequest(id=made.id, etag=made.etag, owner_id=boss.user_id)
        if state in ("handled", "feedback", "archived"):
            made = boss.HandleServiceRequest(id=made.id, etag=made.etag, handling="更换了轴承")
        if state in ("feedback", "archived"):
            made = boss.FeedBackServiceRequest(id=made.id, etag=made.etag, satisfaction=5)
        if state == "archived":
            made = boss.ArchiveServiceRequest(id=made.id, etag=made.etag)
        assert made.state == state
        return made

    return bring
