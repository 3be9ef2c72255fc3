"""The opportunity summary beside a computation of its own over the same records."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit.testing import Client, event, refused

pytestmark = pytest.mark.feature("RPT-01")

GROUPS = ("stage", "product", "customer", "owner", "manager", "region", "quarter")


def is_open(o: Opportunity) -> bool:
    return o.state not in ("won", "lost", "archived")


def is_won(o: Opportunity) -> bool:
    return not is_open(o) and o.stage == "won"


def day(o: Opportunity) -> str:
    return o.expected_close_date if is_open(o) else o.close_date


def region(company: Any, department: str) -> str:
    while department and not company.regions[department]:
        department = company.parents[department]
    return company.regions.get(department, "")


def keys(company: Any, group: str, o: Opportunity) -> set[str]:
    """The lines that an opportunity is counted in."""
    home = company.homes.get(o.owner_id, "") if o.owner_id else o.department_id
    quarter = f"{day(o)[:4]}-Q{(int(day(o)[5:7]) - 1) // 3 + 1}" if day(o) else ""
    return {
        "stage": {o.stage},
        "product": {line.product_id for line in o.lines} or {""},
        "customer": {o.customer_id},
        "owner": {o.owner_id},
        "manager": {company.managers.get(o.owner_id, "")},
        "region": {region(company, home)},
        "quarter": {quarter},
    }[group]


def part(o: Opportunity, product: str) -> Fraction:
    """The share of a product in an opportunity."""
    if not o.lines:
        return Fraction(1)
    weights = [(line.product_id, Fraction(line.amount or 0)) for line in o.lines]
    if not sum(w for _, w in weights):
        weights = [(p, Fraction(1)) for p, _ in weights]
    return Fraction(sum(w for p, w in weights if p == product), sum(w for _, w in weights))


def cycle(o: Opportunity) -> int:
    created = (o.create_time.ToDatetime() + timedelta(hours=8)).date()
    return (date.fromisoformat(o.close_date) - (date.fromisoformat(o.engage_date) if o.engage_date else created)).days


def reach(company: Any, who: Client) -> Any:
    """What a person may see, said once more in other words."""
    ann, bob = company.ann.user_id, company.bob.user_id
    below = {ann} | {p for p, m in company.managers.items() if m == ann}
    chosen = {company.east, company.departments[0]}
    of = {
        company.boss.user_id: lambda o: True,
        ann: lambda o: o.owner_id in below,
        bob: lambda o: o.owner_id == bob or home(company, o) == company.west,
        company.sellers[2].user_id: lambda o: o.owner_id == who.user_id or home(company, o) == company.west,
        company.sellers[3].user_id: lambda o: o.owner_id == who.user_id or home(company, o) in chosen,
    }
    return of.get(who.user_id, lambda o: o.owner_id == who.user_id)


def home(company: Any, o: Opportunity) -> str:
    return company.homes[o.owner_id] if o.owner_id else o.department_id


def check_line(line: Any, members: list[Opportunity], share: Any) -> None:
    won = [o for o in members if is_won(o)]
    closed = [o for o in members if not is_open(o)]
    assert (line.count, line.won_count) == (len(members), len(won))
    assert line.HasField("win_rate") == bool(closed)
    assert not closed or line.win_rate == pytest.approx(len(won) / len(closed))
    assert line.HasField("mean_cycle_days") == bool(won)
    assert not won or line.mean_cycle_days == pytest.approx(sum(map(cycle, won)) / len(won))
    cent = Fraction(len(members), 20) if share else 0
    amount = sum(Fraction(o.won_amount or 0) * (share(o) if share else 1) for o in won)
    assert abs(Fraction(line.won_amount) - amount) <= cent
    expected = sum(Fraction(o.expected_amount or 0) * (share(o) if share else 1) for o in members if is_open(o))
    assert abs(Fraction(line.open_amount) - expected) <= cent


def check(company: Any, who: Client, group: str, everything: list[Opportunity], **period: str) -> None:
    may_see = reach(company, who)
    seen = [o for o in everything if may_see(o) and not o.HasField("delete_time")]
    first, last = period.get("from_date", ""), period.get("until_date", "9999")
    if period:
        seen = [o for o in seen if day(o) and first <= day(o) <= last]
    groups = defaultdict(list)
    for o in seen:
        for key in keys(company, group, o):
            groups[key].append(o)

    report = who.GetOpportunitySummary(group_by=group, **period)

    assert {row.key for row in report.rows} == set(groups)
    for row in report.rows:
        share = (lambda o, product=row.key: part(o, product)) if group == "product" else None
        check_line(row, groups[row.key], share)
    check_line(report.total, seen, None)
    assert sum(Decimal(row.won_amount) for row in report.rows) == Decimal(report.total.won_amount)
    amounts = [Decimal(row.won_amount) for row in report.rows]
    assert amounts == sorted(amounts, reverse=True)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_group_and_scope_equals_a_naive_computation(company: Any, seed: int) -> None:
    chance = random.Random(seed)
    everything = [company.opportunity(chance) for _ in range(150)]
    company.server.deliver("sales", *(event(o, "created") for o in everything))

    for who in (company.boss, company.ann, company.bob, *company.sellers):
        for group in GROUPS:
            check(company, who, group, everything)
    for group in GROUPS:
        check(company, company.boss, group, everything, from_date="2017-06-15", until_date="2018-02-01")
        check(company, company.ann, group, everything, from_date="2018-01-10")


def test_a_person_who_moves_takes_the_figures_along_at_once(company: Any) -> None:
    chance = random.Random(3)
    everything = [company.opportunity(chance) for _ in range(60)]
    company.server.deliver("sales", *(event(o, "created") for o in everything))
    seller = company.sellers[2]
    check(company, company.ann, "owner", everything)

    company.move(seller, company.ann, company.east_one)

    assert any(o.owner_id == seller.user_id for o in everything)
    for group in ("owner", "manager", "region"):
        for who in (company.boss, company.ann, company.bob):
            check(company, who, group, everything)


def test_lines_come_in_the_order_asked_for_and_the_total_is_over_all(company: Any) -> None:
    chance = random.Random(4)
    everything = [company.opportunity(chance) for _ in range(80)]
    company.server.deliver("sales", *(event(o, "created") for o in everything))
    ask = company.boss.GetOpportunitySummary

    counts = [(-r.count, r.key) for r in ask(group_by="customer", order_by="count").rows]
    rates = [(-r.win_rate, r.key) for r in ask(group_by="owner", order_by="win_rate").rows if r.HasField("win_rate")]
    quarters = [r.key for r in ask(group_by="quarter", order_by="key").rows]
    few = ask(group_by="owner", limit=2)

    assert counts == sorted(counts)
    assert rates == sorted(rates)
    assert quarters == sorted(quarters)
    assert len(few.rows) == 2
    assert few.total == ask(group_by="owner").total


def test_lines_are_named_in_the_callers_language(company: Any) -> None:
    seller = company.sellers[0]
    made = Opportunity(
        id=company.products[0], owner_id=seller.user_id, stage="won", state="won", close_date="2017-03-01"
    )
    company.server.deliver("sales", event(made, "created"))

    def label(group: str, language: str = "zh-CN") -> str:
        answer = company.boss.GetOpportunitySummary(group_by=group, metadata={"accept-language": language})
        return answer.rows[0].label

    assert [label("stage"), label("stage", "en")] == ["赢单", "Won"]
    assert [label("product"), label("product", "en")] == ["(无)", "(none)"]
    assert [label("owner"), label("manager"), label("quarter")] == ["甲", "安经理", "2017-Q1"]


def test_each_wrong_field_is_named(boss: Client) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "groupBy", "fromDate", "orderBy", "limit"):
        boss.GetOpportunitySummary(group_by="colour", from_date="yesterday", order_by="size", limit=5000)
    with refused("INVALID_ARGUMENT", "INVALID", "groupBy"):
        boss.GetOpportunitySummary()
    with refused("INVALID_ARGUMENT", "INVALID", "untilDate"):
        boss.GetOpportunitySummary(group_by="owner", from_date="2017-02-01", until_date="2017-01-01")


def test_who_may_not_read_opportunities_gets_no_figures_of_them(company: Any) -> None:
    reader = company.server.person(rights=["report.read"])

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        reader.GetOpportunitySummary(group_by="stage")
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        reader.GetFunnel()
