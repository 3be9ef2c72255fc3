"""One running suite for all tests here: to start one takes as long as most of the tests of a service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from crm_cli.folder import Folder
from crm_cli.settings import SERVICES, Settings
from crm_cli.topology import Topology
from crm_kit import db
from crm_kit.testing.certificates import Authority
from crm_kit.testing.suite import Suite, free_ports


@dataclass(frozen=True)
class Tls:
    """The TLS ports of the suite: of identity and sales for everybody, of customer only for who shows a certificate."""

    authority: Authority
    folder: Path
    identity: str
    customer: str
    sales: str


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return Tls(Authority(), tmp_path_factory.mktemp("tls"), *(f"127.0.0.1:{port}" for port in free_ports(3)))


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory, tls: Tls) -> Iterator[Suite]:
    certificate, key = tls.authority.issue("crm").write(tls.folder, "server")
    (tls.folder / "ca.crt").write_bytes(tls.authority.certificate)
    suite = Suite(
        tmp_path_factory.mktemp("suite"),
        # What a killed service takes to be back depends on the machine; R13 measures it. Here the readers wait.
        PATIENCE="60",
        RPC_TIMEOUT="60",
        IDENTITY_TLS_ADDRESS=tls.identity,
        CUSTOMER_TLS_ADDRESS=tls.customer,
        SALES_TLS_ADDRESS=tls.sales,
        TLS_CERT_FILE=certificate,
        TLS_KEY_FILE=key,
        CUSTOMER_TLS_CLIENT_CA_FILE=str(tls.folder / "ca.crt"),
    )
    suite.start()
    yield suite
    suite.stop()


@pytest.fixture(scope="session")
def databases(suite: Suite) -> Iterator[dict[str, Callable[..., list[Any]]]]:
    """Service → a function that runs a statement with named parameters on its database, and gives its rows."""
    topology = Topology(Settings.read(suite.environment), Folder(Path(suite.data)))
    engines = {s.name: db.engine(topology.database_url(s), "test", size=1) for s in SERVICES}

    def ask_of(name: str) -> Callable[..., list[Any]]:
        def ask(statement: str, **parameters: Any) -> list[Any]:
            with engines[name].begin() as connection:
                result = connection.execute(text(statement), parameters)
                return list(result) if result.returns_rows else []

        return ask

    yield {name: ask_of(name) for name in engines}
    for engine in engines.values():
        engine.dispose()
