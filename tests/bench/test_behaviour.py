"""CUS-24: how many events of behaviour are taken in a second, and what one costs, by gRPC and through the gateway."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import data
import grpc
import load
import pytest
from processes import cpu_by_name
from suite import Suite

from crm.customer.v1 import behaviour_pb2 as pb

EVENTS = 1000
"""Events of a batch."""
BATCHES = 40
ROUNDS = 3
CONNECTIONS = 3
KINDS = ("view", "view", "view", "click", "search", "buy")


def batches(customers: list[str], prefix: str) -> Iterator[list[dict[str, Any]]]:
    """Batches of events as a web shop has them: a fifth of customers who are signed in, the others of visitors."""
    chance, now = random.Random(prefix), datetime.now(UTC)
    for b in range(BATCHES):
        made = []
        for n in range(EVENTS):
            who = (
                {"customerId": chance.choice(customers)} if n % 5 == 0 else {"visitor": f"v-{chance.randrange(50_000)}"}
            )
            moment = now - timedelta(seconds=chance.randrange(86_400))
            made.append(
                {
                    "eventId": f"{prefix}-{b:04}-{n:04}",
                    "time": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "kind": chance.choice(KINDS),
                    "subject": f"/products/{chance.randrange(10_000)}",
                    "properties": {"category": "bearing", "device": "mobile"},
                    **who,
                }
            )
        yield made


def message(events: list[dict[str, Any]]) -> bytes:
    from google.protobuf.json_format import ParseDict

    return ParseDict({"source": "shop", "events": events}, pb.RecordBehaviourRequest()).SerializeToString()


def by_grpc(suite: Suite, sent: list[bytes]) -> int:
    """Send all of them over a few connections' worth of calls under way; how many were stored."""
    with grpc.insecure_channel(suite.addresses["customer"]) as channel:
        call = channel.unary_unary(
            "/crm.customer.v1.BehaviourService/RecordBehaviour",
            lambda ready: ready,
            pb.RecordBehaviourResponse.FromString,
        )
        metadata = (("authorization", f"Bearer {suite.token}"),)
        waiting: list[Any] = []
        stored = 0
        for one in sent:
            if len(waiting) == CONNECTIONS:
                stored += waiting.pop(0).result().stored
            waiting.append(call.future(one, metadata=metadata, timeout=60))
        return stored + sum(each.result().stored for each in waiting)


def by_http(suite: Suite, sent: list[bytes]) -> int:
    """The same through the gateway; all were taken if none was refused."""
    requests = [load.request("POST", "/v1/behaviour-events:bulkCreate", suite.token, body) for body in sent]
    result = load.run(suite.http, requests, connections=CONNECTIONS, seconds=600)
    assert not result.refused, result.refused[0]
    return sum(n for status, n in result.statuses.items() if status == 200) * EVENTS


WAYS: dict[str, tuple[Callable[[list[dict[str, Any]]], bytes], Callable[[Suite, list[bytes]], int]]] = {
    "gRPC": (message, by_grpc),
    "HTTP": (lambda events: json.dumps({"source": "shop", "events": events}).encode(), by_http),
}


@pytest.mark.bench
@pytest.mark.feature("CUS-24")
@pytest.mark.parametrize("way", WAYS)
def test_events_a_second(suite: Suite, say: Callable[[str], None], way: str) -> None:
    suite.sign_in()
    named = [{**data.customer(random.Random(n), n), "externalId": ""} for n in range(200)]
    customers = [suite.call("POST", "/v1/customers", one)["id"] for one in named]
    make, send = WAYS[way]
    rates, costs = [], []
    for turn in range(ROUNDS):
        sent = [make(events) for events in batches(customers, f"{way}-{turn}-{time.time_ns()}")]
        suite.settle()
        processes, postgres = suite.processes(), {p.pid: p.cpu() for p in suite.postgres()}
        before, began = cpu_by_name(processes), time.perf_counter()
        stored = send(suite, sent)
        took = time.perf_counter() - began
        suite.settle()  # what the clock does with them is part of their cost
        assert stored == BATCHES * EVENTS
        each = {name: (cpu - before[name]) / stored * 1e6 for name, cpu in cpu_by_name(processes).items()}
        # Those that were there all the time: workers of autovacuum come and go.
        spent = sum(p.cpu() - postgres[p.pid] for p in suite.postgres() if p.pid in postgres)
        rates.append(stored / took)
        costs.append((sum(each.values()), spent / stored * 1e6, each))
    cost, of_postgres, each = sorted(costs, key=lambda c: c[0])[ROUNDS // 2]
    who = ", ".join(f"{name} {us:.0f}" for name, us in each.items() if us >= 1)
    say(
        f"{median(rates):.0f} events/s by {way} ({', '.join(f'{r:.0f}' for r in rates)}), {cost:.0f} µs CPU an event of"
        f" our processes ({who}) and {of_postgres:.0f} of PostgreSQL; target 5000 events/s"
    )
