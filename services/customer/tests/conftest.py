"""The customer service as its tests see it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside this file

from care_fixtures import company  # noqa: F401 - fixture

from crm_kit import ids, jobs, rpc
from crm_kit.kept import Kept
from crm_kit.pool import ZONE
from crm_kit.testing import Client, Server, running
from customer.app import SERVICE
from customer.standing.computing import recompute_marked
from customer.standing.sweep import start as start_sweep


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


class PoolHouse:
    """Public pools as tests set them up, and the nights that pass over them."""

    def __init__(self, server: Server, boss: Client) -> None:
        self.server, self.boss = server, boss

    def make(self, name: str = "公海", *, active: bool = True, **fields: Any) -> Any:
        pool = self.boss.CreatePool(pool={"name": name, **fields})
        pool = self.boss.ActivatePool(id=pool.id, etag=pool.etag) if active else pool
        self.settle()
        return pool

    def settle(self) -> None:
        """What this process kept of the organisation and of pools is read anew."""
        self.server.service.organisation.forget()
        Kept.forget_all()

    def put(self, pool: Any, *, owner: Client | None = None, **fields: Any) -> Any:
        """A customer that its owner gave back into the pool."""
        owner = owner or self.boss
        made = owner.CreateCustomer(customer={"name": "甲公司", **fields})
        owner.GiveBackCustomer(id=made.id, etag=made.etag, reason="no_time", pool_id=pool.id)
        return self.boss.GetCustomer(id=made.id)

    def night(self, day: date) -> Any:
        """The job of one night, whose day is told; the job when it is over."""
        job_id = ids.uuid7()
        with self.server.service.writer.begin() as connection:
            call = rpc.system_call(connection, "customer", self.server.service.organisation)
            jobs.start(call, "pool_return", "customer", {"day": day.isoformat()}, job_id=job_id)
        self.server.run_jobs()
        return self.boss.GetJob(record_type="customer", id=job_id)

    def own_since(self, day: date, *customer_ids: str) -> None:
        """The owners have these customers since that day (all where none is named)."""
        moment = datetime.combine(day, time(9), ZONE)
        where = "id = ANY(CAST(:ids AS uuid[]))" if customer_ids else "true"
        statement = f"UPDATE customer SET owner_time = :moment, create_time = :moment WHERE {where}"
        self.server.sql(statement, moment=moment, ids=list(customer_ids))


@pytest.fixture
def pools(server: Server, boss: Client) -> PoolHouse:
    return PoolHouse(server, boss)
