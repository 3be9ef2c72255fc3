"""Many rows in one statement: each column travels as one array, so a batch costs one round trip for each table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Table
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

Row = Mapping[str, Any]

_DIALECT = PGDialect_psycopg()


def upsert(connection: Connection, table: Table, rows: Sequence[Row], *, earliest: str = "") -> set[str]:
    """Insert or replace rows with an `id`, never by an older version: the ids of those that were stored.

    The column named by `earliest` keeps its smallest value whichever version brought it.
    """
    if not rows:
        return set()
    if earliest:
        connection.exec_driver_sql(_keep_earliest(table, earliest), _arrays(table, rows))
    return set(connection.exec_driver_sql(_upsert(table, earliest), _arrays(table, rows)).scalars())


def replace(connection: Connection, table: Table, parent: str, parents: Collection[str], rows: Sequence[Row]) -> None:
    """Put rows in place of all rows of these parents."""
    if not parents:
        return
    remove = f'DELETE FROM "{table.name}" WHERE {parent} = ANY(%(parents)s::uuid[])'  # noqa: S608
    connection.exec_driver_sql(remove, {"parents": list(parents)})
    if rows:
        connection.exec_driver_sql(_insert(table), _arrays(table, rows))


@cache
def _insert(table: Table) -> str:
    names = ", ".join(f'"{c.name}"' for c in table.c)
    arrays = ", ".join(f"%({c.name})s::{_type(c)}[]" for c in table.c)
    return f'INSERT INTO "{table.name}" AS kept ({names}) SELECT * FROM unnest({arrays})'  # noqa: S608


@cache
def _upsert(table: Table, earliest: str) -> str:
    keys = [c.name for c in table.primary_key]
    new = {c.name: f'excluded."{c.name}"' for c in table.c if c.name not in keys}
    if earliest:
        new[earliest] = f'least(kept."{earliest}", excluded."{earliest}")'
    changes = ", ".join(f'"{name}" = {value}' for name, value in new.items())
    return (
        f"{_insert(table)} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"
        f" WHERE kept.version < excluded.version RETURNING kept.{keys[0]}"
    )


@cache
def _keep_earliest(table: Table, column: str) -> str:
    """For the rows that the version guard will turn away."""
    return (
        f'UPDATE "{table.name}" AS kept SET "{column}" = new.value'  # noqa: S608
        f" FROM unnest(%(id)s::uuid[], %(version)s::integer[], %({column})s::{_type(table.c[column])}[])"
        " AS new (id, version, value)"
        f" WHERE kept.id = new.id AND new.version <= kept.version"
        f" AND new.value < coalesce(kept.\"{column}\", 'infinity')"
    )


@cache
def _type(column: Column[Any]) -> str:
    return column.type.compile(dialect=_DIALECT)


def _arrays(table: Table, rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {c.name: [row[c.name] for row in rows] for c in table.c}
