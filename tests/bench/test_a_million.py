"""P05: what each kind of page takes and costs at 10,000, 100,000 and 1,000,000 customers.

`CRM_CUSTOMERS` names other sizes, "10000,100000" for a quick try. The mix of pages comes at 20 requests/s for
`CRM_MIXED_SECONDS` (90), signed in as somebody who sees all, then as somebody who sees the own department, one of a
hundred, and a pool. 1,000,000 take about 20 GB of disk while they are there.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from statistics import median, quantiles
from typing import Any

import derived
import filling
import load
import pages
import psycopg
import pytest
from made import CUSTOMER, USERS, Place, identifier
from processes import Process
from suite import Suite

from crm_records import search
from customer import pinyin
from customer.customers import CUSTOMERS
from customer.duplicates import keeping

SIZES = [int(n) for n in os.environ.get("CRM_CUSTOMERS", "10000,100000,1000000").split(",")]
SECONDS = float(os.environ.get("CRM_MIXED_SECONDS", "90"))
RATE, ALONE = 20, 40
"""Requests a second of the mix; requests of a kind that are sent alone to measure CPU."""

pytestmark = [
    pytest.mark.bench,
    pytest.mark.figure("P05"),
    pytest.mark.feature("CUS-06"),
    pytest.mark.feature("CUS-15"),
]


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Suite, Place]]:
    suite = Suite()
    try:
        suite.sign_in()
        suite.settle()
        there = derived.settle_in(suite)
        suite.settle()
        yield suite, there
    finally:
        suite.stop()


def test_pages_of_a_million(place: tuple[Suite, Place], say: Callable[[str], None]) -> None:
    suite, made = place
    for old, new in zip([0, *SIZES], SIZES, strict=False):
        started = time.perf_counter()
        filling.grow(made, old, new, derived.derive)
        size = _size(made)
        say(f"{new:,} customers filled in {time.perf_counter() - started:.0f} s, {size}, load {os.getloadavg()[0]:.1f}")
        _same_as_derived(made, new)
        suite.settle()
        for who, mine in (("bench", range(new)), ("seller", [n for n in range(new) if n * 7 % USERS < 10])):
            token = suite.login(who)
            kinds = pages.kinds(suite, token, made, new, mine)
            costs = {name: _alone(suite, token, ask) for name, ask in kinds.items()}
            times = _mixed(suite, suite.login(who), kinds)
            say(f"| {who}, {new:,} | p50 ms | p95 ms | CPU ms | PostgreSQL ms | load {os.getloadavg()[0]:.1f}")
            for name, (own, database) in costs.items():
                took = times[name]
                p95 = quantiles(took, n=20)[-1]
                say(f"| {name} | {median(took):.1f} | {p95:.1f} | {own:.1f} | {database:.1f} |")


def _size(made: Place) -> str:
    with psycopg.connect(made.urls["customer"]) as connection:
        query = "SELECT pg_size_pretty(sum(pg_total_relation_size(oid))) FROM pg_class WHERE relname = ANY(%s)"
        row = connection.execute(query, [["customer", "contact", "interaction", "likeness"]]).fetchone()
    assert row is not None
    return f"{row[0]} of customers, contacts, interactions, likeness"


def _same_as_derived(made: Place, count: int) -> None:
    """Some rows are compared with what the product derives of them."""
    chance = random.Random(count)
    with psycopg.connect(made.urls["customer"]) as connection:
        for n in (chance.randrange(count) for _ in range(50)):
            record_id = identifier(CUSTOMER, n)
            cursor = connection.execute("SELECT * FROM customer WHERE id = %s", [record_id])
            assert cursor.description is not None
            row: dict[str, Any] = dict(zip([c.name for c in cursor.description], cursor.fetchone() or (), strict=True))
            assert (row["pinyin"], row["pinyin_initials"]) == pinyin.of(row["name"])
            texts = "SELECT search_text FROM contact WHERE customer_id = %s ORDER BY id"
            theirs = [line for (text,) in connection.execute(texts, [record_id]) for line in text.split("\n")]
            own = CUSTOMERS.search_texts(None, row, None)
            text, grams = search.keys([*own, *theirs])
            assert (row["search_text"], sorted(row["search_grams"])) == (text, sorted(grams))
            kept = connection.execute("SELECT keys FROM likeness WHERE record_id = %s", [record_id]).fetchone()
            assert kept == (keeping.of("customer", row)["keys"],)


def _alone(suite: Suite, token: str, ask: pages.Ask) -> tuple[float, float]:
    """CPU milliseconds a request over all our processes, and those of PostgreSQL, one request after the other."""
    requests = [load.request("GET", ask(), token) for _ in range(ALONE)]
    load.run(suite.http, requests[:5], connections=1, seconds=60)
    ours, database = suite.processes(), suite.postgres()
    before = _cpu(ours), _cpu(database)
    result = load.run(suite.http, requests, connections=1, seconds=60)
    assert not result.refused, result.refused[0]
    after = _cpu(ours), _cpu(database)
    return tuple(
        sum(now - then[pid] for pid, now in later.items() if pid in then) / len(result.milliseconds) * 1000
        for then, later in zip(before, after, strict=True)
    )


def _cpu(processes: list[Process]) -> dict[int, float]:
    """Seconds of those that still run: workers of autovacuum come and go."""
    found = {}
    for process in processes:
        with suppress(FileNotFoundError):
            found[process.pid] = process.cpu()
    return found


def _mixed(suite: Suite, token: str, kinds: dict[str, pages.Ask]) -> dict[str, list[float]]:
    """Milliseconds of each kind, all of them in turn at a fixed rate, counted from when a request was due."""
    names = list(kinds)
    asks = (load.request("GET", kinds[name](), token) for name in itertools.cycle(names))
    result = load.run(suite.http, asks, connections=8, seconds=SECONDS, rate=RATE)
    assert not result.refused, result.refused[0]
    found: dict[str, list[float]] = {name: [] for name in names}
    for number, took in zip(result.numbers, result.milliseconds, strict=True):
        found[names[number % len(names)]].append(took)
    return found
