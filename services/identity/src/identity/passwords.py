"""Passwords: argon2id hashes. What makes a password good enough is said by `password_policies`.

A hash takes 46 MiB and a core for tens of milliseconds, so only as many as there are cores are computed at once. Who
waits for a core holds a thread that answers RPCs: only a few may, the next is told at once to come back, so that
everything else is answered however many log in.
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
WAITING = 8
"""Who waits for a core at most; fewer where a quarter of the RPC threads are."""
RETRY_AFTER = 1.0
"""Seconds after which to come back; a full line is worked off sooner."""

_CORES = os.cpu_count() or 1
_hasher = PasswordHasher(time_cost=1, memory_cost=46 * 1024, parallelism=1)
_NOBODYS = _hasher.hash(os.urandom(16).hex())

errors.texts(
    {
        "password_wrong": ("{label}不正确", "{label} is wrong"),
        "passwords_busy": (
            "正在验证的密码过多，请稍后再试",
            "Too many passwords are being checked; try again in a moment",
        ),
    }
)


class Line:
    """The cores that compute hashes, and the places of those who use or wait for one.

    Of `threads` that answer RPCs, at most three quarters are here.
    """

    def __init__(self, threads: int) -> None:
        cores = max(1, min(_CORES, threads // 2))
        self.places = cores + max(1, min(WAITING, threads // 4))
        self._core, self._place = threading.BoundedSemaphore(cores), threading.BoundedSemaphore(self.places)
        self._holds = threading.local()

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the line; UNAVAILABLE where it is full. Whoever has one already stays on it."""
        if getattr(self._holds, "place", False):
            yield
            return
        if not self._place.acquire(blocking=False):
            raise errors.Unavailable("passwords_busy", retry_after=RETRY_AFTER)
        self._holds.place = True
        try:
            yield
        finally:
            self._holds.place = False
            self._place.release()

    @contextmanager
    def core(self) -> Iterator[None]:
        """A core, when it is one's turn."""
        with self.place(), self._core:
            yield


_line = Line(threads=16)


def make_room(threads: int) -> Line:
    """Make the line for a process that answers RPCs with so many threads."""
    global _line
    _line = Line(threads)
    return _line


@contextmanager
def in_line() -> Iterator[None]:
    """A place in the line, kept until the end: what happens before the hash does not happen where the line is full."""
    with _line.place():
        yield


def hashed(password: str) -> str:
    """The hash to store; it holds its own salt and parameters."""
    with _line.core():
        return _hasher.hash(password)


def hashed_many(password: str, count: int) -> list[str]:
    """The same first password for many people, with different salts as long as that takes a moment only."""
    with ThreadPoolExecutor(_CORES) as pool:
        made = list(pool.map(lambda _: _hasher.hash(password), range(min(count, MANY))))
    return [made[i % MANY] for i in range(count)]


def fits(stored: str | None, password: str) -> bool:
    """Whether it is the password; takes the same time where there is none to compare with."""
    with _line.core():
        try:
            _hasher.verify(stored or _NOBODYS, password[: LONGEST + 1])
        except (VerificationError, InvalidHashError):
            return False
    return stored is not None
