"""Passwords: argon2id hashes. What makes a password good enough is said by `password_policies`.

A hash takes 46 MiB and a core for tens of milliseconds, so only as many as there are cores are computed at once;
who would wait too long is told to come back.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from crm_kit import errors

LONGEST = 200
MANY = 100
"""Hashes computed for one import; beyond it, people share them until they change their first password."""
PATIENCE = 4.0
"""Seconds to wait for a free core."""

_CORES = os.cpu_count() or 1
_free = threading.BoundedSemaphore(_CORES)
_hasher = PasswordHasher(time_cost=1, memory_cost=46 * 1024, parallelism=1)
_NOBODYS = _hasher.hash(os.urandom(16).hex())

errors.texts({"password_wrong": ("{label}不正确", "{label} is wrong")})


def hashed(password: str) -> str:
    """The hash to store; it holds its own salt and parameters."""
    with _core():
        return _hasher.hash(password)


def hashed_many(password: str, count: int) -> list[str]:
    """The same first password for many people, with different salts as long as that takes a moment only."""
    with ThreadPoolExecutor(_CORES) as pool:
        made = list(pool.map(lambda _: _hasher.hash(password), range(min(count, MANY))))
    return [made[i % MANY] for i in range(count)]


def fits(stored: str | None, password: str) -> bool:
    """Whether it is the password; takes the same time where there is none to compare with."""
    with _core():
        try:
            _hasher.verify(stored or _NOBODYS, password[: LONGEST + 1])
        except (VerificationError, InvalidHashError):
            return False
    return stored is not None


@contextmanager
def _core() -> Iterator[None]:
    if not _free.acquire(timeout=PATIENCE):
        raise errors.Exhausted("too_many_requests", retry_after=1)
    try:
        yield
    finally:
        _free.release()
