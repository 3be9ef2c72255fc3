"""The customer service as its tests see it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

import pytest

from crm_kit import ids, jobs, rpc
from crm_kit.kept import Kept
from crm_kit.pool import ZONE
from crm_kit.testing import Client, Server, running
from customer.app import SERVICE


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
        owner.ReturnCustomer(id=made.id, etag=made.etag, reason="no_time", pool_id=pool.id)
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
