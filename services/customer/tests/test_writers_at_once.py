"""Many writers at once do not wait for each other's connections."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from crm_kit.testing import Server
from customer.customers import CUSTOMERS


@pytest.mark.feature("CUS-01")
def test_a_number_is_given_out_while_every_connection_is_held_by_somebody_who_writes(server: Server) -> None:
    writer, most = server.service.writer, server.service.settings.threads + 2
    with ExitStack() as held:
        connections = [held.enter_context(writer.connect()) for _ in range(most)]
        assert CUSTOMERS.registry.numbers.take(connections[0], CUSTOMERS, many=500)
