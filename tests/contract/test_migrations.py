"""The migrations, run from nothing, make exactly the tables that the code speaks of."""

from __future__ import annotations

import dataclasses
import importlib

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from crm_kit import migrate
from crm_kit.service import KIT_METADATA, Service
from crm_kit.testing import connect

SERVICES = ["identity", "customer", "sales", "service_desk", "workspace", "reporting"]


def service_of(package: str) -> Service:
    """One of our own: the tests of the service itself may be at work with theirs in this process."""
    found: Service = importlib.import_module(f"{package}.app").SERVICE
    return dataclasses.replace(found)


@pytest.mark.parametrize("package", SERVICES)
def test_migrations_make_the_tables_of_the_code(package: str) -> None:
    service = service_of(package)
    connect(service, f"migrations_of_{package}")
    service.migrate()
    metadata = {id(m): m for m in [*KIT_METADATA, *service.metadata]}
    with service.writer.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": False})
        differences = compare_metadata(context, list(metadata.values()))
    service.writer.dispose()

    assert differences == []
    assert service.migrate(check=True)


@pytest.mark.parametrize("package", SERVICES)
def test_each_line_of_migrations_has_one_end(package: str) -> None:
    alembic = migrate.config(None, service_of(package).versions, [])  # type: ignore[arg-type]
    heads = ScriptDirectory.from_config(alembic).get_heads()

    assert len({head.rpartition("_")[0] for head in heads}) == len(heads)
