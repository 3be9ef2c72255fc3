"""Days at the borders of the calendar, and questions that leave out what is required."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from crm_kit.testing import Client, refused
from customer.trade.figures import months_between

LAST = date.max.isoformat()
FIRST = "1000-01-01"
"""A day is written with a year from 1000 on."""


@pytest.mark.feature("CUS-16", "CUS-21", "CUS-24", "CUS-10")
def test_a_period_may_end_on_the_last_day_there_is_and_begin_on_the_first(boss: Client, pools: Any) -> None:
    pool = pools.make()
    customer_id = boss.CreateCustomer(customer={"name": "甲"}).id
    for first, last in ((LAST, LAST), (FIRST, FIRST)):
        period = {"from_date": first, "until_date": last}
        assert boss.GetTradeFigures(customer_id=customer_id, **period).order_amount == "0.00"
        assert list(boss.GetCareProgress(**period).groups) == []
        assert boss.CountBehaviour(customer_id=customer_id, **period).total == 0
        assert boss.GetPoolStatistics(id=pool.id, **period).came_in == 0
        assert boss.SimulatePool(id=pool.id, **period).id
    assert boss.CountBehaviour(customer_id=customer_id, until_date=FIRST).total == 0
    assert boss.GetTradeFigures(customer_id=customer_id, from_date=FIRST, until_date=LAST).order_amount == "0.00"
    assert months_between(date.min, date.max) == Fraction(9999 * 12)


@pytest.mark.feature("CUS-21")
def test_a_calendar_is_of_some_year(boss: Client) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "year"):
        boss.GetCareCalendar()


@pytest.mark.feature("CUS-10")
def test_pools_are_found_by_a_part_of_their_name(boss: Client, pools: Any) -> None:
    found = pools.make("华东公海")
    pools.make("华北")
    assert [p.id for p in boss.ListPools(search="东公").pools] == [found.id]
    exported = boss.ExportRecords(record_type="pool", format="csv", search="华北").data.decode("utf-8-sig")
    assert ("华北" in exported, "华东" in exported) == (True, False)


@pytest.mark.feature("CUS-12", "CUS-13", "CUS-14")
@pytest.mark.parametrize("seconds", [253402300799, -62135596800, 2**62, -(2**62)])
def test_a_moment_has_a_day_wherever_one_looks_at_it(boss: Client, seconds: int) -> None:
    time = Timestamp(seconds=seconds)
    customer_id = boss.CreateCustomer(customer={"name": "甲"}).id
    with refused("INVALID_ARGUMENT", "INVALID", "planStart"):
        boss.CreateVisit(visit={"customer_id": customer_id, "subject": "拜访", "plan_start": time})
    with refused("INVALID_ARGUMENT", "INVALID", "startTime"):
        boss.CreateInteraction(interaction={"customer_id": customer_id, "subject": "电话", "start_time": time})
    with refused("INVALID_ARGUMENT", "INVALID", "startTime"):
        boss.CreateCustomerEvent(customer_event={"title": "宴请", "kind": "banquet", "start_time": time})
