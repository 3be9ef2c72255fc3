"""One suite with data for all benchmarks. What they print is for reading: nothing asserts a time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from suite import Suite


@pytest.fixture(scope="session")
def suite() -> Iterator[Suite]:
    running = Suite()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def filled(suite: Suite) -> tuple[list[str], list[str]]:
    """The ids of 20,000 customers and 20,000 opportunities."""
    import data
    import filling

    suite.sign_in()
    ids = data.fill(suite)
    filling.look_at_all(suite)
    suite.settle()
    return ids


@pytest.fixture
def say(measured: Callable[[str], None]) -> Callable[[str], None]:
    """Prints a line and keeps it for `make figure`."""

    def line(text: str) -> None:
        sys.stdout.write(f"\n{text}")
        measured(text)

    return line
