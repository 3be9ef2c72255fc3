"""A repeated key gives the first answer: key, effect and answer commit in one transaction.

An answer holds what the record holds, personal values too, so it is kept sealed; so is the fingerprint of the request,
by which a telephone number could be guessed.
"""

from __future__ import annotations

import hashlib
import re

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    delete,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert

from crm_kit import errors, sealing

metadata = MetaData()

answered = Table(
    "idempotency_key",
    metadata,
    Column("user_id", Uuid(as_uuid=False), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False, info=sealing.SEALED),
    Column("answer", LargeBinary, nullable=False, info=sealing.SEALED),
    Column("time", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
Index("ix_idempotency_key_time", answered.c.time)

_KEY = re.compile(r"[\x21-\x7e]{8,100}")


def find(connection: Connection, user_id: str, key: str, method: str, request: bytes) -> bytes | None:
    """The answer given to this key before, or None. Refuses a key used for another request or still at work."""
    if not _KEY.fullmatch(key):
        raise errors.Invalid(key="idempotency_key_bad")
    lock = int.from_bytes(hashlib.blake2b(f"{user_id} {key}".encode(), digest_size=8).digest(), signed=True)
    if not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": lock}):
        raise errors.Conflict("idempotency_key_busy", retry_after=1)
    row = connection.execute(
        select(answered.c.request_hash, answered.c.answer).where(answered.c.user_id == user_id, answered.c.key == key)
    ).one_or_none()
    if row is None:
        return None
    keys = sealing.of(connection)
    if keys.open(connection, _place("request_hash", user_id, key), row.request_hash) != fingerprint(method, request):
        raise errors.Conflict("idempotency_key_reused")
    return keys.open(connection, _place("answer", user_id, key), row.answer)


def keep(connection: Connection, user_id: str, key: str, method: str, request: bytes, answer: bytes) -> None:
    """Store the answer beside its effect."""
    keys = sealing.of(connection)
    plain = {"request_hash": fingerprint(method, request), "answer": answer}
    sealed = {n: keys.seal(connection, _place(n, user_id, key), value) for n, value in plain.items()}
    connection.execute(insert(answered).values(user_id=user_id, key=key, **sealed))


def _place(column: str, user_id: str, key: str) -> str:
    return sealing.place(answered.name, column, user_id, key)


def fingerprint(method: str, request: bytes) -> bytes:
    """What makes two requests the same: the method and every byte."""
    return hashlib.blake2b(method.encode() + b"\0" + request, digest_size=16).digest()


def sweep(connection: Connection, keep_hours: int = 48) -> None:
    """Forget old keys; they are promised for 24 hours."""
    connection.execute(
        delete(answered).where(answered.c.time < func.now() - text(f"interval '{int(keep_hours)} hours'"))
    )
