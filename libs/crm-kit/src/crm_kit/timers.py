"""What a service does by the clock, in one of its processes at a time.

A timer finds for itself what is due, so it may come late, or once more than asked, without harm: whatever it
does is one transaction with its events, and a process that is killed leaves either all of it or nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from crm_kit import logs
from crm_kit.rpc import Call
from crm_kit.work import Leader

log = logging.getLogger("timers")

LOCK = 0x43524D03
STEP = 0.5
"""Seconds between looks at the clock."""


@dataclass(frozen=True, slots=True)
class Timer:
    """Every so many seconds, do this."""

    seconds: float
    act: Callable[[Call], None]


class Timers:
    """The timers of one service, in a thread of their own. `run` carries out one act in a transaction."""

    def __init__(self, engine: Engine, timers: Sequence[Timer], run: Callable[[Callable[[Call], None]], None]) -> None:
        self._timers, self._run_one = timers, run
        self._leader = Leader(engine, LOCK)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timers", daemon=True)

    def start(self) -> None:
        """Begin, if there is anything to do."""
        if self._timers:
            self._thread.start()

    def stop(self, timeout: float = 8.0) -> None:
        """Finish what is under way and end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        due = dict.fromkeys(self._timers, 0.0)
        said = ""
        while not self._stopping.wait(STEP):
            try:
                if self._leader.holds():
                    for timer in [t for t, at in due.items() if at <= time.monotonic()]:
                        due[timer] = time.monotonic() + timer.seconds
                        self._run_one(timer.act)
                    said = ""
            except Exception as error:
                what = logs.said(error)
                if what != said:
                    log.warning("%s", what)
                    said = what
        self._leader.release()
