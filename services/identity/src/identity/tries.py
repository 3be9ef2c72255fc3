"""Tries to log in, counted per account and per address in the database, so that all processes count together.

A try is counted before its password is looked at: a thousand at once are a thousand tries. Success takes it back.
Whoever has used up the free tries waits, each time twice as long.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from crm_kit import errors
from crm_kit.rpc import Call
from identity.tables import failed_login

ACCOUNT, ADDRESS = 10, 100
"""Free tries: an account is one person's, an address may be a whole office's."""
QUIET = timedelta(minutes=5)
"""After this time without a try (and without a lock) all is forgotten."""
FIRST_LOCK, LONGEST_LOCK = 30.0, 3600.0

errors.texts(
    {
        "too_many_tries": (
            "登录失败次数过多，请在 {seconds} 秒后再试",
            "Too many failed logins; try again in {seconds} seconds",
        )
    }
)


def count(connection: Connection, username: str, address: str) -> None:
    """Count one try; RESOURCE_EXHAUSTED while the account or the address is locked."""
    for key, free in _keys(username, address):
        now = datetime.now(UTC)
        first = insert(failed_login).values(key=key, tries=0, last_time=now).on_conflict_do_nothing()
        connection.execute(first)
        row = connection.execute(select(failed_login).where(failed_login.c.key == key).with_for_update()).one()
        if row.locked_until and row.locked_until > now:
            wait = (row.locked_until - now).total_seconds()
            raise errors.Exhausted("too_many_tries", retry_after=wait, seconds=int(wait) + 1)
        forgotten = max(row.locked_until or row.last_time, row.last_time) < now - QUIET
        tries = 1 if forgotten else row.tries + 1
        lock = min(FIRST_LOCK * 2 ** min(tries - free, 12), LONGEST_LOCK) if tries >= free else None
        values = {"tries": tries, "last_time": now, "locked_until": now + timedelta(seconds=lock) if lock else None}
        connection.execute(update(failed_login).where(failed_login.c.key == key).values(values))


def succeeded(connection: Connection, username: str, address: str) -> None:
    """The password was right: the account starts afresh, the address gets its try back."""
    (account, _), *addresses = _keys(username, address)
    connection.execute(delete(failed_login).where(failed_login.c.key == account))
    for key, _ in addresses:
        back = update(failed_login).where(failed_login.c.key == key, failed_login.c.tries > 0)
        connection.execute(back.values(tries=failed_login.c.tries - 1, locked_until=None))


def sweep(call: Call) -> None:
    """Forget tries of long ago."""
    day_ago = datetime.now(UTC) - timedelta(days=1)
    call.connection.execute(delete(failed_login).where(failed_login.c.last_time < day_ago))


def _keys(username: str, address: str) -> list[tuple[str, int]]:
    """Hashed: what people type as a user name may be anything, even a password."""
    name = hashlib.sha256(username.strip().lower().encode()).hexdigest()
    return [(f"account:{name}", ACCOUNT), *([(f"address:{address}", ADDRESS)] if address else [])]
