"""Pools of connections: what the server ended meanwhile costs nobody an error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import Engine, text

from crm_kit import db
from crm_kit.testing import database

OTHERS = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")

END = text("SELECT pg_terminate_backend(pid) FROM unnest(CAST(:pids AS int[])) AS pid")


@pytest.fixture(scope="module")
def url() -> str:
    return database("pools")


@pytest.fixture(params=["written", "read"])
def pool(request: pytest.FixtureRequest, url: str) -> Iterator[Engine]:
    """A pool whose three connections lie idle."""
    made = db.engine(url, "test", size=3, read_only=request.param == "read")
    with ExitStack() as stack:
        for connection in [stack.enter_context(made.connect()) for _ in range(3)]:
            connection.execute(text("SELECT 1"))
    yield made
    made.dispose()


def backends(pool: Engine) -> set[int]:
    with ExitStack() as stack:
        opened = [stack.enter_context(pool.connect()) for _ in range(3)]
        return {connection.scalar(text("SELECT pg_backend_pid()")) for connection in opened}


@pytest.mark.figure("R16")
def test_connections_that_the_server_ended_are_made_anew_at_once(pool: Engine, url: str) -> None:
    before = backends(pool)
    killer = db.engine(url, "killer", size=1, read_only=True)
    with killer.connect() as connection:
        connection.execute(END, {"pids": [*before]})
        while before & set(connection.scalars(OTHERS)):
            time.sleep(0.01)
    killer.dispose()

    after = backends(pool)

    assert len(after) == 3
    assert not before & after


def test_connections_that_are_well_stay(pool: Engine) -> None:
    assert backends(pool) == backends(pool)
