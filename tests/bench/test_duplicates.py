"""CUS-05: recall, precision and time of the duplicate check over many companies with real short names.

`CRM_COMPANY_NAMES` names a file with a short name of a company in each line; `CRM_COMPANIES` says how many companies
are made of them (100,000), `CRM_ASKED` how many are asked for in each variant (300).
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crm_kit import ids
from crm_kit.testing import Client, Server, running
from customer.app import SERVICE
from customer.duplicates import keeping
from customer.duplicates.testing import OTHERS, VARIANTS, Company, Maker, Tally

FILE = os.environ.get("CRM_COMPANY_NAMES", "")
COMPANIES, ASKED = int(os.environ.get("CRM_COMPANIES", "100000")), int(os.environ.get("CRM_ASKED", "300"))

pytestmark = [
    pytest.mark.bench,
    pytest.mark.feature("CUS-05"),
    pytest.mark.skipif(not FILE, reason="CRM_COMPANY_NAMES names no file with short names of companies"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(SERVICE, name="duplicates_bench") as server:
        yield server


def companies(maker: Maker) -> list[Company]:
    """As many as are asked for; of more than there are names, several in different places have the same."""
    lines = [n for n in Path(FILE).read_text().split() if 2 <= len(n) <= 8]
    maker.learn(lines)
    cores = [maker.chance.choice(lines) if i >= len(lines) else lines[i] for i in maker.chance.sample(
        range(max(COMPANIES, len(lines))), COMPANIES)]  # fmt: skip
    return [maker.company(core) for core in cores]


def load(server: Server, made: Sequence[Company]) -> dict[Company, str]:
    """Copied into the tables, as an import would have left them; the index is made at the end."""
    now, columns = datetime.now(UTC), tuple(keeping.of("customer", _row("", "")))
    found = {}
    with server.service.writer.connect() as connection:
        raw: Any = connection.connection.driver_connection
        raw.execute("SET LOCAL statement_timeout = 0")
        (index,) = raw.execute("SELECT pg_get_indexdef('ix_likeness_keys'::regclass)").fetchone()
        raw.execute("DROP INDEX ix_likeness_keys")
        with raw.cursor() as cursor:
            rows = [(ids.uuid7(), c.name) for c in made]
            with cursor.copy("COPY customer (id, number, name, kind, create_time, update_time) FROM STDIN") as copy:
                for i, (record_id, name) in enumerate(rows):
                    copy.write_row((record_id, f"B{i}", name, "organization", now, now))
            with cursor.copy(f"COPY likeness ({', '.join(columns)}) FROM STDIN") as copy:
                for record_id, name in rows:
                    copy.write_row(tuple(keeping.of("customer", _row(record_id, name)).values()))
        raw.execute(index)
        raw.commit()
        found = {c: record_id for c, (record_id, _) in zip(made, rows, strict=True)}
    server.sql("ANALYZE likeness")
    return found


def _row(record_id: str, name: str) -> dict[str, Any]:
    return {"id": record_id, "name": name, "short_name": None, "kind": "organization", "website": None}


def ask(client: Client, name: str, took: list[float]) -> list[tuple[str, str]]:
    started = time.perf_counter()
    answer = client.CheckDuplicates(name=name)
    took.append((time.perf_counter() - started) * 1000)
    return [(c.id, c.match) for c in answer.candidates]


def test_recall_precision_and_time_of_the_check(server: Server, say: Callable[[str], None]) -> None:
    maker = Maker(random.Random(11))
    made = companies(maker)
    started = time.perf_counter()
    known = load(server, made)
    say(f"{len(made):,} companies of {len({c.core for c in made}):,} short names, loaded in "
        f"{time.perf_counter() - started:.0f} s")  # fmt: skip
    (size,) = server.sql("SELECT pg_size_pretty(pg_total_relation_size('likeness'))")[0]
    say(f"the table that they are compared by, with its indexes: {size}")
    boss = server.person(name="总经理")
    same = {c.name: i for c, i in known.items()}
    for company in made[:: max(1, COMPANIES // 1000)]:  # statements and pages that are read for the first time
        ask(boss, company.name, [])
    every: list[float] = []
    say("| variant | asked | first | same or likely | told | wrong claims | precision | p50 ms | p95 ms |")
    for kind, write in (*VARIANTS.items(), *OTHERS.items()):
        tally, took = Tally(), []
        for company in maker.chance.sample(made, ASKED):
            name = write(maker, company)
            if name is None or (kind != "as it is" and name in same):
                continue
            tally.add(same[company.name] if kind in VARIANTS else "", ask(boss, name, took))
        every += took
        shares = " | ".join(f"{n / max(tally.asked, 1):.1%}" for n in (tally.first, tally.likely, tally.told))
        wrong = tally.claimed - tally.true
        say(f"| {kind} | {tally.asked} | {shares} | {wrong} | {tally.precision:.1%} | {_times(took)} |")
    say(f"all {len(every):,} questions: p50 | p95 ms {_times(every)}, largest {max(every):.0f}")


def _times(took: Sequence[float]) -> str:
    return f"{statistics.median(took):.1f} | {statistics.quantiles(took, n=20)[-1]:.1f}"
