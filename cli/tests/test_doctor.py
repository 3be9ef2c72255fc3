"""What `crm doctor` says of a broken installation."""

import json
import socket

import psycopg
import pytest

from suites import Suite

pytestmark = pytest.mark.slow


def finding(table: str, what: str) -> str:
    return next(line for line in table.splitlines() if what in line)


def test_a_sound_installation_that_does_not_run(new_suite: Suite) -> None:
    doctor = new_suite.crm("doctor")

    assert doctor.returncode == 0, doctor.stdout
    assert "crm up" in finding(doctor.stdout, "suite")


def test_a_taken_port(new_suite: Suite) -> None:
    with socket.create_server(("127.0.0.1", new_suite.postgres)):
        doctor = new_suite.crm("doctor")

    assert doctor.returncode == 1
    assert str(new_suite.postgres) in finding(doctor.stdout, "ports")
    assert "POSTGRES_PORT" in finding(doctor.stdout, "ports")


def test_a_folder_that_cannot_be_written(new_suite: Suite) -> None:
    doctor = new_suite.crm("doctor", CRM_DATA="/proc/none")

    assert doctor.returncode == 1
    assert "CRM_DATA" in finding(doctor.stdout, "data folder")


@pytest.mark.parametrize(
    ("setting", "value", "what"),
    [
        ("SALES_DATABASE_URL", "postgresql://u:hidden@127.0.0.1:1/sales", "database of sales"),
        ("NATS_URL", "nats://u:hidden@127.0.0.1:1", "NATS"),
    ],
)
def test_a_server_of_the_users_own_that_does_not_answer(new_suite: Suite, setting: str, value: str, what: str) -> None:
    doctor = new_suite.crm("doctor", **{setting: value})

    assert doctor.returncode == 1
    assert "127.0.0.1:1" in finding(doctor.stdout, what)
    assert setting in finding(doctor.stdout, what)
    assert "hidden" not in doctor.stdout + doctor.stderr


def test_a_schema_that_is_behind_is_found_and_repaired(suite: Suite) -> None:
    secret = json.loads((suite.data / "secrets.json").read_text())["sales"]
    with psycopg.connect(f"postgresql://sales:{secret}@127.0.0.1:{suite.postgres}/sales") as connection:
        connection.execute("DROP TABLE alembic_version, account")

    doctor = suite.crm("doctor")
    assert doctor.returncode == 1
    assert "crm migrate" in finding(doctor.stdout, "database of sales")

    migrated = suite.crm("migrate")
    assert migrated.stdout == "sales is migrated.\n", migrated.stderr
    assert suite.crm("doctor").returncode == 0
    assert suite.crm("migrate").stdout == "Every database is up to date.\n"


def test_migrating_while_the_suite_does_not_run(new_suite: Suite) -> None:
    migrated = new_suite.crm("migrate")

    assert migrated.returncode == 0, migrated.stderr
    assert migrated.stdout.count("is migrated") == 6
    assert new_suite.folder.running() is None
