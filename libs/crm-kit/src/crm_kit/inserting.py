"""New rows of a table: one by a statement that stays prepared, several by COPY, at a fraction of the cost of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from crm_kit.db import driver

_DIALECT = PGDialect_psycopg()
_quote = _DIALECT.identifier_preparer.quote


class Insertion:
    """New rows that give these columns of a table; the others take their defaults."""

    __slots__ = ("_columns", "_copy", "_one")

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        into = f"{_quote(table.name)} ({', '.join(map(_quote, columns))})"
        places = ", ".join(f"%({n})s::{table.c[n].type.compile(dialect=_DIALECT)}" for n in columns)
        self._one = f"INSERT INTO {into} VALUES ({places})"  # noqa: S608
        self._copy = f"COPY {into} FROM STDIN"

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, their values as the driver takes them."""
        with self.going_on(connection, rows):
            pass

    @contextmanager
    def going_on(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> Iterator[None]:
        """The same; what is done inside is done while the database still takes them, so nothing there may ask it."""
        with driver(connection) as raw:
            if len(rows) < 2:
                if rows:
                    raw.execute(self._one, rows[0])
                yield
                return
            with raw.cursor() as cursor, cursor.copy(self._copy) as copy:
                for row in rows:
                    copy.write_row([row[n] for n in self._columns])
                yield
