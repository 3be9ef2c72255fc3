"""`crm audit verify`: against a small HTTP server, and over the database with a stand-in of the service."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from test_import_client import Server

from suites import Suite

pytestmark = pytest.mark.feature("IDN-09")

HEAD = {"headSeq": "5", "headHash": "ab" * 32}


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def verify(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "crm_cli", "audit", "verify", "--url", server.url, *words]
    return subprocess.run(
        command, env=os.environ | {"CRM_ADMIN_PASSWORD": "p"}, capture_output=True, text=True, timeout=90
    )


def answers(*parts: dict[str, Any]) -> list[Any]:
    return [(200, {}, HEAD | part) for part in parts]


def test_a_whole_trail_is_checked_part_by_part(server: Server) -> None:
    server.answers["/v1/audit-entries:verify"] = answers(
        {"entries": "3", "endSeq": "3", "anchors": "1", "nextSeq": "4"},
        {"entries": "2", "endSeq": "5", "anchors": "1", "nextSeq": "0"},
    )

    done = verify(server)

    assert done.returncode == 0, done.stderr
    assert "5 entries checked, 2 anchors compared." in done.stdout
    assert f"Newest entry: 5 {'ab' * 32}" in done.stdout
    assert done.stdout.endswith("The trail is whole.\n")
    assert [path for _, path, *_ in server.asked if "verify" in path] == [
        "/v1/audit-entries:verify?startSeq=1",
        "/v1/audit-entries:verify?startSeq=4",
    ]


def test_the_first_broken_entry_is_named_and_the_exit_code_is_1(server: Server) -> None:
    broken = {"seq": "3", "what": "hash", "message": "Entry 3 is not what its hash says"}
    server.answers["/v1/audit-entries:verify"] = answers(
        {"entries": "2", "endSeq": "2", "anchors": "0", "nextSeq": "0", "broken": broken}
    )

    done = verify(server, "--start", "2")

    assert done.returncode == 1
    assert "BROKEN at 3: Entry 3 is not what its hash says." in done.stdout
    assert server.asked[-1][1].endswith("startSeq=2")


def test_offline_the_service_is_asked_whether_the_suite_runs_or_not(new_suite: Suite) -> None:
    new_suite.up()
    running = new_suite.crm("audit", "verify", "--offline", "--start", "7")
    broken = new_suite.crm("audit", "verify", "--offline", STANDIN_VERDICT="1")
    impossible = new_suite.crm("audit", "verify", "--offline", STANDIN_VERDICT="2")
    new_suite.down()
    alone = new_suite.crm("audit", "verify", "--offline")

    assert (running.returncode, running.stdout) == (0, "checked from 7: 1 row\n")
    assert (broken.returncode, broken.stdout) == (1, "checked from 1: 1 row\n")
    assert impossible.returncode == 1
    assert "failed" in impossible.stderr
    assert (alone.returncode, alone.stdout) == (0, "checked from 1: 1 row\n"), alone.stderr
