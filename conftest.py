"""Selection by what a test shows: `--figure R40`, `--feature CUS-07`; a figure's number goes on the last line."""

import os
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

# Tests start processes while their own has channels open: a child in which gRPC still lives may never begin.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # read when gRPC is imported

import gateway  # noqa: F401 - before pytest makes a package `gateway` of the folder of that name

MEASURED = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("crm")
    group.addoption("--figure", help="only what shows this figure, e.g. R40")
    group.addoption("--feature", help="only what shows this feature, e.g. CUS-07")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MEASURED] = []


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for marker in ("figure", "feature"):
        if wanted := config.getoption(marker):
            shown = [item for item in items if any(wanted in mark.args for mark in item.iter_markers(marker))]
            config.hook.pytest_deselected(items=[item for item in items if item not in shown])
            items[:] = shown
    if hasattr(config, "workerinput"):
        _longest_files_first(items)


def _longest_files_first(items: list[pytest.Item]) -> None:
    """Two workers end together if what takes longest begins first: files marked `slow`, then those with most tests.

    Works with `--no-loadscope-reorder` only: xdist itself goes by the number of tests, and a file with one test that
    takes minutes would begin last.
    """
    tests = Counter(item.path for item in items)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, -tests[item.path], str(item.path)))


class _Shared(LoadFileScheduling):
    """As `loadfile`; files that share one running suite go to one worker, or each would start its own."""

    def _split_scope(self, nodeid: str) -> str:
        return "tests/e2e" if nodeid.startswith("tests/e2e/") else str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return _Shared(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says what a test measured: `measured("0 leaks in 12,400 cases")`."""
    return request.config.stash[MEASURED].append


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    if config.getoption("figure", None) and config.stash.get(MEASURED, None):
        sys.stdout.write(f"{config.getoption('figure')}: {'; '.join(config.stash[MEASURED])}\n")
