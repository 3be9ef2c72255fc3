"""What is computed of customers, or kept beside their fields, tells nobody what they may not read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused

pytestmark = [pytest.mark.figure("R40"), pytest.mark.feature("CUS-23")]

TODAY = date(2026, 11, 24)
BANDS = [{"to": "100", "points": "0"}, {"from": "100", "points": "10"}]
LEVELS = [{"level": "A", "from": "50"}, {"level": "C", "from": "0"}]
SALES = {"class": "trade", "source": "order_amount", "months": 12, "bands": BANDS}
REVENUE = {"class": "trait", "source": "field", "field": "annual_revenue", "bands": BANDS}
VISITS = {"class": "contact", "source": "visits", "days": 30, "bands": BANDS}
CALLS = {"class": "contact", "source": "interactions", "days": 30, "bands": BANDS}
READS = ["customer.read", "segment.read", "pyramid.read"]
HIDDEN_DATE = [{"resource": "customer", "field": "last_order_date", "rule": "hidden"}]


@pytest.fixture
def graded(boss: Client, order: Any, sweep: Callable[[date], int]) -> Callable[..., str]:
    """A customer with an order and a score by a criterion of the model `value`; its id."""

    def make(criterion: dict[str, Any], **fields: Any) -> str:
        model = {"name": "价值", "code": "value", "purpose": "value", "levels": LEVELS}
        criteria = [{"name": "指标", "weight": "100", **criterion}]
        made = boss.CreateValueModel(value_model={**model, "criteria": criteria})
        boss.ActivateValueModel(id=made.id, etag=made.etag)
        one = str(boss.CreateCustomer(customer={"name": "甲公司", "annual_revenue": "500", **fields}).id)
        order(one, "2026-11-01", "500")
        sweep(TODAY)
        return one

    return make


@pytest.fixture
def member(server: Server) -> Client:
    return server.person([*READS, "behaviour.read", "trade_entry.read"], "self", name="成员")


def reasons(who: Client, customer_id: str, topic: str) -> dict[str, Any]:
    """The reasons of a standing, as told now and in the history."""
    now = [s.reasons for s in who.ListStandings(customer_id=customer_id).standings if s.topic == topic]
    past = [c.reasons for c in who.ListStandingHistory(customer_id=customer_id, topic=topic).changes]
    assert now[0] == past[0]
    return dict(now[0])


def snapshot(boss: Client, server: Server, **base: Any) -> str:
    """A snapshot of a pyramid; its id."""
    tiers = [{"name": "Top", "from": "100"}, {"name": "Rest"}]
    made = boss.CreatePyramid(pyramid={"name": "金字塔", "method": "threshold", "tiers": tiers, **base})
    boss.TakePyramidSnapshot(id=made.id)
    server.run_jobs()
    return str(boss.ListPyramidSnapshots(id=made.id).snapshots[0].id)


def segment(boss: Client, filter_text: str = "", *conditions: dict[str, Any]) -> str:
    fields = {"name": "客户群", "kind": "live", "shared": True, "filter": filter_text, "conditions": conditions}
    return str(boss.CreateSegment(segment=fields).id)


@pytest.mark.feature("CUS-19")
@pytest.mark.parametrize(
    ("criterion", "right"), [(SALES, "trade_entry.read"), (VISITS, "visit.read"), (CALLS, "interaction.read")]
)
def test_who_may_not_read_what_a_model_counts_is_told_the_level_only(
    server: Server, boss: Client, graded: Any, criterion: dict[str, Any], right: str
) -> None:
    one = graded(criterion)
    scored = segment(boss, "", {"kind": "score", "code": "value", "from": "0"})
    taken = snapshot(boss, server, base="score", model="value")
    reader, other = server.person([*READS, right]), server.person(READS)
    assert reasons(reader, one, "value.value")["score"]
    assert reader.ListCustomerScores(customer_id=one).scores
    assert reader.CountSegmentMembers(id=scored).count == reader.GetPyramidFigures(snapshot_id=taken).customers == 1

    assert reasons(other, one, "value.value") == {}
    assert not other.ListCustomerScores(customer_id=one).scores
    with refused("PERMISSION_DENIED", "ASKS_UNSEEN"):
        other.CountSegmentMembers(id=scored)
    with refused("PERMISSION_DENIED", "ASKS_UNSEEN"):
        other.GetPyramidFigures(snapshot_id=taken)


@pytest.mark.feature("CUS-16")
def test_the_sales_behind_a_relation_are_for_whoever_reads_the_ledger(
    server: Server, boss: Client, order: Any, sweep: Any
) -> None:
    bands = [{"relation": "small", "to": "100"}, {"relation": "large", "from": "100"}]
    rule = {"name": "按订货额", "base": "sales", "period": "months", "months": 12, "bands": bands}
    made = boss.CreateGradingRule(grading_rule=rule)
    boss.ActivateGradingRule(id=made.id, etag=made.etag)
    one = boss.CreateCustomer(customer={"name": "甲公司"}).id
    order(one, "2026-11-01", "500")
    sweep(TODAY)

    assert reasons(server.person([*READS, "trade_entry.read"]), one, "relation")["sales"] == "500.00"
    assert "sales" not in reasons(server.person(READS), one, "relation")


@pytest.mark.feature("CUS-17")
def test_a_stage_does_not_tell_the_day_of_an_order_that_is_hidden(server: Server, boss: Client, graded: Any) -> None:
    one = graded(SALES)
    assert reasons(server.person(READS), one, "lifecycle")["lastOrderDate"] == "2026-11-01"
    assert "lastOrderDate" not in reasons(server.person(READS, fields=HIDDEN_DATE), one, "lifecycle")


@pytest.mark.feature("CUS-20")
def test_who_may_not_read_customers_is_told_of_no_members_and_no_tiers(server: Server, boss: Client) -> None:
    boss.CreateCustomer(customer={"name": "甲公司", "city": "上海", "annual_revenue": "500"})
    there, taken = segment(boss, 'city = "上海"'), snapshot(boss, server, base="field", field="annual_revenue")
    fields = {"name": "自用", "kind": "live", "filter": 'city = "上海"'}
    personal = boss.CreateSegment(segment=fields).id
    stranger = server.person(["segment.read", "pyramid.read"])
    for ask in (
        lambda: stranger.CountSegmentMembers(id=personal),
        lambda: stranger.ListSegmentMembers(id=there),
        lambda: stranger.CountSegmentMembers(id=there),
        lambda: stranger.GetPyramidFigures(snapshot_id=taken),
        lambda: stranger.ListPyramidCustomers(snapshot_id=taken, tier="Top"),
    ):
        with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
            ask()


@pytest.mark.feature("CUS-10")
def test_a_pool_with_a_view_quota_keeps_standings_and_scores_until_a_customer_is_opened(
    pools: Any, boss: Client, graded: Any, member: Client
) -> None:
    one = graded(REVENUE)
    levelled = segment(boss, "", {"kind": "level", "code": "value", "level": "A"})
    pool = pools.make(member_user_ids=[member.user_id], limits=[{"views_per_day": 5}])
    boss.GiveBackCustomer(id=one, etag=boss.GetCustomer(id=one).etag, reason="no_time", pool_id=pool.id)
    for rpc in ("ListStandings", "ListStandingHistory", "ListCustomerScores", "ListRegisterTakeovers"):
        with refused("NOT_FOUND"):
            getattr(member, rpc)(customer_id=one)
    assert member.CountSegmentMembers(id=levelled).count == 0

    member.ViewPoolCustomer(id=one)

    assert "value.value" in {s.topic for s in member.ListStandings(customer_id=one).standings}


@pytest.mark.feature("CUS-10")
def test_what_a_pool_hides_is_not_told_by_standings_segments_or_pyramids(
    server: Server, pools: Any, boss: Client, graded: Any, member: Client
) -> None:
    one = graded(REVENUE)
    rich, taken = segment(boss, "annual_revenue > 100"), snapshot(boss, server, base="field", field="annual_revenue")
    active = segment(boss, "", {"kind": "behaviour", "code": "view", "days": 9, "from": "1"})
    boss.RecordBehaviour(
        source="web", events=[{"event_id": "1", "time": datetime.now(UTC), "kind": "view", "customer_id": one}]
    )
    hidden = ["annual_revenue", "lifecycle", "behaviour"]
    pool = pools.make(member_user_ids=[member.user_id], hidden_fields=hidden)
    boss.GiveBackCustomer(id=one, etag=boss.GetCustomer(id=one).etag, reason="no_time", pool_id=pool.id)

    assert "lifecycle" not in {s.topic for s in member.ListStandings(customer_id=one).standings}
    assert not member.ListCustomerScores(customer_id=one).scores
    assert [member.CountSegmentMembers(id=i).count for i in (rich, active)] == [0, 0]
    assert member.GetPyramidFigures(snapshot_id=taken).customers == 0
