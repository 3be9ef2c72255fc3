"""What people notice of a process that is killed, told to stop, or without its database: `crm up`, asked over HTTP."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from faults.load import client
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from psycopg import sql

from crm_kit.testing.suite import Suite, eventually

pytestmark = pytest.mark.long

READS = {
    "identity": "/v1/users?pageSize=1",
    "customer": "/v1/customers?pageSize=1",
    "sales": "/v1/opportunities?pageSize=1",
    "service-desk": "/v1/service-requests?pageSize=1",
    "workspace": "/v1/tasks?pageSize=1",
    "reporting": "/v1/reports/customer-summary?groupBy=level",
}
"""A read of each service."""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    # Longer than its 5 and 10 s: the processors belong to other tests, too, and a start takes as long as they leave.
    suite = Suite(tmp_path_factory.mktemp("suite"), PATIENCE="20", RPC_TIMEOUT="20")
    suite.start()
    yield suite
    suite.stop()


@pytest.fixture
def token(suite: Suite) -> str:
    return suite.login()


PAUSE = 0.1
"""Seconds between two reads of one person: what starts again needs the processors, too."""


class Readers:
    """People who go on reading, one from each service; each refusal is kept."""

    def __init__(self, suite: Suite, token: str, names: list[str]) -> None:
        self._suite, self._token, self._names = suite, token, names
        self.refused: list[str] = []
        self.answered = dict.fromkeys(names, 0)
        self._stop = threading.Event()

    def read(self, name: str) -> None:
        while not self._stop.wait(PAUSE):
            try:
                status = self._suite.ask("GET", READS[name], token=self._token).status
            except OSError as error:
                self.refused.append(f"{name}: {error}")
                continue
            if status == 200:
                self.answered[name] += 1
            else:
                self.refused.append(f"{name}: {status}")

    def each_was_answered(self, times: int = 5) -> bool:
        """Whether everybody has been answered so many times from now on."""
        before = dict(self.answered)
        return eventually(lambda: all(self.answered[name] >= before[name] + times for name in self._names), 30)

    @contextmanager
    def at_work(self) -> Iterator[Readers]:
        with ThreadPoolExecutor(len(self._names)) as threads:
            work = [threads.submit(self.read, name) for name in self._names]
            try:
                assert self.each_was_answered()
                yield self
            finally:
                self._stop.set()
        for one in work:
            one.result()


def recovery(pid: int, is_back: Callable[[], bool]) -> float:
    """Seconds from the kill until it is back."""
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    assert eventually(is_back, 30)
    return time.monotonic() - began


def serving(suite: Suite, name: str) -> bool:
    with grpc.insecure_channel(suite.addresses[name]) as channel:
        try:
            answer = HealthStub(channel).Check(HealthCheckRequest(), timeout=0.5)
        except grpc.RpcError:
            return False
    return bool(answer.status == HealthCheckResponse.SERVING)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.figure("R13")
def test_readers_notice_nothing_when_a_service_or_nats_is_killed(
    suite: Suite, token: str, measured: Callable[[str], None]
) -> None:
    took = {}
    with Readers(suite, token, list(READS)).at_work() as readers:
        for name in READS:
            pid = suite.pids()[name]
            took[name] = recovery(
                pid, lambda name=name, pid=pid: suite.pids().get(name, pid) != pid and serving(suite, name)
            )
            assert readers.each_was_answered()
        os.kill(suite.pids()["nats"], signal.SIGKILL)
        assert readers.each_was_answered(20)
    measured(
        f"{len(readers.refused)} of {sum(readers.answered.values()):,} reads failed; serving again after "
        f"{', '.join(f'{name} {seconds:.1f} s' for name, seconds in took.items())}"
    )
    assert readers.refused == []


@pytest.mark.figure("R13")
@pytest.mark.parametrize("name", ["postgres", "gateway", "a worker of the gateway"])
def test_what_everybody_needs_is_back_by_itself(
    suite: Suite, token: str, measured: Callable[[str], None], name: str
) -> None:
    """Nobody stands in for these: until they are back, readers are refused, and so is who just asked them."""
    pid = suite.pids()[name] if name in suite.pids() else children(suite.pids()["gateway"])[0]

    def all_answer() -> bool:
        try:
            return all(suite.ask("GET", path, token=token).status == 200 for path in READS.values())
        except OSError:
            return False

    with Readers(suite, token, list(READS)).at_work() as readers:
        took = recovery(pid, all_answer)
        assert readers.each_was_answered()

    measured(f"all reads answered {took:.1f} s after {name} was killed, {len(readers.refused)} refused until then")


@pytest.mark.figure("R15")
def test_a_service_that_is_told_to_stop_finishes_what_it_has_begun(
    suite: Suite, token: str, measured: Callable[[str], None]
) -> None:
    pid = suite.pids()["customer"]
    caller = client("customer", suite.addresses["customer"], token)
    before = len(locks(suite, "customer"))

    def write(number: int) -> int:
        rows = [{"name": f"客户 {n}", "external_id": f"{number}, row {n}"} for n in range(125)]
        return int(caller.ImportCustomers(customers=rows, metadata={"idempotency-key": str(uuid4())}).created)

    with ThreadPoolExecutor(8) as people:
        begun = [people.submit(write, number) for number in range(8)]
        assert eventually(lambda: len(locks(suite, "customer")) == before + 8)  # one for the key of each
        began = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        assert eventually(lambda: not serving(suite, "customer"))
        told = time.monotonic() - began
        finished = [one.result() for one in begun]
        assert eventually(lambda: not Path(f"/proc/{pid}").exists(), 30)
        gone = time.monotonic() - began

    assert finished == [125] * 8
    assert eventually(lambda: serving(suite, "customer"))
    measured(f"not serving after {told * 1000:.0f} ms, 8 of 8 requests in flight finished, gone after {gone:.1f} s")
    assert gone < 15


def locks(suite: Suite, name: str) -> list[Any]:
    held = "SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND datname = %s"
    return superuser(suite, held, name)


def superuser(suite: Suite, statement: str | sql.Composed, *parameters: Any) -> list[Any]:
    password = json.loads((suite.data / "secrets.json").read_text())["postgres"]
    port = suite.environment["POSTGRES_PORT"]
    where = f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
    with psycopg.connect(where, password=password, autocommit=True) as connection:
        done = connection.execute(statement, parameters or None)
        return done.fetchall() if done.description else []


@contextmanager
def database_down(suite: Suite, name: str) -> Iterator[None]:
    """One database refuses everybody and has ended who was connected."""
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    superuser(suite, allow.format(sql.Identifier(name), sql.Literal(False)))
    superuser(suite, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", name)
    try:
        yield
    finally:
        superuser(suite, allow.format(sql.Identifier(name), sql.Literal(True)))


def without_its_database(suite: Suite, token: str, seconds: float) -> str:
    before = suite.pids()
    others = [name for name in READS if name != "customer"]
    refusals = []
    with Readers(suite, token, others).at_work() as readers:
        with database_down(suite, "customer"):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                began = time.monotonic()
                answer = suite.ask("GET", READS["customer"], token=token)
                refusals.append(time.monotonic() - began)
                assert (answer.status, answer.body["reason"]) == (503, "DATABASE_UNAVAILABLE"), answer.body
                assert int(answer.headers["Retry-After"]) >= 1
        began = time.monotonic()
        assert eventually(lambda: suite.ask("GET", READS["customer"], token=token).status == 200)
        healthy = time.monotonic() - began
        made = suite.ask("POST", "/v1/customers", {"name": "数据库回来之后"}, token=token)
        assert made.status == 201, made.body
        assert readers.each_was_answered()
    assert readers.refused == []
    assert suite.pids() == before
    return (
        f"{len(refusals)} requests in {seconds:.0f} s all 503 with Retry-After, the slowest after "
        f"{max(refusals):.2f} s; 0 of {sum(readers.answered.values()):,} reads of other services failed; "
        f"healthy {healthy:.2f} s after the database was back, no restart"
    )


def test_a_service_without_its_database_says_so_and_the_others_notice_nothing(suite: Suite, token: str) -> None:
    """The short form of R16: 5 seconds instead of 30."""
    without_its_database(suite, token, 5)


@pytest.mark.long
@pytest.mark.figure("R16")
def test_thirty_seconds_without_its_database(suite: Suite, token: str, measured: Callable[[str], None]) -> None:
    measured(without_its_database(suite, token, 30))


@pytest.mark.figure("R26")
def test_everything_killed_at_once_comes_back_with_its_data(suite: Suite, measured: Callable[[str], None]) -> None:
    token = suite.login()
    made = suite.ask("POST", "/v1/customers", {"name": "一切都停之前"}, token=token)
    assert made.status == 201, made.body
    began = time.monotonic()
    for pid in suite.pids().values():
        os.kill(pid, signal.SIGKILL)

    def back() -> bool:
        try:
            token = suite.login()
            return all(suite.ask("GET", path, token=token).status == 200 for path in READS.values())
        except (OSError, RuntimeError):
            return False

    assert eventually(back, 60)
    took = time.monotonic() - began
    kept = suite.ask("GET", f"/v1/customers/{made.body['id']}", token=suite.login())
    assert kept.body["name"] == "一切都停之前"
    measured(f"every read answered {took:.1f} s after everything was killed, nothing lost")
    assert took < 30
