"""Numbers that a process took ahead are its own, also when the database dies at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from crm_cli.postgres import Postgres
from crm_kit import db
from crm_kit.testing.suite import free_ports
from crm_records import numbers
from customer.customers import CUSTOMERS


def taken(handed_out: numbers.Numbers, engine: Engine) -> str:
    with engine.connect() as connection:
        (number,) = handed_out.take(connection, CUSTOMERS)
    return number


@pytest.mark.slow
@pytest.mark.figure("R01")
def test_no_number_is_handed_out_twice_by_processes_that_outlive_the_database(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    server = Postgres(tmp_path / "postgres", port).start()
    try:
        engine = db.engine(server.url(), "test", size=1)
        numbers.metadata.create_all(engine)
        one, other = numbers.Numbers(engine), numbers.Numbers(engine)
        first = taken(one, engine)
        assert server._process is not None
        server._process.kill()
        server._process.wait()
        server.start()

        later = [taken(process, engine) for process in (other, one) for _ in range(3)]

        assert len({first, *later}) == 7
        engine.dispose()
    finally:
        server.stop()
