"""`crm up` with stand-in services, real PostgreSQL and real NATS."""

import json
import os
import re
import signal
import socket
import urllib.request

import psycopg
import pytest

from crm_cli.settings import SERVICES
from suites import Suite, eventually, is_alive

pytestmark = pytest.mark.slow

ALL = {"postgres", "nats", "gateway", *(service.name for service in SERVICES)}


def answers(suite: Suite) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{suite.http}/readyz", timeout=1).close()
    except OSError:
        return False
    return True


def test_everything_runs_when_the_line_is_printed(suite: Suite) -> None:
    assert suite.folder.processes().keys() == ALL
    assert answers(suite)
    assert f"http://127.0.0.1:{suite.http}" in suite.said


def test_status_and_doctor_find_nothing_wrong(suite: Suite) -> None:
    status, doctor = suite.crm("status"), suite.crm("doctor")

    assert status.returncode == 0, status.stdout
    assert doctor.returncode == 0, doctor.stdout
    assert "what was found" in doctor.stdout
    assert "PostgreSQL 18" in doctor.stdout
    assert "with JetStream" in doctor.stdout


def test_the_password_of_the_administrator_is_shown_once_and_is_in_no_file(suite: Suite) -> None:
    (password,) = re.findall(r"Password of admin \(shown only this once\): (\S+)", suite.said)

    files = [file for file in suite.data.rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if password.encode() in file.read_bytes()]


def test_the_first_start_says_that_a_copy_of_the_master_keys_is_to_be_kept(suite: Suite) -> None:
    (line,) = [line for line in suite.said.splitlines() if line.startswith("Keep a copy of ")]

    assert f"{suite.data / 'keys' / 'master.keys'} elsewhere" in line


def test_no_password_is_in_a_log(suite: Suite) -> None:
    secrets = json.loads((suite.data / "secrets.json").read_text())

    assert secrets.keys() == {"postgres", "nats", *(service.package for service in SERVICES)}
    logs = b"".join(file.read_bytes() for file in (suite.data / "logs").iterdir()) + suite.output.read_bytes()
    assert not [name for name, secret in secrets.items() if secret.encode() in logs]
    assert (suite.data / "secrets.json").stat().st_mode & 0o77 == 0
    assert suite.data.stat().st_mode & 0o77 == 0


def test_a_service_is_told_its_own_database_and_no_other(suite: Suite) -> None:
    told = (suite.data / "logs" / "customer.log").read_text()

    assert "['DATABASE_URL', 'NATS_URL']" in told


@pytest.mark.parametrize("database", ["identity", "service_desk", "postgres", "template1"])
def test_a_service_reaches_only_its_own_database(suite: Suite, database: str) -> None:
    secret = json.loads((suite.data / "secrets.json").read_text())["customer"]
    own = f"postgresql://customer:{secret}@127.0.0.1:{suite.postgres}"

    with psycopg.connect(f"{own}/customer") as connection:
        connection.execute("CREATE TEMPORARY TABLE mine (id int)")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(f"{own}/{database}")


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_killed_process_is_back_at_once(suite: Suite, name: str) -> None:
    before = suite.folder.processes()[name]

    os.kill(before, signal.SIGKILL)

    assert eventually(lambda: suite.folder.processes().get(name, before) != before, 3)
    assert eventually(lambda: suite.crm("status").returncode == 0)
    assert f"{name} was killed by SIGKILL" in suite.said


def test_everything_killed_at_once_is_back_by_itself(suite: Suite) -> None:
    before = suite.folder.processes()

    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    assert eventually(lambda: not set(before.values()) & set(suite.folder.processes().values()), 30)
    assert eventually(lambda: suite.crm("doctor").returncode == 0, 30)


def test_a_second_suite_on_the_same_folder_is_refused(suite: Suite) -> None:
    second = suite.crm("up")

    assert second.returncode == 1
    assert "already runs" in second.stderr
    assert "crm stop" in second.stderr
    assert answers(suite)


def test_stopping_ends_everything_and_the_next_start_finds_the_data(new_suite: Suite) -> None:
    new_suite.up()
    pids = new_suite.folder.processes().values()

    stopped = new_suite.crm("stop")

    assert stopped.stdout == "Stopped.\n"
    assert new_suite.ended() == 0
    assert not [pid for pid in pids if is_alive(pid)]
    assert new_suite.crm("status").returncode == 1

    new_suite.up()
    assert "Migrating" not in new_suite.said
    assert "Password" not in new_suite.said


def test_a_given_password_is_not_shown(new_suite: Suite) -> None:
    new_suite.environment["CRM_ADMIN_PASSWORD"] = "given-by-the-operator"

    new_suite.up()

    assert "Password" not in new_suite.said
    assert "given-by-the-operator" not in new_suite.said
    assert new_suite.crm("doctor").returncode == 0


def test_a_killed_supervisor_leaves_no_process_and_the_next_one_starts(new_suite: Suite) -> None:
    new_suite.up()
    pids = new_suite.folder.processes().values()

    new_suite.down(signal.SIGKILL)

    assert eventually(lambda: not [pid for pid in pids if is_alive(pid)], 5)
    new_suite.up()
    assert answers(new_suite)


@pytest.mark.parametrize("setting", ["CRM_HTTP_PORT", "POSTGRES_PORT", "NATS_PORT", "SALES_ADDRESS"])
def test_a_taken_port_is_named_before_anything_starts(new_suite: Suite, setting: str) -> None:
    port = int(new_suite.environment[setting].rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        refused = new_suite.crm("up")

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Port {port} on 127.0.0.1 is taken")
    assert setting in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (new_suite.data / "postgres").exists()


@pytest.mark.parametrize(
    ("setting", "value", "word"),
    [
        ("CRM_HTTP_PORT", "eighty", "'eighty'"),
        ("NATS_PORT", "70000", "'70000'"),
        ("SALES_ADDRESS", "9103", "host:port"),
        ("NATS_PORT", "same", "both"),
        ("CRM_DATA", "/proc/none", "/proc/none"),
    ],
)
def test_a_wrong_setting_is_named(new_suite: Suite, setting: str, value: str, word: str) -> None:
    value = new_suite.environment["POSTGRES_PORT"] if value == "same" else value

    refused = new_suite.crm("up", **{setting: value})

    assert refused.returncode == 1
    assert setting in refused.stderr
    assert word in refused.stderr
    assert "Traceback" not in refused.stderr
