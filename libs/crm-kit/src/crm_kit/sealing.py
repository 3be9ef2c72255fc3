"""Values that the database holds encrypted, and how they are found again.

A value is sealed with a data key (AES-256-GCM) under the name of its place, "table.column.row": moved to another
place it does not open. The blind index of a value is a keyed hash of it, so that equal values are found without being
read. Data and index keys lie in the database, wrapped by a master key, which lies in the key file outside.

Sealed: version (1 byte), data key (2 bytes), nonce (12 bytes), ciphertext with its tag (16 bytes).
Blind index: "<index key>.<128 bits of HMAC-SHA256, base64>".
"""

from __future__ import annotations

import base64
import hmac
import logging
import os
import struct
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    URL,
    Column,
    Connection,
    DateTime,
    Engine,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import OperationalError, ProgrammingError

from crm_kit import key_file
from crm_kit.settings import SettingsError

log = logging.getLogger("sealing")

metadata = MetaData()

data_key = Table(
    "data_key",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("purpose", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("master_key_id", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("retired_time", DateTime(timezone=True)),
)
"""Purpose is DATA or INDEX. Nothing is sealed with a retired one any more; it still opens."""

DATA, INDEX = "data", "index"
SEALED = {"sealed": True}
"""`info` of a column that holds sealed values; NULL is not sealed."""
KEPT = 2.0
"""Seconds until a process notices a new key; one that it meets in a value, at once."""
SETTLED = 5.0
"""Seconds until a new index key is written with: by then every process also asks for it."""

SHORTEST = 31
"""Bytes of a sealed value at least."""

_HEAD = struct.Struct(">BH")
_VERSION = 1
_ONE_MAKES_THEM = 0x43524D04
_rings: dict[URL, Keyring] = {}
_found: WeakKeyDictionary[Engine, Keyring] = WeakKeyDictionary()
"""The same by engine: to compare addresses is to write them out, 16 µs for each row that is read."""


class Unreadable(Exception):
    """A sealed value does not open: it was moved, changed, or its key is not here."""


class Keyring:
    """The keys of one service's database in this process."""

    def __init__(self, engine: Engine, file: Path) -> None:
        self._engine, self.file = engine, file
        self._loading = threading.Lock()
        self._data: dict[int, AESGCM] = {}
        self._index: dict[int, bytes] = {}
        self._until = 0.0
        self._data_key = self._index_key = 0
        self._asked: tuple[int, ...] = ()

    def seal(self, connection: Connection, place: str, plain: bytes) -> bytes:
        """Encrypt a value for its place."""
        self._fresh(connection)
        nonce = os.urandom(12)
        head = _HEAD.pack(_VERSION, self._data_key)
        return head + nonce + self._data[self._data_key].encrypt(nonce, plain, place.encode())

    def open(self, connection: Connection, place: str, sealed: bytes) -> bytes:
        """The value again. Raises `Unreadable`."""
        if len(sealed) < SHORTEST or sealed[0] != _VERSION:
            raise Unreadable(f"{place} holds no sealed value")
        key = self._data.get(sealed[1] << 8 | sealed[2]) or self._found(connection, place, key_of(sealed))
        try:
            return key.decrypt(sealed[3:15], sealed[15:], place.encode())
        except InvalidTag:
            raise Unreadable(f"{place} does not open: it was changed, or sealed for another place") from None

    def _found(self, connection: Connection, place: str, key_id: int) -> AESGCM:
        """A data key that this process does not know yet."""
        self.load(connection)
        if key_id not in self._data:
            raise Unreadable(f"{place} is sealed with data key {key_id}, which is not there")
        return self._data[key_id]

    def tokens(self, connection: Connection, values: Iterable[tuple[str, str]]) -> list[str]:
        """The blind index of (field, normal value), to be stored."""
        self._fresh(connection)
        return sorted({self._token(self._index_key, field, value) for field, value in values})

    def sought(self, connection: Connection, values: Iterable[tuple[str, str]]) -> list[str]:
        """What the same may be stored as under any key that is not retired, to be searched for."""
        self._fresh(connection)
        return sorted({self._token(i, field, value) for field, value in values for i in self._asked})

    @property
    def current(self) -> tuple[int, int]:
        """(data key, index key) that is written with, as of the last `load`."""
        return self._data_key, self._index_key

    def check(self) -> None:
        """Refuse to start where the keys cannot be had; makes the first ones in a new database."""
        if self.file.exists():
            key_file.read(self.file)
        try:
            with self._engine.connect() as connection:
                self.load(connection)
            if not self._data_key:
                self.ensure()
        except ProgrammingError:
            raise SettingsError("the database is not of this release; run `migrate` first") from None
        except OperationalError:
            log.warning("the database is away: the keys are looked at when it is back")

    def ensure(self, connection: Connection | None = None) -> None:
        """Make the first keys unless there are some; in a transaction of its own, or in the one given."""
        if connection is None:
            with self._engine.begin() as own:
                self.ensure(own)
            return
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_MAKES_THEM})
        if not self._rows(connection):
            key_file.make(self.file)
            self.add(connection)
        self.load(connection)

    def add(self, connection: Connection) -> None:
        """A new data key and a new index key: what is written from now on is written with them."""
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_MAKES_THEM})
        masters = key_file.read(self.file)
        master = next(iter(masters))
        last = connection.scalar(select(func.coalesce(func.max(data_key.c.id), 0))) or 0
        for key_id, purpose in ((last + 1, DATA), (last + 2, INDEX)):
            wrapped = _wrap(masters[master], key_id, purpose, os.urandom(32))
            row = {"id": key_id, "purpose": purpose, "wrapped": wrapped, "master_key_id": master}
            connection.execute(insert(data_key).values(row))

    def rewrap(self, connection: Connection) -> int:
        """Wrap every key with the newest master key; how many were wrapped with another. The keys stay as they are."""
        masters = key_file.read(self.file)
        master = next(iter(masters))
        rows = [r for r in self._rows(connection) if r.master_key_id != master]
        for row in rows:
            key = self._unwrap(masters, row.id, row.purpose, bytes(row.wrapped), row.master_key_id)
            wrapped = _wrap(masters[master], row.id, row.purpose, key)
            changed = update(data_key).where(data_key.c.id == row.id)
            connection.execute(changed.values(wrapped=wrapped, master_key_id=master))
        return len(rows)

    def load(self, connection: Connection) -> None:
        """Read the keys, and unwrap those that are new."""
        with self._loading:
            rows = self._rows(connection)
            new = [r for r in rows if r.id not in self._data and r.id not in self._index]
            masters = key_file.read(self.file) if new else {}
            for row in new:
                key = self._unwrap(masters, row.id, row.purpose, bytes(row.wrapped), row.master_key_id)
                if row.purpose == DATA:
                    self._data[row.id] = AESGCM(key)
                else:
                    self._index[row.id] = key
            living = [r for r in rows if r.retired_time is None]
            asked = [r for r in living if r.purpose == INDEX]
            settled = [r.id for r in asked if r.age >= SETTLED] or [r.id for r in asked[:1]]
            self._data_key = max((r.id for r in living if r.purpose == DATA), default=0)
            self._index_key = max(settled, default=0)
            self._asked = tuple(r.id for r in asked)
            self._until = time.monotonic() + KEPT if living else 0.0

    def _fresh(self, connection: Connection) -> None:
        if self._until < time.monotonic():
            self.load(connection)
            if not self._data_key:
                self.ensure()

    def _token(self, key_id: int, field: str, value: str) -> str:
        digest = hmac.digest(self._index[key_id], f"{field}\0{value}".encode(), "sha256")
        return f"{key_id}.{base64.b64encode(digest[:16])[:22].decode()}"

    def _rows(self, connection: Connection) -> Sequence[Any]:
        return connection.execute(_KEYS).all()

    def _unwrap(self, masters: key_file.Masters, key_id: int, purpose: str, wrapped: bytes, master: str) -> bytes:
        if master not in masters:
            raise SettingsError(
                f"KEY_FILE {self.file} does not hold the master key {master}, with which this database was encrypted; "
                "put the right key file there"
            )
        try:
            return AESGCM(masters[master]).decrypt(wrapped[:12], wrapped[12:], f"{key_id}.{purpose}".encode())
        except InvalidTag:
            raise SettingsError(f"the key {key_id} in data_key was changed: it does not open") from None


