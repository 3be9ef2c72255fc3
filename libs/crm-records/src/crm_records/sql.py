"""Statements compiled once to text and run with parameters: on the way of every request there is no compiler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, CursorResult
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql import ClauseElement

_DIALECT = PGDialect_psycopg()


@dataclass(frozen=True, slots=True)
class Prepared:
    """SQL text with named parameters, and the values of those that never change."""

    sql: str
    fixed: dict[str, Any]

    def run(self, connection: Connection, parameters: dict[str, Any] | None = None) -> CursorResult[Any]:
        """Execute with the parameters that change."""
        return connection.exec_driver_sql(self.sql, {**self.fixed, **(parameters or {})})


def prepare(statement: ClauseElement) -> Prepared:
    """Compile a statement. Its literal values become fixed parameters, its `bindparam`s stay open."""
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    processors = compiled._bind_processors  # type: ignore[attr-defined]
    fixed = {}
    for name, value in compiled.params.items():
        bind = compiled.binds[name]
        if bind.required:
            continue
        process = processors.get(name)
        fixed[name] = process(value) if callable(process) else value
    return Prepared(str(compiled), fixed)
