"""What a process keeps of small tables for a moment, so that every request need not read them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import Connection, Engine

T = TypeVar("T")

SECONDS = 2.0
"""A change made in another process is seen within this time; one made here, at once."""


class Kept(Generic[T]):
    """The answer of `load` for a database, kept for two seconds."""

    _all: ClassVar[WeakSet[Kept[Any]]] = WeakSet()

    def __init__(self, load: Callable[[Connection], T]) -> None:
        self._load = load
        self._found: WeakKeyDictionary[Engine, tuple[float, T]] = WeakKeyDictionary()
        Kept._all.add(self)

    def read(self, connection: Connection) -> T:
        """The answer, at most two seconds old."""
        kept = self._found.get(connection.engine)
        if kept and kept[0] > time.monotonic():
            return kept[1]
        answer = self._load(connection)
        self._found[connection.engine] = (time.monotonic() + SECONDS, answer)
        return answer

    def forget(self) -> None:
        """Something changed here: read it again."""
        self._found.clear()

    @staticmethod
    def forget_all() -> None:
        """Read everything again: the database was changed from outside."""
        for one in Kept._all:
            one.forget()
