"""Statements compiled once to text and handed to psycopg: on the way of every request there is no compiler.

SQLAlchemy writes the SQL and owns the connection, the pool and the transaction; the statement itself runs on the
driver, whose rows are plain tuples. Describing 80 result columns anew for each row read cost more than the query.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql import ClauseElement

_DIALECT = PGDialect_psycopg()
_unchanged: dict[Any, tuple[Any, list[tuple[Any, ...]]]] = {}


@dataclass(frozen=True, slots=True)
class Prepared:
    """SQL text with named parameters, and the values of those that never change."""

    sql: str
    fixed: dict[str, Any]

    def run(self, connection: Connection, parameters: dict[str, Any] | None = None) -> psycopg.Cursor[tuple[Any, ...]]:
        """Execute with the parameters that change."""
        with driver(connection) as raw:
            return raw.execute(self.sql, {**self.fixed, **(parameters or {})})

    def run_many(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Execute once for each row, in one go."""
        with driver(connection) as raw:
            if len(rows) == 1:
                raw.execute(self.sql, {**self.fixed, **rows[0]})
            else:
                raw.cursor().executemany(self.sql, [{**self.fixed, **row} for row in rows])


def unchanged(connection: Connection, statement: Prepared, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement that reads much; those of the last time where nothing was committed since.

    Two equal snapshots see the same rows, and one that has passed never comes back. In a transaction of its own
    a statement may see what nobody else does: nothing is kept of that.
    """
    with driver(connection) as raw:
        if not raw.autocommit:
            return statement.run(connection, parameters).fetchall()
        snapshot = raw.execute("SELECT pg_current_snapshot()::text").fetchone()
    key = (str(connection.engine.url), statement.sql, repr(parameters))
    kept = _unchanged.get(key)
    if kept and kept[0] == snapshot:
        return kept[1]
    found = statement.run(connection, parameters).fetchall()
    if len(_unchanged) >= 500:
        _unchanged.clear()
    _unchanged[key] = (snapshot, found)
    return found


@contextmanager
def driver(connection: Connection) -> Iterator[psycopg.Connection[Any]]:
    """The driver's connection; the pool is told if it breaks, as it is of those it runs itself."""
    raw: Any = connection.connection.driver_connection
    try:
        yield raw
    except psycopg.Error:
        if raw.closed:
            connection.invalidate()
        raise


def prepare(statement: ClauseElement) -> Prepared:
    """Compile a statement. Its literal values become fixed parameters, its `bindparam`s stay open."""
    compiled: Any = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    processors = compiled._bind_processors
    fixed = {}
    for name, value in compiled.params.items():
        bind = compiled.binds[name]
        if bind.required:
            continue
        process = processors.get(name)
        fixed[name] = process(value) if callable(process) else value
    return Prepared(str(compiled), fixed)
