"""What is computed of a natural person, and what people wrote about it, in export and erasure."""

from __future__ import annotations

from typing import Any

import pytest

from crm.identity.v1.privacy_pb2 import PrivacyRequest
from crm_kit import ids
from crm_kit.testing import Client, Server, event
from crm_records.testing import everywhere_in

pytestmark = [pytest.mark.feature("CUS-17"), pytest.mark.feature("IDN-13")]

WORD = "慕容雪"


@pytest.fixture
def person(boss: Client, order: Any) -> str:
    found: str = boss.CreateCustomer(customer={"name": "个人客户", "kind": "individual"}).id
    boss.OverruleStanding(customer_id=found, topic="lifecycle", value="not_needed", note=f"{WORD}已出国")
    boss.CreateChurnCase(churn_case={"customer_id": found, "warn_note": f"{WORD}说不再来"})
    order(found, "2026-03-01", "12.50")
    return found


def test_an_export_tells_what_people_said_instead(boss: Client, person: str) -> None:
    answer = boss.ExportPersonData(subject_type="customer", subject_id=person)

    found = {r.record_type: r.data for r in answer.records}
    assert found["overruling"]["note"] == f"{WORD}已出国"
    assert {"churn_case", "trade_entry"} <= set(found)


def test_an_erasure_empties_the_notes_and_keeps_the_trade(boss: Client, server: Server, person: str) -> None:
    request = PrivacyRequest(id=ids.uuid7(), kind="erasure", subject_type="customer", subject_id=person)
    server.sql("UPDATE outbox SET sent_time = now()")
    for version, action in enumerate(("started", "emptied"), 1):
        told = event(request, action, version)
        told.actor_id, told.actor_name = ids.uuid7(), "隐私专员"
        server.deliver("identity", told)
        server.sweep()

    assert everywhere_in(server.sql, WORD) == []
    (entry,) = boss.ListTradeEntries(fields="*").trade_entries
    assert entry.amount == "12.50"
    assert boss.ListStandingHistory(customer_id=person).changes[0].to == "not_needed"
