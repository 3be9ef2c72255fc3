"""The workspace as its tests see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crm_kit.testing import Client, Server, running
from workspace.app import SERVICE


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
def task_of() -> Callable[..., Any]:
    """A new task by somebody."""

    def make(client: Client, title: str = "准备投标文件", **fields: Any) -> Any:
        return client.CreateTask(task={"title": title, **fields})

    return make


@pytest.fixture
def in_state(boss: Client, task_of: Callable[..., Any]) -> Callable[..., Any]:
    """A task that was brought into a state by the action that leads there."""

    def bring(state: str, **fields: Any) -> Any:
        made = task_of(boss, **fields)
        if state == "done":
            made = boss.CompleteTask(id=made.id, etag=made.etag, result="已提交")
        if state == "cancelled":
            made = boss.CancelTask(id=made.id, etag=made.etag)
        assert made.state == state
        return made

    return bring
