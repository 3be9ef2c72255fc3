"""Changing keys while everything runs: new ones are made, what the old ones sealed is sealed again, the old retire.

The work is done in small batches, each one transaction with the place it came to, by whichever process of the service
looks after it: one that is killed is followed by the next. Nobody waits for it: a row that somebody else holds is left
for the next round.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    SmallInteger,
    Table,
    Text,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from crm_kit import sealing
from crm_kit.sealing import DATA, INDEX, Keyring, data_key

metadata = MetaData()

key_round = Table(
    "key_round",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("data_key_id", SmallInteger, nullable=False),
    Column("index_key_id", SmallInteger, nullable=False),
    Column("position", Text),
)
"""How far each table came with the newest keys: JSON of its primary key; NULL when it is done."""

ROWS = 200
BUSY = 2.0
"""Seconds of work at a time, in a service that has other things to do."""
_ONE_WORKS = 0x43524D05

Tokens = Callable[[Keyring, Connection, dict[str, bytes]], list[str]]
"""Makes the blind index of a row from its values; `Table.info["tokens"]`. The column is called `blind_index`."""
Resealed = Callable[..., None]
"""Told (connection, key of the row, values) after a row was sealed again: `Table.info["resealed"]`, where something
beside the row is made of the index keys."""


@dataclass(frozen=True, slots=True)
class Use:
    """How many values of a table are under a key."""

    table: str
    key_id: int
    purpose: str
    values: int


def tables(metadata: Iterable[MetaData]) -> list[Table]:
    """Those that hold sealed values."""
    every = {t.name: t for one in metadata for t in one.tables.values()}
    return [t for _, t in sorted(every.items()) if _sealed(t)]


def begin(keys: Keyring, engine: Engine) -> None:
    """Make new keys. What is written from now on is sealed with them."""
    with engine.begin() as connection:
        keys.add(connection)
    with engine.connect() as connection:
        keys.load(connection)


def due(connection: Connection) -> bool:
    """Whether there are old keys that have not retired."""
    living = select(data_key.c.id).where(data_key.c.retired_time.is_(None))
    return len(connection.execute(living).all()) > 2


def go_on(keys: Keyring, engine: Engine, of: Sequence[Table], seconds: float = BUSY, rows: int = ROWS) -> bool:
    """Work for a while; whether the old keys have retired."""
    until = time.monotonic() + seconds
    while True:
        with engine.begin() as connection:
            if not due(connection):
                return True
            moved = _batch(keys, connection, of, rows)
        if not moved or time.monotonic() > until:
            return False


def uses(connection: Connection, of: Sequence[Table]) -> list[Use]:
    """How many values there are under each key, table by table."""
    found = []
    for table in of:
        for column in _sealed(table):
            key_id = _key_id(column)
            counted = select(key_id, func.count()).where(column.is_not(None)).group_by(key_id)
            found += [Use(f"{table.name}.{column.name}", k, DATA, n) for k, n in connection.execute(counted)]
        if "tokens" in table.info:
            every = select(func.unnest(table.c.blind_index).label("one")).subquery()
            under = func.split_part(every.c.one, ".", 1)
            counted = select(under, func.count()).group_by(under)
            found += [Use(f"{table.name}.blind_index", int(k), INDEX, n) for k, n in connection.execute(counted)]
    return found


def _batch(keys: Keyring, connection: Connection, of: Sequence[Table], rows: int) -> bool:
    """One step; False where there is nothing to do right now."""
    if not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _ONE_WORKS}):
        return False
    keys.load(connection)
    current = keys.current
    if not _everybody_knows(connection, current):
        return False
    known = {r.table_name: r for r in connection.execute(select(key_round)).all()}
    for table in of:
        at = known.get(table.name)
        fresh = at is None or (at.data_key_id, at.index_key_id) != current
        if not fresh and at is not None and at.position is None:
            continue
        position = [] if fresh or at is None else orjson.loads(at.position)
        last = _seal_again(keys, connection, table, position, rows, current)
        _remember(connection, table, current, last)
        return True
    left = {u.table.partition(".")[0] for u in uses(connection, of) if u.key_id not in current}
    if left:  # rows that somebody held, or wrote with the old key meanwhile
        connection.execute(delete(key_round).where(key_round.c.table_name.in_(left)))
        return False
    old = data_key.c.id.not_in(current) & data_key.c.retired_time.is_(None)
    connection.execute(update(data_key).where(old).values(retired_time=func.now()))
    return True


def _everybody_knows(connection: Connection, current: tuple[int, int]) -> bool:
    """Whether nobody can still be writing with an old key: every process has noticed, every transaction begun since."""
    newest = select(func.max(data_key.c.id)).where(data_key.c.purpose == INDEX, data_key.c.retired_time.is_(None))
    if connection.scalar(newest) != current[1]:
        return False
    known = sealing.SETTLED + sealing.KEPT
    return bool(
        connection.scalar(
            text(
                "SELECT max(create_time) + make_interval(secs => :known) < least(now(),"
                " (SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database()"
                " AND usename = current_user AND pid <> pg_backend_pid())) FROM data_key"
            ),
            {"known": known},
        )
    )


def _seal_again(
    keys: Keyring, connection: Connection, table: Table, position: list[Any], rows: int, current: tuple[int, int]
) -> list[Any] | None:
    """Bring the rows behind a position under the current keys; the last of them, None where there was none."""
    names = [c.name for c in table.primary_key.columns]
    query = select(*table.primary_key.columns, *_sealed(table)).order_by(*table.primary_key.columns).limit(rows)
    if position:
        behind = tuple_(*(bindparam(f"at_{n}", v, table.c[n].type) for n, v in zip(names, position, strict=True)))
        query = query.where(tuple_(*table.primary_key.columns) > behind)
    found = connection.execute(query.with_for_update(skip_locked=True, key_share=True)).mappings().all()
    changed = [new for row in found if (new := _again(keys, connection, table, row, current[0]))]
    if changed:
        written = [n.removeprefix("new_") for n in changed[0] if n.startswith("new_")]
        statement = update(table).values({n: bindparam(f"new_{n}", type_=table.c[n].type) for n in written})
        for n in names:
            statement = statement.where(table.c[n] == bindparam(f"at_{n}", type_=table.c[n].type))
        connection.execute(statement, changed)
    return [found[-1][n] for n in names] if found else None


def _again(keys: Keyring, connection: Connection, table: Table, row: Any, data_key_id: int) -> dict[str, Any] | None:
    """The parameters that bring a row under the current keys; None where nothing in it is sealed."""
    row_key = {c.name: row[c.name] for c in table.primary_key.columns}
    new: dict[str, Any] = {}
    plain: dict[str, bytes] = {}
    for column in _sealed(table):
        name, sealed = column.name, row[column.name]
        if sealed is not None:
            place = sealing.place(table.name, name, *row_key.values())
            plain[name] = keys.open(connection, place, sealed)
            if sealing.key_of(sealed) != data_key_id:
                sealed = keys.seal(connection, place, plain[name])
        new[f"new_{name}"] = sealed
    if not plain:
        return None
    if "tokens" in table.info:
        new["new_blind_index"] = table.info["tokens"](keys, connection, plain)
    if "resealed" in table.info:
        table.info["resealed"](connection, *row_key.values(), plain)
    return new | {f"at_{n}": value for n, value in row_key.items()}


def _remember(connection: Connection, table: Table, current: tuple[int, int], position: list[Any] | None) -> None:
    at = None if position is None else orjson.dumps(position).decode()
    row = {"table_name": table.name, "data_key_id": current[0], "index_key_id": current[1], "position": at}
    statement = insert(key_round).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=["table_name"], set_=row))


def _sealed(table: Table) -> list[Column[Any]]:
    return [c for c in table.columns if c.info.get("sealed")]


def _key_id(column: Column[Any]) -> Any:
    """The data key of a sealed value, read out of its head."""
    name = f'"{column.table.name}"."{column.name}"'
    return literal_column(f"get_byte({name}, 1) * 256 + get_byte({name}, 2)")
