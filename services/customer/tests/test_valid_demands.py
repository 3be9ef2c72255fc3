"""The mark of a customer that has a valid demand: set at once by what is written, and by the day as it comes."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from crm_kit.testing import Client, Server
from customer import valid_demands

pytestmark = pytest.mark.feature("CUS-04")

TODAY = valid_demands.today()


def day(offset: int) -> str:
    return (TODAY + timedelta(days=offset)).isoformat()


def wish(boss: Client, customer: Any, first: int | None, last: int | None) -> Any:
    said = {"customer_id": customer.id, "kind": "advertising", "description": "封底广告"}
    if first is not None:
        said["valid_from"] = day(first)
    if last is not None:
        said["valid_until"] = day(last)
    return boss.CreateDemand(demand=said)


def with_demand(boss: Client) -> list[str]:
    return [c.name for c in boss.ListCustomers(filter="has_valid_demand = true", order_by="name").customers]


def refreshed(server: Server, when: date) -> None:
    server.service.act(lambda call: while_anything_changes(call, when))


def while_anything_changes(call: Any, when: date) -> None:
    while valid_demands.refresh(call, when):
        pass


def test_customers_are_found_by_having_a_valid_demand(boss: Client) -> None:
    for name, first, last in (("甲", -1, 1), ("乙", -9, -1), ("丙", 1, 9), ("丁", None, None)):
        wish(boss, boss.CreateCustomer(customer={"name": name}), first, last)
    boss.CreateCustomer(customer={"name": "戊"})

    assert with_demand(boss) == sorted(["甲", "丁"])
    without = boss.ListCustomers(filter="has_valid_demand = false").customers
    assert {c.name for c in without} == {"乙", "丙", "戊"}
    assert not any(c.has_valid_demand for c in without)


def test_a_demand_that_ends_is_deleted_or_restored_moves_the_mark_at_once(boss: Client) -> None:
    customer = boss.CreateCustomer(customer={"name": "甲"})
    made = wish(boss, customer, -1, 1)
    marks = [boss.GetCustomer(id=customer.id).has_valid_demand]

    mask = {"paths": ["valid_until"]}
    ended = boss.UpdateDemand(demand={"id": made.id, "valid_until": day(-1)}, update_mask=mask, etag=made.etag)
    marks.append(boss.GetCustomer(id=customer.id).has_valid_demand)
    longer = boss.UpdateDemand(demand={"id": made.id, "valid_until": day(5)}, update_mask=mask, etag=ended.etag)
    marks.append(boss.GetCustomer(id=customer.id).has_valid_demand)
    boss.DeleteDemand(id=made.id, etag=longer.etag)
    marks.append(boss.GetCustomer(id=customer.id).has_valid_demand)
    boss.RestoreDemand(id=made.id)
    marks.append(boss.GetCustomer(id=customer.id).has_valid_demand)

    assert marks == [True, False, True, False, True]
    assert boss.GetCustomer(id=customer.id).etag == customer.etag


def test_the_day_begins_and_ends_demands_without_anybody_writing(boss: Client, server: Server) -> None:
    for name, first, last in (("今天", 0, 0), ("明天", 1, 1), ("后天", 2, None)):
        wish(boss, boss.CreateCustomer(customer={"name": name}), first, last)

    seen = []
    for offset in (0, 1, 2, 9):
        refreshed(server, TODAY + timedelta(days=offset))
        seen.append(with_demand(boss))

    assert seen == [["今天"], ["明天"], ["后天"], ["后天"]]


def test_nobody_gives_the_mark(boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "甲", "has_valid_demand": True})

    assert not boss.GetCustomer(id=made.id).has_valid_demand


def test_the_clock_rests_when_the_day_is_done_and_begins_again_with_the_next(
    boss: Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish(boss, boss.CreateCustomer(customer={"name": "明天"}), 1, 1)
    by_the_clock = valid_demands.EveryDay()

    server.service.act(by_the_clock)
    before = with_demand(boss)
    monkeypatch.setattr(valid_demands, "today", lambda: TODAY + timedelta(days=1))
    server.service.act(by_the_clock)

    assert (before, with_demand(boss)) == ([], ["明天"])
