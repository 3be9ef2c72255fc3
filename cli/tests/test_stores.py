"""PostgreSQL and NATS as the suite and the tests start them."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import nats
import psycopg
import pytest
from nats.js.api import StreamConfig

from crm_cli.nats import Nats, greeting
from crm_cli.postgres import Postgres
from suites import eventually, free_ports, is_alive


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    server = Postgres(tmp_path / "postgres", free_ports(1)[0], password="p%/:@w", durable=False)
    yield server.start()
    server.stop()


def test_postgresql_18_answers_only_with_the_password(server: Postgres) -> None:
    with psycopg.connect(server.url()) as connection:
        assert connection.info.server_version >= 180000

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url(password="wrong"))


def test_a_second_start_finds_the_data(server: Postgres) -> None:
    with psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    server.stop()

    server.start()

    with psycopg.connect(server.url()) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_a_killed_server_starts_again_and_has_what_was_committed(tmp_path: Path) -> None:
    server = Postgres(tmp_path / "postgres", free_ports(1)[0]).start()
    with psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    pid = int((server.folder / "postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    server.stop()

    try:
        with psycopg.connect(server.start().url()) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
    finally:
        server.stop()


def test_a_pid_file_with_the_number_of_another_process_does_not_keep_it_down(server: Postgres) -> None:
    file = server.folder / "postmaster.pid"
    lines = file.read_text().splitlines()
    server.stop()
    file.write_text("\n".join([str(os.getppid()), *lines[1:]]))

    server.start()

    assert psycopg.connect(server.url()).execute("SELECT 1").fetchone() == (1,)
    assert is_alive(os.getppid())


def test_a_server_that_an_earlier_run_left_behind_is_ended(server: Postgres) -> None:
    orphan = int((server.folder / "postmaster.pid").read_text().split()[0])
    other = Postgres(server.folder, server.port, server.password, durable=False)

    other.start()

    try:
        assert eventually(lambda: not is_alive(orphan))
        assert psycopg.connect(other.url()).execute("SELECT 1").fetchone() == (1,)
    finally:
        other.stop()


def test_what_is_written_into_local_conf_holds(server: Postgres) -> None:
    server.stop()
    (server.folder / "local.conf").write_text("work_mem = '3MB'\n")

    with psycopg.connect(server.start().url()) as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("3MB",)


def test_no_value_of_a_failing_statement_is_in_the_log(server: Postgres) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE person (phone text PRIMARY KEY)")
        connection.execute("INSERT INTO person VALUES ('13812345678')")
        for statement in ("INSERT INTO person VALUES (%s)", "INSERT INTO person VALUES ('13812345678')"):
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute(statement, ["13812345678"] if "%s" in statement else None)

    log = server.folder.with_suffix(".log").read_text()
    assert "duplicate key" in log
    assert "13812345678" not in log


def test_nats_keeps_what_it_was_given(tmp_path: Path) -> None:
    server = Nats(tmp_path / "nats", free_ports(1)[0]).start()
    assert greeting("127.0.0.1", server.port)["jetstream"] is True

    async def publish() -> None:
        connection = await nats.connect(server.url())
        stream = connection.jetstream()
        await stream.add_stream(StreamConfig(name="facts", subjects=["fact.*"]))
        await stream.publish("fact.one", b"kept")
        await connection.close()

    async def read() -> bytes | None:
        connection = await nats.connect(server.url())
        message = await connection.jetstream().get_msg("facts", 1)
        await connection.close()
        return message.data

    try:
        asyncio.run(publish())
        server.stop()
        server.start()
        assert asyncio.run(read()) == b"kept"
    finally:
        server.stop()
    assert greeting("127.0.0.1", server.port) == {}


def test_nats_answers_only_with_the_password(tmp_path: Path) -> None:
    server = Nats(tmp_path / "nats", free_ports(1)[0], durable=False).start()

    async def connect() -> None:
        async def silent(error: Exception) -> None: ...

        await nats.connect(f"nats://127.0.0.1:{server.port}", allow_reconnect=False, error_cb=silent)

    try:
        with pytest.raises(nats.errors.Error, match="Authorization"):
            asyncio.run(connect())
    finally:
        server.stop()
