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
def test_logins_and_what_others_wait_meanwhile(suite: Suite, say: Callable[[str], None]) -> None:
    suite.sign_in()
    body = json.dumps({"username": "bench", "password": PASSWORD + "2"}).encode()
    login = load.request("POST", "/v1/auth/login", body=body)
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
    logins = load.run(suite.http, itertools.repeat(login), connections=8, seconds=SECONDS)
    for thread in asking:
        thread.join()
    after = cpu_by_name(suite.processes() + suite.postgres())
    spent = after["identity"] - before["identity"]

    assert not logins.refused, logins.refused[0]
    say(f"login over 8 connections on {os.cpu_count()} cores: {logins}")
    say(f"{spent / len(logins.milliseconds) * 1000:.1f} ms CPU of identity a login, argon2id over 46 MiB included")
    for path, result in busy.items():
        alone, meanwhile = quiet[path], result
        assert not meanwhile.refused, meanwhile.refused[0]
        say(
            f"{path} meanwhile: p50 {meanwhile.percentile(50):.1f} ms, p99 {meanwhile.percentile(99):.1f} ms"
            f" (alone {alone.percentile(50):.1f} and {alone.percentile(99):.1f} ms)"
        )


def _others(me: bytes, customers: bytes) -> list[tuple[str, bytes]]:
    return [("GET /v1/auth/me (identity)", me), ("GET /v1/customers", customers)]
