"""One running suite for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crm_kit.testing.suite import Suite


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    # What a killed service takes to be back depends on the machine; R13 measures it. Here the readers wait.
    suite = Suite(tmp_path_factory.mktemp("suite"), PATIENCE="60", RPC_TIMEOUT="60")
    suite.start()
    yield suite
    suite.stop()
