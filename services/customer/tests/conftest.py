"""The customer service as its tests see it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm_kit.testing import Client, Server, running
from customer.app import SERVICE
from customer.standing.computing import recompute_marked
from customer.standing.sweep import start as start_sweep

sys.path.append(str(Path(__file__).parent))


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
def today() -> date:
    """The day where the company is."""
    return datetime.now(ZoneInfo("Asia/Shanghai")).date()


@pytest.fixture
def recompute(server: Server) -> Callable[[date], int]:
    """Computes the customers that were marked, as the timer does, as of a day; how many there were."""

    def act(today: date) -> int:
        found: list[int] = []
        server.service.act(lambda call: found.append(recompute_marked(call, today)))
        return found[0]

    return act


@pytest.fixture
def sweep(server: Server) -> Callable[[date], int]:
    """Computes all customers, as the daily job does, as of a day; how many steps it took."""

    def act(today: date) -> int:
        server.sql("DELETE FROM job")
        server.service.act(lambda call: start_sweep(call, today))
        return server.run_jobs()

    return act


@pytest.fixture
def order(boss: Client) -> Callable[..., Any]:
    """Enters an order of a customer."""

    def enter(customer_id: str, day: str, amount: str, **more: Any) -> Any:
        entry = {"customer_id": customer_id, "kind": "order", "date": day, "amount": amount, **more}
        return boss.CreateTradeEntry(trade_entry=entry)

    return enter
