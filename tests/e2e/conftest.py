"""One running suite for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crm_kit.testing.suite import Suite


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    suite = Suite(tmp_path_factory.mktemp("suite"))
    suite.start()
    yield suite
    suite.stop()
