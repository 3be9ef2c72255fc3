"""Logins: bound by argon2, and what they leave for everybody else meanwhile."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Callable

import load
import pytest
from processes import cpu_by_name
from suite import PASSWORD, Suite

SECONDS = 5.0


@pytest.mark.bench
@pytest.mark.feature("IDN-01")
@pytest.mark.parametrize("connections", [4, 24])
def test_logins_and_what_others_wait_meanwhile(suite: Suite, say: Callable[[str], None], connections: int) -> None:
    """With few connections all are let in; with more than may wait, the rest is told to come back and does at once."""
    suite.sign_in()
    bodies = _people(suite, connections * 2)
    logging_in = itertools.cycle([load.request("POST", "/v1/auth/login", body=body) for body in bodies])
    me = load.request("GET", "/v1/auth/me", suite.token)
    customers = load.request("GET", "/v1/customers?pageSize=20", suite.token)
    suite.settle()
    quiet = {
        path: load.run(suite.http, itertools.repeat(r), seconds=SECONDS, rate=20) for path, r in _others(me, customers)
    }

    before = cpu_by_name(suite.processes() + suite.postgres())
    busy: dict[str, load.Result] = {}
    asking = [
        threading.Thread(
            target=lambda p=p, r=r: busy.update(
                {p: load.run(suite.http, itertools.repeat(r), seconds=SECONDS, rate=20)}
            )
        )
        for p, r in _others(me, customers)
    ]
    for thread in asking:
        thread.start()
    logins = load.run(suite.http, logging_in, connections=connections, seconds=SECONDS)
    for thread in asking:
        thread.join()
    after = cpu_by_name(suite.processes() + suite.postgres())
    spent = after["identity"] - before["identity"]

    assert set(logins.statuses) <= {200, 503}, logins.refused[0]
    let_in = logins.statuses[200]
    say(
        f"login over {connections} connections on {os.cpu_count()} cores: {let_in / logins.seconds:.0f} let in a second"
    )
    say(f"of {len(logins.milliseconds)} requests {logins.statuses[503]} were told to come back; {logins}")
    say(f"{spent / let_in * 1000:.1f} ms CPU of identity a login, argon2id over 46 MiB included")
    say(f"load average {os.getloadavg()[0]:.1f}")
    for path, result in busy.items():
        alone, meanwhile = quiet[path], result
        assert not meanwhile.refused, meanwhile.refused[0]
        say(
            f"{path} meanwhile: p50 {meanwhile.percentile(50):.1f} ms, p99 {meanwhile.percentile(99):.1f} ms"
            f" (alone {alone.percentile(50):.1f} and {alone.percentile(99):.1f} ms)"
        )


def _people(suite: Suite, count: int) -> list[bytes]:
    """What so many new people send to log in: of one account only a few may try at once."""
    admin = suite.call("POST", "/v1/auth/login", {"username": "admin", "password": PASSWORD})["accessToken"]
    department = suite.call("GET", "/v1/auth/me")["departmentId"]
    names = [f"login-{count}-{i}" for i in range(count)]
    for name in names:
        user = {"username": name, "name": name, "departmentId": department}
        suite.call("POST", "/v1/users", {"user": user, "initialPassword": f"{name}-{PASSWORD}"}, admin)
    return [json.dumps({"username": name, "password": f"{name}-{PASSWORD}"}).encode() for name in names]


def _others(me: bytes, customers: bytes) -> list[tuple[str, bytes]]:
    return [("GET /v1/auth/me (identity)", me), ("GET /v1/customers", customers)]
