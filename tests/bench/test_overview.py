"""P05, the overview of a customer: its time at 20 requests/s, and what it costs in CPU over all our processes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import data
import load
import pytest
from suite import Suite
from test_cost import cost

KNOWN = 2_000
"""Customers of whom there is something in every part."""
RATE, SECONDS, ROUNDS = 20, 15.0, 3


def known(suite: Suite, customers: list[str]) -> list[str]:
    """Some customers with contacts, interactions, demands, visits, requests and tasks."""
    ids = customers[:KNOWN]

    def rows(each: int, **fields: Any) -> list[dict[str, Any]]:
        return [
            {"externalId": f"o-{i}-{n}", **{k: v.format(n=n, id=id_) for k, v in fields.items()}}
            for i, id_ in enumerate(ids)
            for n in range(each)
        ]

    data.load(suite, "/v1/contacts", "contacts", rows(3, customerId="{id}", name="联系人{n}", decisionRole="decider"))
    spoke = {"customerId": "{id}", "kind": "call", "subject": "电话 {n}", "startTime": "2026-05-0{n}T09:00:00Z"}
    data.load(suite, "/v1/interactions", "interactions", [r for r in rows(9, **spoke) if "-00T" not in r["startTime"]])
    data.load(suite, "/v1/demands", "demands", rows(2, customerId="{id}", kind="other", description="需求 {n}"))
    fault = {"customerId": "{id}", "kind": "fault", "summary": "故障 {n}"}
    data.load(suite, "/v1/service-requests", "serviceRequests", rows(2, **fault))
    data.load(suite, "/v1/tasks", "tasks", rows(2, title="任务 {n}", recordType="customer", recordId="{id}"))
    suite.settle()
    return ids


@pytest.mark.bench
@pytest.mark.figure("P05")
@pytest.mark.feature("CUS-15")
def test_overview(suite: Suite, filled: tuple[list[str], list[str]], say: Callable[[str], None]) -> None:
    suite.sign_in()
    ids, chance = known(suite, filled[0]), random.Random(3)
    parts = suite.call("GET", f"/v1/customers/{ids[0]}/overview")["parts"]
    assert {part["state"] for part in parts} == {"shown"}
    say(f"{len(parts)} parts, {sum(len(part['rows']) for part in parts)} rows")
    asks = (load.request("GET", f"/v1/customers/{chance.choice(ids)}/overview", suite.token) for _ in itertools.count())
    spent, who = cost(suite, asks)
    say(f"{spent:.2f} ms CPU: the overview of a customer ({who})")
    for _ in range(ROUNDS):
        result = load.run(suite.http, asks, connections=8, seconds=SECONDS, rate=RATE)
        assert not result.refused, result.refused[0]
        say(f"p50 {result.percentile(50):.1f} ms, p95 {result.percentile(95):.1f} ms at {RATE} requests/s, target 100")
