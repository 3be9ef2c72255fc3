"""Handover of service requests, whatever state they are in."""

from __future__ import annotations

from typing import Any

import pytest

from crm_kit.testing import Client, Server
from crm_records.testing import Handing

pytestmark = pytest.mark.feature("IDN-05")


def rows(server: Server) -> dict[str, dict[str, Any]]:
    return {row[0]["id"]: row[0] for row in server.sql("SELECT to_jsonb(service_request.*) FROM service_request")}


def test_a_request_in_any_state_goes_to_the_taker_as_it_is(server: Server, boss: Client, in_state: Any) -> None:
    leaver, taker = server.person(name="离职者"), server.person(name="接收人")
    states = ("assigned", "handled", "feedback", "archived")
    made = [in_state(state) for state in states]
    server.sql("UPDATE service_request SET owner_id = :owner", owner=leaver.user_id)
    before = rows(server)
    handing = Handing(server, leaver, taker)
    handing.decide("created")
    assert (handing.part("service_request").counted, handing.part("service_request").open) == (4, 2)

    handing.decide("started")

    after = rows(server)
    for one in made:
        changed = {n for n in after[one.id] if after[one.id][n] != before[one.id][n]}
        assert changed == {"owner_id", "version", "updater_id"}
    assert [after[one.id]["state"] for one in made] == list(states)
    assert handing.part("service_request").moved == 4
