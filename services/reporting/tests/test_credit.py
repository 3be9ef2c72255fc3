"""After a handover what was won or lost before stays credited to whoever owned it then."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value

from crm.records.v1.event_pb2 import Event
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit import ids
from crm_kit.testing import Client, Server, event

pytestmark = pytest.mark.feature("IDN-05")

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Deal:
    """One opportunity and the events of its life, a day apart."""

    def __init__(self, company: Any, owner: Client, amount: str = "100.00") -> None:
        self.record = Opportunity(id=ids.uuid7(), title="商机", pipeline_id=company.pipeline.id, owner_id=owner.user_id)
        self.record.expected_amount, self.record.state = amount, "developing"
        self.record.lines.add(product_id=company.products[0], quantity="1", amount=amount)
        self.told: list[Event] = []
        self.step("created", stage="prospecting")

    def step(self, action: str, *, owner: Client | None = None, stage: str = "") -> Deal:
        now = BEGIN + timedelta(days=len(self.told))
        before = self.record.owner_id
        if stage:
            self.record.stage = stage
            self.record.stage_enter_time.FromDatetime(now)
            self.record.state = stage if stage in ("won", "lost") else "developing"
            self.record.close_date = str(now.date()) if stage in ("won", "lost") else ""
            self.record.won_amount = self.record.expected_amount if stage == "won" else ""
        if owner is not None:
            self.record.owner_id = owner.user_id
        made = event(self.record, action, len(self.told) + 1)
        made.time.FromDatetime(now)
        if owner is not None:
            change = made.changes.add(field="ownerId")
            for target, value in ((change.before, before), (change.after, self.record.owner_id)):
                target.CopyFrom(ParseDict(value or None, Value()))
        self.told.append(made)
        return self


def won_by(reader: Client) -> dict[str, tuple[int, str]]:
    rows = reader.GetOpportunitySummary(group_by="owner").rows
    return {row.key: (row.won_count, row.won_amount) for row in rows if row.won_count}


def test_what_was_won_before_stays_with_the_giver_and_what_is_won_after_is_the_takers(
    server: Server, company: Any, boss: Client, measured: Any
) -> None:
    leaver, taker = company.sellers[0], company.sellers[2]
    won = Deal(company, leaver).step("won", stage="won").step("handed_over", owner=taker)
    going_on = Deal(company, leaver, "70.00").step("handed_over", owner=taker).step("won", stage="won")
    server.deliver("sales", *won.told, *going_on.told)

    assert won_by(boss) == {leaver.user_id: (1, "100.00"), taker.user_id: (1, "70.00")}
    assert won_by(taker) == won_by(boss), "the scope follows the present owner"
    assert won_by(leaver) == {}
    managers = {r.key: r.won_count for r in boss.GetOpportunitySummary(group_by="manager").rows if r.won_count}
    assert managers == {company.managers[leaver.user_id]: 1, company.managers[taker.user_id]: 1}
    regions = {r.key: r.won_count for r in boss.GetOpportunitySummary(group_by="region").rows if r.won_count}
    assert regions == {"east": 1, "west": 1}
    total = boss.GetOpportunitySummary(group_by="owner").total
    assert (total.won_count, total.won_amount) == (2, "170.00")
    measured("100.00 to who left + 70.00 to who took = 170.00")


def test_every_way_that_leads_there_has_its_own_answer(server: Server, company: Any, boss: Client) -> None:
    leaver, taker, third = company.sellers[:3]
    lives = [
        (Deal(company, leaver).step("lost", stage="lost").step("handed_over", owner=taker), leaver),
        (Deal(company, leaver).step("won", stage="won").step("handed_over", owner=taker).step("updated"), leaver),
        (
            Deal(company, leaver)
            .step("won", stage="won")
            .step("handed_over", owner=taker)
            .step("handed_over", owner=third),
            leaver,
        ),
        (
            Deal(company, leaver)
            .step("won", stage="won")
            .step("handed_over", owner=taker)
            .step("handed_back", owner=leaver),
            leaver,
        ),
        (
            Deal(company, leaver)
            .step("won", stage="won")
            .step("handed_over", owner=taker)
            .step("reopened", stage="engaging")
            .step("won", stage="won"),
            taker,
        ),
        (Deal(company, leaver).step("won", stage="won").step("assigned", owner=taker), taker),
        (
            Deal(company, leaver)
            .step("won", stage="won")
            .step("handed_over", owner=taker)
            .step("assigned", owner=third),
            third,
        ),
    ]
    for deal, _ in lives:
        server.deliver("sales", *deal.told)

    found = dict(server.sql("SELECT id, coalesce(credited_id, owner_id) FROM fact_opportunity"))
    lines = dict(server.sql("SELECT opportunity_id, coalesce(credited_id, owner_id) FROM fact_opportunity_line"))

    wanted = {deal.record.id: who.user_id for deal, who in lives}
    assert found == lines == wanted


def test_in_whatever_order_and_batches_the_events_come_the_credit_is_the_same(
    server: Server, company: Any, snapshot: Any, measured: Any
) -> None:
    leaver, taker, third = company.sellers[:3]
    deal = Deal(company, leaver).step("won", stage="won").step("handed_over", owner=taker)
    deal.step("handed_over", owner=third)
    server.deliver("sales", *deal.told)
    before = snapshot()
    orders = list(permutations(deal.told))

    for order in orders:
        server.sql("TRUNCATE inbox, fact_opportunity, fact_opportunity_line, fact_stage_stay, hand_over")
        rest = list(order)
        while rest:
            size = random.Random(len(rest)).randrange(1, 3)
            server.deliver("sales", *rest[:size])
            rest = rest[size:]
        assert snapshot() == before
    measured(f"{len(orders)} orders, one answer")


def test_facts_of_the_release_before_count_for_their_owner(server: Server, company: Any, boss: Client) -> None:
    leaver, taker = company.sellers[0], company.sellers[2]
    deal = Deal(company, leaver).step("won", stage="won")
    server.deliver("sales", *deal.told)
    server.sql("UPDATE fact_opportunity SET stage_time = NULL, credited_id = NULL")
    assert won_by(boss) == {leaver.user_id: (1, "100.00")}

    server.deliver("sales", deal.step("handed_over", owner=taker).told[-1])

    assert won_by(boss) == {leaver.user_id: (1, "100.00")}
