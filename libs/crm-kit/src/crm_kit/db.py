"""PostgreSQL: one pool for writes, one for reads that needs no transaction.

A read is one statement on an autocommit connection: one round trip instead of three. A write is one
transaction per RPC. Statements end with the caller's patience: `statement_timeout` is 10 s, and a write
waits at most 5 s for a lock.
"""

from __future__ import annotations

import select
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import psycopg
from psycopg import Connection as PsycopgConnection
from psycopg.adapt import Loader
from psycopg.types.json import set_json_dumps, set_json_loads
from sqlalchemy import ARRAY, ColumnElement, Connection, Engine, any_, create_engine, event, literal
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError

UNIQUE: dict[str, tuple[str, tuple[str, str]]] = {}
"""Unique index name → (field, (zh, en) label): how a taken value is told to the caller."""

set_json_loads(orjson.loads)
set_json_dumps(orjson.dumps)


class _TextLoader(Loader):
    """UUIDs stay text: they come from JSON and go to JSON."""

    def load(self, data: Any) -> str:
        return bytes(data).decode()


def engine(url: str, service: str, *, size: int, read_only: bool = False) -> Engine:
    """A pool of `size` connections; `read_only` ones run each statement on its own."""
    options = "-c statement_timeout=10000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000"
    if read_only:
        options += " -c default_transaction_read_only=on"
    made = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=size,
        max_overflow=2,
        pool_timeout=5,
        hide_parameters=True,
        isolation_level="AUTOCOMMIT" if read_only else "READ COMMITTED",
        pool_reset_on_return=None if read_only else "rollback",
        connect_args={"application_name": service, "connect_timeout": 3, "options": options},
    )
    event.listen(made, "connect", _prepare)
    event.listen(made, "checkout", _refuse_dead)
    return made


def apart(made: Engine, name: str) -> Engine:
    """The same database with a few connections of its own, for short transactions within others.

    From the pool in which those hold one each, a second one might not come: everybody would wait for everybody.
    """
    return engine(made.url.render_as_string(hide_password=False), name, size=1)


def _prepare(connection: PsycopgConnection[Any], _record: object) -> None:
    connection.adapters.register_loader("uuid", _TextLoader)


def _refuse_dead(connection: PsycopgConnection[Any], _record: object, _lent: object) -> None:
    """Have the pool connect anew where the server ended a connection that lay idle: it has said so, or hung up.

    One look at the socket, without asking the server. Otherwise each of them would cost somebody an error, however
    long the server has been back.
    """
    looked = select.poll()
    if not connection.closed:
        looked.register(connection.fileno(), select.POLLIN)
    if connection.closed or looked.poll(0):
        raise DisconnectionError("the server ended it")


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


def one_of(column: ColumnElement[Any], values: Collection[Any]) -> ColumnElement[bool]:
    """`column = ANY(array)`: one statement whatever the number of values, so it stays prepared."""
    return column == any_(literal(list(values), ARRAY(column.type)))
