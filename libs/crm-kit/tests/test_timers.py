"""Timers: by the clock, in one process at a time, and on after a failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from crm_kit import db, timers
from crm_kit.testing import database
from crm_kit.timers import Timer, Timers


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(timers, "STEP", 0.02)
    made = db.engine(database("timers"), "timers", size=4)
    yield made
    made.dispose()


class Process:
    """What stands for one process of a service: counts how often its timer came."""

    def __init__(self, engine: Engine, seconds: float, fails: int = 0) -> None:
        self.came, self._fails = 0, fails
        self.timers = Timers(engine, [Timer(seconds, lambda _call: None)], self._run)

    def _run(self, _act: Callable[[Any], None]) -> None:
        self.came += 1
        if self.came <= self._fails:
            raise RuntimeError("not this time")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_timer_comes_again_and_again_even_after_a_failure(engine: Engine) -> None:
    process = Process(engine, 0.01, fails=2)

    process.timers.start()
    until(lambda: process.came >= 5)

    process.timers.stop()
    assert "timers" not in {t.name for t in threading.enumerate()}


def test_a_timer_waits_its_time(engine: Engine) -> None:
    process = Process(engine, 60)

    process.timers.start()
    until(lambda: process.came == 1)
    time.sleep(0.2)

    process.timers.stop()
    assert process.came == 1


def test_of_two_processes_one_works_and_the_other_takes_over(engine: Engine) -> None:
    one, two = Process(engine, 0.01), Process(engine, 0.01)

    one.timers.start()
    until(lambda: one.came > 0)
    two.timers.start()
    time.sleep(0.2)
    assert two.came == 0
    one.timers.stop()
    until(lambda: two.came > 0)

    two.timers.stop()
