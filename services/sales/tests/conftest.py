"""The sales service as its tests see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm_kit import ids
from crm_kit.testing import Client, Server, event, running
from sales.app import SERVICE
from sales.first_entries import DEFAULT_PRICE_LIST


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
    return server.person(name="总经理")


@pytest.fixture
def product(boss: Client) -> Callable[..., Any]:
    """Makes a product and, if told, its price in the default price list."""

    def create(name: str = "广告位", price: str | None = None, **fields: Any) -> Any:
        made = boss.CreateProduct(product={"name": name, **fields})
        if price is not None:
            item = {"price_list_id": DEFAULT_PRICE_LIST, "product_id": made.id, "price": price}
            boss.CreatePriceItem(price_item=item)
        return made

    return create


@pytest.fixture
def customer(server: Server) -> Callable[..., str]:
    """A customer that the customer service announced; its id."""

    def announce(name: str = "甲公司", owner: Client | None = None) -> str:
        record = Customer(id=ids.uuid7(), name=name, region="east", owner_id=owner.user_id if owner else "")
        server.deliver("customer", event(record, "created"))
        return record.id

    return announce


@pytest.fixture
def make() -> Callable[..., Any]:
    """Makes an opportunity as somebody."""

    def create(client: Client, title: str = "年度广告投放", **fields: Any) -> Any:
        return client.CreateOpportunity(opportunity={"title": title, **fields})

    return create


@pytest.fixture
def change() -> Callable[..., Any]:
    """Changes fields of an opportunity as somebody."""

    def update(client: Client, record: Any, **fields: Any) -> Any:
        opportunity = {"id": record.id, **fields}
        return client.UpdateOpportunity(opportunity=opportunity, update_mask={"paths": list(fields)}, etag=record.etag)

    return update
