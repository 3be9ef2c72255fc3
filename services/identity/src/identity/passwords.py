"""Passwords: argon2id hashes, and which passwords are good enough.

A hash takes 46 MiB and a core for tens of milliseconds, so only as many as there are cores are computed at once;
who would wait too long is told to come back.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from crm_kit import errors
from crm_kit.errors import Problem

SHORTEST, LONGEST = 8, 200
MANY = 100
"""Hashes computed for one import; beyond it, people share them until they change their first password."""
PATIENCE = 4.0
"""Seconds to wait for a free core."""

_CORES = os.cpu_count() or 1
_free = threading.BoundedSemaphore(_CORES)
_hasher = PasswordHasher(time_cost=1, memory_cost=46 * 1024, parallelism=1)
_NOBODYS = _hasher.hash(os.urandom(16).hex())
_KNOWN_BAD = frozenset(
    """
    password password1 passw0rd 12345678 123456789 1234567890
    11111111 88888888 qwertyui qwerty123 abc12345 iloveyou
    """.split()  # noqa: SIM905
)

errors.texts(
    {
        "password_too_short": ("{label}至少 {limit} 个字符", "{label} needs at least {limit} characters"),
        "password_is_username": ("{label}不能与用户名相同", "{label} must not be the user name"),
        "password_known_bad": ("{label}太常见，容易被猜到", "{label} is too common and easily guessed"),
        "password_unchanged": ("{label}不能与原密码相同", "{label} must differ from the old one"),
        "password_wrong": ("{label}不正确", "{label} is wrong"),
    }
)


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


def problems(password: str, username: str, path: str, label: tuple[str, str]) -> Sequence[Problem]:
    """Why this password is not good enough, if it is not."""
    folded = password.casefold()
    if len(password) < SHORTEST:
        return [Problem(path, "password_too_short", {"label": label, "limit": SHORTEST})]
    if len(password) > LONGEST:
        return [Problem(path, "too_long", {"label": label, "limit": LONGEST})]
    if folded == username.strip().casefold():
        return [Problem(path, "password_is_username", {"label": label})]
    if folded in _KNOWN_BAD:
        return [Problem(path, "password_known_bad", {"label": label})]
    return []


@contextmanager
def _core() -> Iterator[None]:
    if not _free.acquire(timeout=PATIENCE):
        raise errors.Exhausted("too_many_requests", retry_after=1)
    try:
        yield
    finally:
        _free.release()
