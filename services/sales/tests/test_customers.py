"""The copy of customers: fed by events, completed by asking, enough while the customer service is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm.records.v1 import records_pb2 as pb
from crm_kit import ids
from crm_kit.testing import Client, Server, event, refused
from sales.tables import CUSTOMER

pytestmark = pytest.mark.feature("SAL-10")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """A customer service that knows one customer; what it was asked, as (id, authorization)."""
    questions: list[tuple[str, str]] = []

    def get(request: pb.GetRequest, context: grpc.ServicerContext) -> Customer:
        questions.append((request.id, dict(context.invocation_metadata())["authorization"]))
        if request.id != KNOWN:
            context.abort(grpc.StatusCode.NOT_FOUND, "")
        return Customer(id=request.id, name="刚建的公司", etag="3")

    handler = grpc.unary_unary_rpc_method_handler(get, pb.GetRequest.FromString, Customer.SerializeToString)
    server = grpc.server(ThreadPoolExecutor(1))
    service = grpc.method_handlers_generic_handler("crm.customer.v1.CustomerService", {"GetCustomer": handler})
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        monkeypatch.setattr(CUSTOMER, "_channel", channel)
        yield questions
    server.stop(0).wait()


KNOWN = ids.uuid7()


def test_a_customer_made_a_moment_ago_is_asked_for_once_as_the_caller(
    boss: Client, make: Callable[..., Any], asked: list[tuple[str, str]]
) -> None:
    first, second = (make(boss, customer_id=KNOWN) for _ in range(2))

    assert (first.customer_name, second.customer_name) == ("刚建的公司", "刚建的公司")
    assert asked == [(KNOWN, f"Bearer {boss.token}")]


@pytest.mark.feature("IDN-07")
def test_who_may_not_read_customers_points_at_none_though_it_is_known_here(
    server: Server, make: Callable[..., Any]
) -> None:
    server.deliver("customer", event(Customer(id=KNOWN, name="上海钢铁"), "created"))
    clerk = server.person(rights=["opportunity.*"], scope="all")

    with refused("INVALID_ARGUMENT", "INVALID", "customerId"):
        make(clerk, customer_id=KNOWN)
    assert make(clerk).customer_name == ""


def test_a_customer_that_its_owner_does_not_show_is_refused(
    boss: Client, make: Callable[..., Any], asked: list[tuple[str, str]]
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "customerId"):
        make(boss, customer_id=ids.uuid7())
    assert len(asked) == 1


def test_while_nobody_can_say_whether_a_customer_exists_it_is_not_called_unknown(
    boss: Client, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with grpc.insecure_channel("127.0.0.1:1") as nobody:
        monkeypatch.setattr(CUSTOMER, "_channel", nobody)

        with refused("UNAVAILABLE", "SERVICE_UNAVAILABLE"):
            make(boss, customer_id=ids.uuid7())


def test_a_new_name_is_shown_and_an_older_one_does_not_come_back(
    boss: Client, server: Server, customer: Callable[..., str], make: Callable[..., Any]
) -> None:
    made = make(boss, customer_id=customer("旧名"))
    now, old = (event(Customer(id=made.customer_id, name=n), "updated", v) for n, v in (("新名", 5), ("更旧", 2)))

    server.deliver("customer", now)
    server.deliver("customer", old)

    assert boss.GetOpportunity(id=made.id).customer_name == "新名"


def test_a_deleted_customer_gets_no_new_opportunity(
    boss: Client, server: Server, customer: Callable[..., str], make: Callable[..., Any]
) -> None:
    gone = Customer(id=customer())
    gone.delete_time.GetCurrentTime()
    server.deliver("customer", event(gone, "deleted", 2))

    with refused("INVALID_ARGUMENT", "INVALID", "customerId"):
        make(boss, customer_id=gone.id)
