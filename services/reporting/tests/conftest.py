"""The reporting service as its tests see it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crm_kit.testing import Client, Server, running
from reporting.app import SERVICE


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
