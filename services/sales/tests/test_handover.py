"""Handover of opportunities: no stage, clock or link changes, and a customer's go to one person in every service."""

from __future__ import annotations

from typing import Any

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm_kit import ids
from crm_kit.testing import Client, Server, event
from crm_records.handover_tables import chosen
from crm_records.testing import Handing

pytestmark = pytest.mark.feature("IDN-05")


def rows(server: Server) -> dict[str, dict[str, Any]]:
    return {row[0]["id"]: row[0] for row in server.sql("SELECT to_jsonb(opportunity.*) FROM opportunity")}


def test_no_stage_clock_or_link_of_an_opportunity_changes(server: Server, boss: Client) -> None:
    leaver, taker = server.person(name="离职者"), server.person(name="接收人")
    customer = Customer(id=ids.uuid7(), name="甲公司", owner_id=leaver.user_id)
    server.deliver("customer", event(customer, "created"))
    fields = {"customer_id": customer.id, "expected_amount": "100"}
    still_open, won, lost = (leaver.CreateOpportunity(opportunity={"title": t, **fields}) for t in "甲乙丙")
    leaver.MoveOpportunity(id=still_open.id, etag=still_open.etag, stage="proposal")
    leaver.WinOpportunity(id=won.id, etag=won.etag, won_amount="90")
    reasons = server.sql("SELECT code FROM dictionary_entry WHERE dictionary = 'lost_reason' LIMIT 1")
    leaver.LoseOpportunity(id=lost.id, etag=lost.etag, lost_reason=reasons[0][0])
    before = rows(server)
    handing = Handing(server, leaver, taker)
    handing.decide("created")

    handing.decide("started")

    after = rows(server)
    changed = {i: {n for n in after[i] if after[i][n] != before[i][n]} for i in after}
    assert set(map(frozenset, changed.values())) == {frozenset({"owner_id", "version", "updater_id"})}
    part = handing.part("opportunity")
    assert (part.counted, part.open, part.moved) == (3, 1, 3)

    handing.decide("undo_started")

    back = rows(server)
    ignored = {"version", "updater_id"}
    assert {i: {n: v for n, v in r.items() if n not in ignored} for i, r in back.items()} == {
        i: {n: v for n, v in r.items() if n not in ignored} for i, r in before.items()
    }


def test_of_two_takers_one_gets_everything_of_a_customer(server: Server, boss: Client, measured: Any) -> None:
    leaver, one, two = (server.person(name=n) for n in "甲乙丙")
    customers = [Customer(id=ids.uuid7(), name=f"客户{n}", owner_id=leaver.user_id) for n in range(12)]
    server.deliver("customer", *(event(c, "created") for c in customers))
    for n in range(36):
        leaver.CreateOpportunity(opportunity={"title": f"商机{n}", "customer_id": customers[n % 12].id})
    handing = Handing(server, leaver, one, two)
    handing.decide("created")

    handing.decide("started")

    owners: dict[str, set[str]] = {}
    for row in rows(server).values():
        owners.setdefault(row["customer_id"], set()).add(row["owner_id"])
    assert owners == {c.id: {chosen([two.user_id, one.user_id], c.id)} for c in customers}
    assert set().union(*owners.values()) == {one.user_id, two.user_id}
    measured("36 opportunities of 12 customers over 2 takers, no customer split")
