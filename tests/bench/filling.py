"""A company with as many customers as one asks for, put into the databases directly: COPY, then indexes, then ANALYZE.

The copies that other services keep are there, too. What no list reads is left out: change log, audit trail, events,
read models of reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import made
import psycopg
from made import Names, Place, Sealer
from suite import Suite

from crm_cli.folder import Folder
from crm_cli.settings import SERVICES as INSTALLED
from crm_cli.settings import Settings
from crm_cli.topology import Topology
from crm_kit import db, sealing

PIECE = 5000
"""Customers that a process makes at a time."""
ID_SQL = """
CREATE OR REPLACE FUNCTION pg_temp.made(kind int, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
SELECT (substr(h, 1, 8) || '-' || substr(h, 9) || '-7' || lpad(to_hex(kind), 3, '0') || '-8000-' ||
        lpad(to_hex(n), 12, '0'))::uuid FROM (SELECT lpad(to_hex(1649267441664 + n), 12, '0') AS h) AS first $$
"""


def place_of(suite: Suite) -> tuple[dict[str, str], Path]:
    """The address of each service's database, and the key file."""
    settings = Settings.read(suite.environment)
    topology = Topology(settings, Folder(settings.data))
    return {s.package: topology.database_url(s) for s in INSTALLED}, settings.key_file


def grow(place: Place, old: int, new: int, derive: Callable[[Place, int, int], None]) -> None:
    """From so many customers to so many, with three contacts and interactions and one opportunity to each."""
    kept = {name: _without_indexes(place.urls[name]) for name in ("customer", "sales")}
    pieces = [(place, a, min(a + PIECE, new)) for a in range(old, new, PIECE)]
    apart = get_context("spawn")  # what gRPC and OpenSSL hold does not survive a fork
    try:
        with ProcessPoolExecutor(min(2, len(pieces)), apart, _take, (made.names(),)) as pool:
            for _ in pool.map(_piece, pieces):
                pass
        derive(place, old, new)
    finally:
        for name, indexes in kept.items():
            with psycopg.connect(place.urls[name], autocommit=True) as connection:
                connection.execute("SET maintenance_work_mem = '1GB'")
                connection.execute("SET max_parallel_maintenance_workers = 2")
                for statement in indexes:
                    connection.execute(statement)
    _look_at(place.urls[name] for name in ("customer", "sales", "service_desk", "workspace"))


def look_at_all(suite: Suite) -> None:
    """What PostgreSQL does by itself a minute after many rows came."""
    _look_at(place_of(suite)[0].values())


def _look_at(urls: Iterable[str]) -> None:
    for url in urls:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")


FILLED = {
    "customer": ("customer", "likeness", "contact", "interaction", "demand", "happening", "customer_usage",
                 "customer_opportunity", "alert"),
    "sales": ("opportunity",),
}  # fmt: skip


def _without_indexes(url: str) -> list[str]:
    """How to make them again: an index that is there makes each row ten times as dear."""
    name = "sales" if url.endswith("/sales") else "customer"
    query = (
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i"
        " WHERE NOT i.indisunique AND i.indrelid = ANY(%s::text[]::regclass[])"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(query, [list(FILLED[name])]).fetchall()
        for index, _ in found:
            connection.execute(f"DROP INDEX {index}")
    return [statement for _, statement in found]


def _take(known: Names) -> None:
    Names.kept = known


def _piece(what: tuple[Place, int, int]) -> None:
    place, first, last = what
    known = made.names()
    engine = db.engine(place.urls["customer"], "bench", size=1, read_only=True)
    keys = sealing.connect(engine, place.keys)
    with (
        engine.connect() as connection,
        psycopg.connect(place.urls["customer"]) as customers,
        psycopg.connect(place.urls["sales"]) as sales,
    ):
        sealer = Sealer(keys, connection)
        rows = [made.customer_row(place, known, sealer, n) for n in range(first, last)]
        _copy(customers, "customer", (row for row, _ in rows))
        _copy(customers, "likeness", (row for _, row in rows))
        people = (made.contact_row(known, sealer, place, n, i) for n in range(first, last) for i in range(3))
        _copy(customers, "contact", people)
        _copy(sales, "opportunity", (made.opportunity_row(place, known, n) for n in range(first, last)))
    engine.dispose()


def _copy(connection: Any, table: str, rows: Iterable[dict[str, Any]]) -> None:
    """Rows with the same columns, as the text that COPY reads."""
    source: Iterator[dict[str, Any]] = iter(rows)
    first = next(source)
    columns = ", ".join(f'"{name}"' for name in first)
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        copy.write(_line(first))
        for row in source:
            copy.write(_line(row))


def _line(row: dict[str, Any]) -> str:
    return "\t".join([_text(value) for value in row.values()]) + "\n"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace("\n", "\\n")
    if value is None:
        return "\\N"
    if isinstance(value, list):
        return '{"' + '","'.join(value) + '"}' if value else "{}"
    return str(value)
