"""Kills one process after the other, at random but the same ones for the same seed, and starts it again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from faults.suite import Part, Suite

PAUSE = (0.5, 1.0)
"""Seconds between a part's new start and the next kill, at least and at most."""
BACKEND = "postgres backend"


class Killer:
    """`progress` says which part of the load is done: the kills are spread over all of it.

    It runs in the main thread: Linux ends what a thread started with that thread.
    """

    def __init__(self, suite: Suite, kills: int, progress: Callable[[], float], seed: int) -> None:
        self._suite, self._kills, self._progress, self._random = suite, kills, progress, random.Random(seed)
        self.killed: Counter[str] = Counter()

    def run(self) -> None:
        for number, kind in enumerate(self._kinds()):
            time.sleep(self._random.uniform(*PAUSE))
            while self._progress() < number / self._kills:
                time.sleep(0.02)
            self._kill(kind)

    def _kinds(self) -> list[str]:
        """Each kind as often as the others, in a random order."""
        kinds = ["relay", "reader", "no-work", "postgres", "nats", BACKEND]
        chosen = [kinds[n % len(kinds)] for n in range(self._kills)]
        self._random.shuffle(chosen)
        return chosen

    def _kill(self, kind: str) -> None:
        if kind == BACKEND:
            os.kill(self._random.choice(backends(self._suite)), signal.SIGKILL)
            self.killed[BACKEND] += 1
            return
        part = self._random.choice(self._parts(kind))
        part.kill()
        self.killed[part.name] += 1
        part.start()

    def _parts(self, kind: str) -> list[Part]:
        return [part for part in (*self._suite.stores, *self._suite.parts) if part.name.split()[-1] == kind]


def backends(suite: Suite) -> list[int]:
    """The processes of PostgreSQL that serve a connection."""
    postmaster = suite.stores[0].process
    assert postmaster is not None
    children = Path(f"/proc/{postmaster.pid}/task/{postmaster.pid}/children")
    while True:
        found = [int(pid) for pid in children.read_text().split() if _serves(pid)]
        if found:
            return found
        time.sleep(0.02)


def _serves(pid: str) -> bool:
    try:
        return b"127.0.0.1" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
