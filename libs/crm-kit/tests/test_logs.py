"""What a log says of an error: where it was, not what it was about."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from crm_kit import db, logs
from crm_kit.testing import database

pytestmark = pytest.mark.feature("IDN-10")

CANARY = "13800138000"


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = db.engine(database("logs"), "logs", size=1)
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE person (phone text PRIMARY KEY, age int CHECK (age > 0))"))
        connection.execute(text("INSERT INTO person VALUES (:phone, 1)"), {"phone": CANARY})
    yield made
    made.dispose()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("INSERT INTO person VALUES (:phone, 1)", "UniqueViolation: 23505 person person_pkey"),
        ("INSERT INTO person VALUES (:phone || '1', 0)", "CheckViolation: 23514 person person_age_check"),
        ("SELECT CAST(:phone AS uuid)", "InvalidTextRepresentation: 22P02"),
        ("SELECT CAST(:phone AS text) FROM nowhere", 'UndefinedTable: relation "nowhere" does not exist'),
    ],
)
def test_the_values_of_a_statement_that_failed_stay_out_of_the_log(engine: Engine, statement: str, told: str) -> None:
    record = logging.LogRecord("rpc", logging.ERROR, "", 0, "failed", None, None)
    try:
        with engine.begin() as connection:
            connection.execute(text(statement), {"phone": CANARY})
    except Exception as error:
        record.exc_info = (type(error), error, error.__traceback__)

    line = logs.JsonFormatter("test").format(record)

    assert told in line.replace('\\"', '"')
    assert "test_logs.py" in line
    assert CANARY not in line
