"""Behaviour of people goes with them when they are erased, and comes along when they ask for their data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm.identity.v1.privacy_pb2 import PrivacyRequest
from crm_kit import ids
from crm_kit.testing import Client, Server, event

pytestmark = pytest.mark.feature("CUS-24")
NOW = datetime.now(UTC)


def post(boss: Client, first: int, **whom: Any) -> None:
    events = [{"event_id": f"e{first + n}", "time": NOW - timedelta(hours=n), "kind": "view", **whom} for n in range(2)]
    assert boss.RecordBehaviour(source="shop", events=events).stored == 2


def kept(server: Server) -> list[str]:
    return [row[0] for row in server.sql("SELECT event_id FROM behaviour_event ORDER BY event_id")]


def erase(server: Server, subject_type: str, subject_id: str) -> None:
    request = PrivacyRequest(id=ids.uuid7(), kind="erasure", subject_type=subject_type, subject_id=subject_id)
    server.deliver("identity", event(request, "started"))


@pytest.mark.parametrize("who", ["customer", "contact"])
def test_an_erasure_takes_what_the_person_did_and_nothing_else(server: Server, boss: Client, who: str) -> None:
    person = boss.CreateCustomer(customer={"name": "李雷", "kind": "individual"})
    contact = boss.CreateContact(contact={"customer_id": person.id, "name": "王芳"})
    other = boss.CreateCustomer(customer={"name": "别家"})
    post(boss, 0, customer_id=person.id)
    post(boss, 2, contact_id=contact.id)
    post(boss, 4, visitor="theirs")
    post(boss, 6, customer_id=other.id)
    post(boss, 8, visitor="unknown")
    boss.IdentifyVisitor(source="shop", visitor="theirs", contact_id=contact.id)

    erase(server, who, {"customer": person, "contact": contact}[who].id)

    gone = {"customer": 0, "contact": 2}[who]
    assert kept(server) == [f"e{n}" for n in range(10) if not gone <= n < 6]
    assert server.sql("SELECT count(*) FROM behaviour_identity")[0][0] == 0


def test_an_export_tells_what_the_person_did(server: Server, boss: Client) -> None:
    person = boss.CreateCustomer(customer={"name": "李雷", "kind": "individual"})
    post(boss, 0, customer_id=person.id)
    post(boss, 2, visitor="theirs")
    boss.IdentifyVisitor(source="shop", visitor="theirs", customer_id=person.id)

    told = boss.ExportPersonData(subject_type="customer", subject_id=person.id)

    found = [r for r in told.records if r.record_type == "behaviour_event"]
    assert sorted(r.data["event_id"] for r in found) == ["e0", "e1", "e2", "e3"]
    (visitor,) = [r for r in told.records if r.record_type == "visitor_identity"]
    assert visitor.data["visitor"] == "theirs"
