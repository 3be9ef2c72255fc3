"""An import whose service is killed while it reads and while it stores: it goes on, and loses and doubles nothing."""

from __future__ import annotations

import csv
import io
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crm_kit.testing.suite import Suite, eventually

pytestmark = [pytest.mark.long, pytest.mark.feature("CUS-07")]

ROWS = 6000
IMPORTS = "/v1/records/customer/imports"


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    suite = Suite(tmp_path_factory.mktemp("suite"), PATIENCE="20", RPC_TIMEOUT="20")
    suite.start()
    yield suite
    suite.stop()


def table() -> bytes:
    out = io.StringIO()
    rows = [[f"公司{i}", f"kill-{i}", "很多" if i % 40 == 0 else "5"] for i in range(ROWS)]
    csv.writer(out).writerows([["客户名称", "外部标识", "员工总数"], *rows])
    return out.getvalue().encode()


def kill(suite: Suite) -> None:
    """The service as it is; what looks after it starts another."""
    before = suite.pids()["customer"]
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: suite.pids().get("customer", before) != before, 60)


def test_a_killed_import_goes_on_and_loses_and_doubles_nothing(suite: Suite, measured: Callable[[str], None]) -> None:
    token = suite.login()

    def ask(method: str, path: str, body: Any = None, **more: Any) -> Any:
        answer = suite.ask(method, path, body, token=token, **more)
        return answer.body if answer.status == 200 else {}

    made = ask("POST", f"{IMPORTS}?fileName=kill.csv", raw=table(), headers={"Content-Type": "text/csv"})
    one = f"{IMPORTS}/{made['id']}"
    kill(suite)
    assert eventually(lambda: ask("GET", one).get("state") == "ready", 120)
    assert ask("GET", one)["rows"] == ROWS
    assert ask("POST", f"{one}:start", {})
    kills = 0
    for part in (1000, 3000):
        assert eventually(lambda: ask("GET", one).get("created", 0) >= part, 120)  # noqa: B023
        if ask("GET", one).get("state") == "storing":
            kill(suite)
            kills += 1
    assert eventually(lambda: ask("GET", one).get("state") == "done", 120)
    done = ask("GET", one)
    assert (done["created"], done["rejected"]) == (ROWS - ROWS // 40, ROWS // 40)
    found = ask("GET", "/v1/customers?count=exact&pageSize=1&filter=externalId:%22kill-%22")
    assert found["total"] == done["created"]
    assert kills >= 1
    measured(f"killed {kills + 1} times: {done['created']} stored + {done['rejected']} rejected = {ROWS}")