_KEYS = select(
    data_key.c.id,
    data_key.c.purpose,
    data_key.c.wrapped,
    data_key.c.master_key_id,
    data_key.c.retired_time,
    func.extract("epoch", func.clock_timestamp() - data_key.c.create_time).label("age"),
).order_by(data_key.c.id)


def connect(engine: Engine, file: Path) -> Keyring:
    """The keys of a database; `of` finds them by any connection to it."""
    _rings[engine.url] = ring = Keyring(engine, file)
    _found.clear()
    return ring


def of(connection: Connection) -> Keyring:
    """The keys of the database that a connection leads to."""
    found = _found.get(connection.engine)
    if found is None:
        found = _found[connection.engine] = _rings[connection.engine.url]
    return found


def place(table: str, column: str, *row: object) -> str:
    """The name of a place: a value that was sealed for it opens nowhere else."""
    return ".".join((table, column, *map(str, row)))


def key_of(sealed: bytes) -> int:
    """The data key that a value is sealed with."""
    return int(_HEAD.unpack_from(sealed)[1])


def _wrap(master: bytes, key_id: int, purpose: str, key: bytes) -> bytes:
    nonce = os.urandom(12)
    return nonce + AESGCM(master).encrypt(nonce, key, f"{key_id}.{purpose}".encode())
