"""The customer service as its tests see it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside this file

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
