"""Statements compiled once to text and handed to psycopg: on the way of every request there is no compiler.

SQLAlchemy writes the SQL and owns the connection, the pool and the transaction; the statement itself runs on the
driver, whose rows are plain tuples. Describing 80 result columns anew for each row read cost more than the query.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql import ClauseElement

from crm_kit.db import driver

_DIALECT = PGDialect_psycopg()
KEPT: dict[Any, Any] = {}
"""What was compiled once for each combination of shapes, by a key that tells what it is for."""
_unchanged: dict[Any, tuple[Any, list[tuple[Any, ...]]]] = {}


class Prepared:
    """SQL text with named parameters, and the values of those that never change.

    Made of a statement it is compiled when it first runs: a service has hundreds, and most processes need few of them.
    """

    __slots__ = ("_fixed", "_sql", "_statement")

    def __init__(self, sql: str, fixed: dict[str, Any], statement: ClauseElement | None = None) -> None:
        self._sql, self._fixed, self._statement = sql, fixed, statement

    @property
    def sql(self) -> str:
        """The text."""
        if self._statement is not None:
            self._compile(self._statement)
        return self._sql

    def run(
        self, connection: Connection, parameters: dict[str, Any] | None = None, *, planned_anew: bool = False
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        """Execute with the parameters that change. `planned_anew` where it depends on their values how many rows there
        are: a plan that is kept is made for some average, and reads a million rows for a word that all have."""
        text = self.sql
        with driver(connection) as raw:
            return raw.execute(text, {**self._fixed, **(parameters or {})}, prepare=False if planned_anew else None)

    def run_many(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Execute once for each row, in one go."""
        text = self.sql
        with driver(connection) as raw:
            if len(rows) == 1:
                raw.execute(text, {**self._fixed, **rows[0]})
            else:
                raw.cursor().executemany(text, [{**self._fixed, **row} for row in rows])

    def _compile(self, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        processors = compiled._bind_processors
        fixed = {}
        for name, value in compiled.params.items():
            bind = compiled.binds[name]
            if bind.required:
                continue
            process = processors.get(name)
            fixed[name] = process(value) if callable(process) else value
        # Two threads may meet here and find the same; the statement goes last.
        self._sql, self._fixed = str(compiled), fixed
        self._statement = None


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


def prepare(statement: ClauseElement) -> Prepared:
    """A statement ready to run. Its literal values become fixed parameters, its `bindparam`s stay open."""
    return Prepared("", {}, statement)


def keep(key: Any, value: Any) -> Any:
    """Put what was compiled into `KEPT`, and hand it back."""
    if len(KEPT) > 4000:
        KEPT.clear()
    KEPT[key] = value
    return value
