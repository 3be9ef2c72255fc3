"""Tries to log in, counted in the database, so that all processes count together.

A try is counted before its password is looked at: a thousand at once are a thousand tries. Success takes it back.
In any five minutes no more than the free tries get an answer; whoever has used them up waits, each time twice as long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from crm_kit import errors
from crm_kit.rpc import Call
from identity.tables import failed_login

ACCOUNT, ADDRESS, CODES = 10, 100, 5
"""Free tries: an account is one person's, an address may be a whole office's; codes of the second factor are short."""
WINDOW = timedelta(minutes=5)
"""In which no more than the free tries are answered; without a try (and a lock) for as long, locks are short again."""
FIRST_LOCK, LONGEST_LOCK = WINDOW.total_seconds(), 3600.0

Key = tuple[str, int]
"""What is counted, and its free tries."""

errors.texts(
    {
        "too_many_tries": (
            "登录失败次数过多，请在 {seconds} 秒后再试",
            "Too many failed logins; try again in {seconds} seconds",
        )
    }
)


@dataclass(frozen=True, slots=True)
class Try:
    """One that was counted, to be taken back if it succeeds."""

    keys: Sequence[Key]
    time: datetime


def now() -> datetime:
    """The clock of everything here."""
    return datetime.now(UTC)


def of_login(username: str, address: str) -> list[Key]:
    """What a stranger's try counts for. Hashed: what people type as a user name may be anything, even a password."""
    name = hashlib.sha256(username.strip().lower().encode()).hexdigest()
    return [(f"account:{name}", ACCOUNT), *([(f"address:{address}", ADDRESS)] if address else [])]


def of_device(device_id: str) -> list[Key]:
    """A device that the person has used before counts for itself: strangers cannot lock it out."""
    return [(f"device:{device_id}", ACCOUNT)]


def of_codes(user_id: str) -> list[Key]:
    """Codes of one person's second factor."""
    return [(f"codes:{user_id}", CODES)]


def count(connection: Connection, keys: Sequence[Key]) -> Try:
    """Count one try; RESOURCE_EXHAUSTED while something it counts for is locked."""
    time = now()
    for key, free in keys:
        first = insert(failed_login).values(key=key, tries=0, last_time=time).on_conflict_do_nothing()
        connection.execute(first)
        row = connection.execute(select(failed_login).where(failed_login.c.key == key).with_for_update()).one()
        recent = sorted(t for t in row.answered if t > time - WINDOW)
        opens = max(row.locked_until or time, recent[-free] + WINDOW if len(recent) >= free else time)
        if opens > time:
            wait = (opens - time).total_seconds()
            raise errors.Exhausted("too_many_tries", retry_after=wait, seconds=int(wait) + 1)
        forgotten = max(row.locked_until or row.last_time, row.last_time) < time - WINDOW
        tries = 1 if forgotten else row.tries + 1
        lock = min(FIRST_LOCK * 2 ** min(tries - free, 12), LONGEST_LOCK) if tries >= free else None
        values = {
            "tries": tries,
            "last_time": time,
            "locked_until": time + timedelta(seconds=lock) if lock else None,
            "answered": [*recent, time],
        }
        connection.execute(update(failed_login).where(failed_login.c.key == key).values(values))
    return Try(keys, time)


def succeeded(connection: Connection, counted: Try) -> None:
    """It was no guess: it is taken back, with the lock that it may have brought. The guesses of others stay."""
    for key, _ in counted.keys:
        row = connection.execute(select(failed_login).where(failed_login.c.key == key).with_for_update()).one_or_none()
        if row is None:
            continue
        left = [t for t in row.answered if t != counted.time]
        back = {"tries": max(row.tries - 1, 0), "locked_until": None, "answered": left}
        if not left and back["tries"] == 0:
            connection.execute(delete(failed_login).where(failed_login.c.key == key))
        else:
            connection.execute(update(failed_login).where(failed_login.c.key == key).values(back))


def sweep(call: Call) -> None:
    """Forget tries of long ago."""
    day_ago = now() - timedelta(days=1)
    call.connection.execute(delete(failed_login).where(failed_login.c.last_time < day_ago))
