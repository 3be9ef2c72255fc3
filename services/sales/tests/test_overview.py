"""The parts of a customer's overview that sales owns: opportunities, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from crm.records.v1.overview_pb2 import OverviewPart
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit import ids
from crm_kit.testing import Client, Server

pytestmark = pytest.mark.feature("CUS-15")
READS = ["opportunity.read"]


def parts(client: Client, customer_id: str) -> Mapping[str, OverviewPart]:
    return {part.code: part for part in client.GetOverview(id=customer_id).parts}


def rows(part: OverviewPart) -> list[Opportunity]:
    return [Opportunity.FromString(row.value) for row in part.rows]


def sums(part: OverviewPart) -> list[tuple[str, str, str]]:
    return [(f.code, f.currency, f.value) for f in part.figures]


@pytest.fixture
def steel(boss: Client, customer: Callable[..., str], make: Callable[..., Any]) -> str:
    """A customer with three open opportunities, one of them in dollars, a won and a lost one; another has one, too."""
    id_ = customer("宝山钢铁")
    for title, amount, day, more in (
        ("一期", "100.00", "2027-03-01", {}),
        ("二期", "250.50", "2027-01-01", {}),
        ("出口", "80.00", "2027-02-01", {"currency": "USD"}),
    ):
        make(boss, title, customer_id=id_, expected_amount=amount, expected_close_date=day, **more)
    won = make(boss, "零期", customer_id=id_, expected_amount="900")
    boss.WinOpportunity(id=won.id, etag=won.etag, won_amount="888.00")
    lost = make(boss, "没成", customer_id=id_, expected_amount="5000")
    boss.LoseOpportunity(id=lost.id, etag=lost.etag, lost_reason="price")
    make(boss, "别人的", customer_id=customer("乙公司"), expected_amount="7000")
    return id_


def test_open_and_won_ones_with_what_they_come_to(boss: Client, steel: str) -> None:
    found = parts(boss, steel)

    assert [o.title for o in rows(found["open_opportunities"])] == ["二期", "出口", "一期"]
    assert sorted(sums(found["open_opportunities"])) == [
        ("expected_amount", "CNY", "350.50"),
        ("expected_amount", "USD", "80.00"),
    ]
    assert [(o.title, o.won_amount) for o in rows(found["won_opportunities"])] == [("零期", "888.00")]
    assert sums(found["won_opportunities"]) == [("won_amount", "CNY", "888.00")]
    assert (found["open_opportunities"].total, found["won_opportunities"].total) == (3, 1)


def test_only_ones_own_are_shown_and_added_up(server: Server, boss: Client, steel: str, make: Any) -> None:
    seller = server.person(READS, "self")
    make(boss, "我的", customer_id=steel, expected_amount="30", owner_id=seller.user_id)

    mine = parts(seller, steel)["open_opportunities"]
    assert ([o.title for o in rows(mine)], mine.total) == (["我的"], 1)
    assert sums(mine) == [("expected_amount", "CNY", "30.00")]


def test_without_the_right_nothing_is_told(server: Server, steel: str) -> None:
    found = parts(server.person(["customer.read"]), steel)

    assert found == {code: OverviewPart(code=code, state="no_right") for code in found}
    assert set(found) == {"open_opportunities", "won_opportunities"}


@pytest.mark.parametrize("rule", ["hidden", "masked"])
def test_amounts_that_one_does_not_see_are_neither_shown_nor_added_up(server: Server, steel: str, rule: str) -> None:
    closed = [
        {"resource": "opportunity", "field": "expected_amount", "rule": rule},
        {"resource": "opportunity", "field": "won_amount", "rule": rule},
    ]
    found = parts(server.person(READS, fields=closed), steel)

    assert [o.title for o in rows(found["open_opportunities"])] == ["二期", "出口", "一期"]
    assert {o.expected_amount for o in rows(found["open_opportunities"])} == {""}
    assert {o.won_amount for o in rows(found["won_opportunities"])} == {""}
    assert sums(found["open_opportunities"]) == sums(found["won_opportunities"]) == []


@pytest.mark.parametrize("field", ["customer_id", "state"])
def test_rows_chosen_by_a_field_that_one_does_not_see_are_not_told(server: Server, steel: str, field: str) -> None:
    blind = server.person(READS, fields=[{"resource": "opportunity", "field": field, "rule": "hidden"}])

    assert {part.state for part in parts(blind, steel).values()} == {"no_right"}


def test_a_currency_that_one_does_not_see_leaves_the_rows_without_sums(server: Server, steel: str) -> None:
    blind = server.person(READS, fields=[{"resource": "opportunity", "field": "currency", "rule": "hidden"}])

    found = parts(blind, steel)["open_opportunities"]
    assert (found.total, sums(found)) == (3, [])


def test_of_a_customer_that_is_unknown_there_is_nothing(boss: Client, steel: str) -> None:
    found = parts(boss, ids.uuid7())

    assert [(part.state, part.total, list(part.rows)) for part in found.values()] == [("shown", 0, [])] * 2
