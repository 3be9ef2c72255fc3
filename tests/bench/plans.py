"""How PostgreSQL answers what a service asks of it: each statement of a read, with its plan and what it cost.

The read runs in this process on the suite's database, in the name of a person, so that statements and values are those
of the service.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from sqlalchemy import Connection

from crm_kit import db, sealing
from crm_kit.caller import Caller
from crm_kit.caller import read as metadata
from crm_kit.organisation_reader import Organisation
from crm_kit.rpc import Call
from crm_records import sql

MANY = 5_000
"""Rows that a page may look at before it is worth a word."""


@dataclass(slots=True)
class Plan:
    """One statement: which indexes serve it, what it read, what is wrong with it."""

    milliseconds: float = 0.0
    pages: int = 0
    indexes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    text: str = ""

    def look(self, node: dict[str, Any]) -> None:
        kind, loops = node["Node Type"], node["Actual Loops"]
        looked = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * loops
        looked += node.get("Rows Removed by Index Recheck", 0) * loops
        if "Index Name" in node and node["Index Name"] not in self.indexes:
            self.indexes.append(node["Index Name"])
        if kind == "Seq Scan" and looked > 1000:
            self.findings.append(f"sequential scan of {node['Relation Name']}, {looked:,.0f} rows")
        elif "Scan" in kind and looked > MANY:
            self.findings.append(f"{kind} {node.get('Index Name', '')} {looked:,.0f} rows")
        elif kind == "Sort" and node["Plans"][0]["Actual Rows"] * loops > MANY:
            self.findings.append(f"sort of {node['Plans'][0]['Actual Rows'] * loops:,.0f} rows")
        for below in node.get("Plans", ()):
            self.look(below)


class Reader:
    """A service's database, read in the name of people."""

    def __init__(self, url: str, service: str, keys: Any) -> None:
        self._engine = db.engine(url, service, size=1, read_only=True)
        sealing.connect(self._engine, keys)
        self._organisation, self._service, self._url = Organisation(self._engine), service, url

    @contextmanager
    def call(self, user_id: str, right: str) -> Iterator[Call]:
        caller = Caller(self._organisation.person(user_id))
        caller.right = right
        with self._engine.connect() as connection:
            yield Call(connection, caller, metadata({}), self._service)

    def plans(self, user_id: str, right: str, read: Callable[[Call], object], generic: bool = False) -> list[Plan]:
        """The plans of all statements of a read."""
        asked: list[tuple[str, dict[str, Any]]] = []
        with self.call(user_id, right) as call, _noted(asked):
            read(call)
        with psycopg.connect(self._url, autocommit=True) as connection:
            if generic:
                connection.execute("SET plan_cache_mode = force_generic_plan")
            return [_explained(connection, *one, generic=generic) for one in asked]


@contextmanager
def _noted(asked: list[tuple[str, dict[str, Any]]]) -> Iterator[None]:
    run = sql.Prepared.run

    def noted(self: sql.Prepared, connection: Connection, parameters: dict[str, Any] | None = None, **how: Any) -> Any:
        answer = run(self, connection, parameters, **how)
        asked.append((self.sql, {**self._fixed, **(parameters or {})}))
        return answer

    sql.Prepared.run = noted
    try:
        yield
    finally:
        sql.Prepared.run = run


def _explained(connection: psycopg.Connection[Any], text: str, values: dict[str, Any], *, generic: bool) -> Plan:
    ask = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + text
    found = connection.execute(ask, values, prepare=generic).fetchone()
    assert found is not None
    said = found[0] if isinstance(found[0], list) else json.loads(found[0])
    plan = Plan(said[0]["Execution Time"], text=text)
    plan.pages = said[0]["Plan"]["Shared Hit Blocks"] + said[0]["Plan"]["Shared Read Blocks"]
    plan.look(said[0]["Plan"])
    return plan
