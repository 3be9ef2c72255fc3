"""Whatever way events come, repeated, late or in one batch, the read models say the same."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.records.v1.event_pb2 import Event
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit import ids
from crm_kit.testing import Client, Server, event
from reporting.opportunities import share

pytestmark = pytest.mark.feature("RPT-01")

CENTS = st.integers(0, 10**12).map(lambda n: Decimal(n).scaleb(-2))


def histories(company: Any, chance: random.Random) -> list[Event]:
    """Several versions of each of many opportunities; the last one says how it stands."""
    told = []
    for _ in range(20):
        record_id = ids.uuid7()
        for version in range(1, chance.randrange(2, 6)):
            made = company.opportunity(chance)
            made.id = record_id
            told.append(event(made, "updated", version))
    return told


def test_repeats_and_late_versions_change_nothing(server: Server, company: Any, snapshot: Any) -> None:
    chance = random.Random(31)
    told = histories(company, chance)
    server.deliver("sales", *told)
    before, position = snapshot(), server.sql("SELECT count(*) FROM inbox")

    for one in told:
        again = Event()
        again.CopyFrom(one)
        again.id = chance.choice([one.id, ids.uuid7()])  # a repeat, or the same change announced anew
        server.deliver("sales", again)
    assert snapshot() == before
    assert position != server.sql("SELECT count(*) FROM inbox")

    server.sql("TRUNCATE inbox, fact_opportunity, fact_opportunity_line, fact_stage_stay")
    chance.shuffle(told)
    for begin in range(0, len(told), 7):
        server.deliver("sales", *told[begin : begin + 7])
    assert snapshot() == before


def test_a_deleted_record_leaves_the_figures_until_it_is_restored(server: Server, company: Any) -> None:
    made = Opportunity(id=ids.uuid7(), state="won", stage="won", won_amount="10.00", close_date="2017-05-01")
    made.owner_id, made.pipeline_id = company.sellers[0].user_id, company.pipeline.id
    made.lines.add(product_id=company.products[0], amount="1.00")
    made.stage_history.add(stage="won", enter_time=datetime(2017, 5, 1, tzinfo=UTC))
    deleted = Opportunity()
    deleted.CopyFrom(made)
    deleted.delete_time.GetCurrentTime()

    def figures() -> list[Any]:
        by = [company.boss.GetOpportunitySummary(group_by=g) for g in ("stage", "product", "owner")]
        won = company.boss.GetFunnel().steps[2]
        return [*([r.won_amount for r in b.rows] + [b.total.count] for b in by), won.entered]

    server.deliver("sales", event(made, "won", 1))
    told = figures()
    server.deliver("sales", event(deleted, "deleted", 2))
    assert figures() == [[0], [0], [0], 0]
    server.deliver("sales", event(made, "restored", 3))
    assert figures() == told == [["10.00", 1], ["10.00", 1], ["10.00", 1], 1]


def test_a_batch_of_every_kind_is_applied_as_one_by_one(server: Server, company: Any, snapshot: Any) -> None:
    told = histories(company, random.Random(32))
    server.deliver("sales", *told)
    together = snapshot()

    server.sql("TRUNCATE inbox, fact_opportunity, fact_opportunity_line, fact_stage_stay")
    for one in told:
        server.deliver("sales", one)

    assert snapshot() == together


def test_shares_of_one_opportunity_add_up_to_the_cent(server: Server, boss: Client) -> None:
    made = Opportunity(id=ids.uuid7(), state="won", won_amount="100.00", close_date="2017-05-01")
    for _ in range(3):
        made.lines.add(product_id=ids.uuid7(), amount="0")
    server.deliver("sales", event(made, "won"))

    report = boss.GetOpportunitySummary(group_by="product")

    assert sorted(r.won_amount for r in report.rows) == ["33.33", "33.33", "33.34"]
    assert (report.total.won_amount, report.total.count) == ("100.00", 1)


@given(CENTS, st.lists(CENTS, min_size=1, max_size=20))
def test_a_share_is_within_a_cent_of_its_proportion(amount: Decimal, weights: list[Decimal]) -> None:
    parts = share(amount, weights)

    assert sum(parts) == amount
    whole = sum(map(Fraction, weights))
    for part, weight in zip(parts, weights, strict=True):
        exact = Fraction(amount) * (Fraction(weight) / whole if whole else Fraction(1, len(weights)))
        assert abs(Fraction(part) - exact) < Fraction(1, 100)


def test_figures_are_as_fresh_as_the_newest_event_or_the_last_look(server: Server, boss: Client) -> None:
    def fresh() -> Any:
        answer = boss.GetOpportunitySummary(group_by="stage")
        return answer.fresh_time.ToDatetime(UTC) if answer.HasField("fresh_time") else None

    long_ago = datetime(2026, 1, 2, tzinfo=UTC)
    assert fresh() is None
    told = event(Opportunity(id=ids.uuid7()), "created")
    told.time.FromDatetime(long_ago)
    server.deliver("sales", told)
    assert fresh() == long_ago
    inbox = server.service.inbox()
    assert inbox is not None
    inbox.caught_up()
    assert fresh() > long_ago
