"""P02: what the suite takes while nobody uses it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from suite import Suite


@pytest.mark.bench
@pytest.mark.figure("P02")
def test_memory_of_an_idle_suite(suite: Suite, say: Callable[[str], None]) -> None:
    suite.settle()
    taken: dict[str, float] = {}
    for process in suite.processes():
        taken[process.name] = taken.get(process.name, 0.0) + process.pss()
    for name, size in sorted(taken.items(), key=lambda item: -item[1]):
        say(f"{size:6.1f} MiB {name}")
    postgres = sum(process.pss() for process in suite.postgres())
    say(f"{sum(taken.values()):6.1f} MiB PSS together (target 500), PostgreSQL apart ({postgres:.0f} MiB)")
