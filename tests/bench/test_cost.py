"""P03, P04: what one request costs in CPU over all our processes, and how much the gateway adds to its time."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable, Iterable
from statistics import median
from urllib.parse import quote

import data
import grpc
import load
import pytest
from processes import cpu_by_name
from suite import Suite

from crm.customer.v1 import customers_pb2
from crm.records.v1.records_pb2 import GetRequest

SECONDS = 4.0
ROUNDS = 3


def cost(suite: Suite, requests: Iterable[bytes], connections: int = 2) -> tuple[float, str]:
    """Median CPU milliseconds a request of all our processes, and who took them in the last round."""
    load.run(suite.http, requests, connections=connections, seconds=1.0)
    found = []
    for _ in range(ROUNDS):
        suite.settle()
        processes, postgres = suite.processes(), suite.postgres()
        before, before_postgres = cpu_by_name(processes), {p.pid: p.cpu() for p in postgres}
        result = load.run(suite.http, requests, connections=connections, seconds=SECONDS)
        suite.settle()  # the events of a write are part of its cost
        after = cpu_by_name(processes)
        each = {name: (after[name] - before[name]) / len(result.milliseconds) * 1000 for name in after}
        # Autovacuum workers come and go: what counts are those that were there all the time.
        spent = sum(p.cpu() - before_postgres[p.pid] for p in suite.postgres() if p.pid in before_postgres)
        each["PostgreSQL"] = spent / len(result.milliseconds) * 1000
        assert not result.refused, result.refused[0]
        found.append((sum(ms for name, ms in each.items() if name != "PostgreSQL"), each))
    last = ", ".join(f"{name} {ms:.2f}" for name, ms in found[-1][1].items() if ms >= 0.01)
    return median(total for total, _ in found), last


def new_customer(number: int) -> bytes:
    made = data.customer(random.Random(number), number)
    del made["externalId"]
    return json.dumps(made).encode()


@pytest.mark.bench
@pytest.mark.figure("P03")
@pytest.mark.figure("P04")
def test_cpu_of_a_request(suite: Suite, filled: tuple[list[str], list[str]], say: Callable[[str], None]) -> None:
    suite.sign_in()
    customers, token = filled[0], suite.token
    chance = random.Random(1)
    floor, who = cost(suite, (load.request("GET", "/v1/auth/keys") for _ in itertools.count()))
    say(f"{floor:.2f} ms CPU: an empty RPC ({who})")
    reads = (load.request("GET", f"/v1/customers/{chance.choice(customers)}", token) for _ in itertools.count())
    read, who = cost(suite, reads)
    say(f"{read:.2f} ms CPU: read a customer, target 2.0 ({who})")
    pages = (
        load.request("GET", "/v1/customers?pageSize=20&filter=" + quote(f'level = "a" AND city = "{place}"'), token)
        for place in itertools.cycle(data.PLACES)
    )
    page, who = cost(suite, pages)
    say(f"{page:.2f} ms CPU: page of 20 with filter, target 3.5 ({who})")
    creates = (load.request("POST", "/v1/customers", token, new_customer(n)) for n in itertools.count())
    create, who = cost(suite, creates)
    say(f"{create:.2f} ms CPU: create a customer, target 5 ({who})")
    say(f"{read / floor:.2f} times the empty RPC: a read, target 2.5")


@pytest.mark.bench
@pytest.mark.figure("P03")
def test_time_that_the_gateway_adds(
    suite: Suite, filled: tuple[list[str], list[str]], say: Callable[[str], None]
) -> None:
    suite.sign_in()
    customers, token = filled[0], suite.token
    chance = random.Random(2)
    reads = (load.request("GET", f"/v1/customers/{chance.choice(customers)}", token) for _ in itertools.count())
    with grpc.insecure_channel(suite.addresses["customer"]) as channel:
        get = channel.unary_unary(
            "/crm.customer.v1.CustomerService/GetCustomer",
            GetRequest.SerializeToString,
            customers_pb2.Customer.FromString,
        )
        metadata = (("authorization", f"Bearer {token}"),)
        through, direct = [], []
        for _ in range(ROUNDS):
            through.append(load.run(suite.http, reads, seconds=SECONDS, rate=100).percentile(50))
            direct.append(median(_paced(lambda: get(GetRequest(id=chance.choice(customers)), metadata=metadata))))
    added = median(through) - median(direct)
    say(f"{median(through):.2f} ms p50 through the gateway at 100 requests/s, {median(direct):.2f} ms the RPC itself")
    say(f"{added:.2f} ms p50: the gateway adds, target 3")


def _paced(ask: Callable[[], object], rate: float = 100) -> list[float]:
    """Milliseconds of each call, sent when it is due."""
    start, took = time.perf_counter(), []
    for n in range(int(SECONDS * rate)):
        due = start + n / rate
        time.sleep(max(0.0, due - time.perf_counter()))
        ask()
        took.append((time.perf_counter() - due) * 1000)
    return took
