"""Where a customer is, is not told by its visits to who does not see it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused

pytestmark = pytest.mark.feature("CUS-13")

THERE = {"latitude": "31.230400", "longitude": "121.473700"}
AWAY = {**THERE, "latitude": "31.300000"}
RIGHTS = ["visit.read", "customer.read"]


@pytest.fixture
def visit(boss: Client) -> Any:
    """Somebody was there and eight kilometres off."""
    customer = boss.CreateCustomer(customer={"name": "甲公司", **THERE})
    start = datetime.now(UTC) - timedelta(days=1)
    made = boss.CreateVisit(visit={"customer_id": customer.id, "subject": "拜访", "plan_start": start})
    made = boss.CheckInVisit(id=made.id, etag=made.etag, **AWAY)
    return boss.CheckOutVisit(id=made.id, etag=made.etag, **AWAY)


@pytest.mark.parametrize("field", ["latitude", "longitude"])
def test_distances_are_for_who_sees_the_position(server: Server, boss: Client, visit: Any, field: str) -> None:
    reader = server.person(RIGHTS, fields=[{"resource": "customer", "field": field, "rule": "hidden"}])
    days = {"from_day": visit.plan_day, "to_day": visit.plan_day}

    (listed,) = reader.ListVisits().visits
    for seen in (reader.GetVisit(id=visit.id), listed, reader.GetVisitCalendar(**days).days[0].visits[0]):
        assert not seen.HasField("check_in_distance")
        assert not seen.HasField("check_out_distance")
        assert not seen.off_site
    for asked in ("checkInDistance > 7000", "offSite = true"):
        with refused("INVALID_ARGUMENT", "BAD_FILTER"):
            reader.ListVisits(filter=asked)
    assert reader.GetVisitStatistics(**days).total.off_site == 0
    told = {c.field for one in reader.ListChanges(record_type="visit", id=visit.id).changes for c in one.changes}
    assert not told & {"checkInDistance", "checkOutDistance", "offSite"}
    assert (boss.GetVisit(id=visit.id).off_site, boss.GetVisitStatistics(**days).total.off_site) == (True, 1)


def test_a_pool_that_hides_the_position_hides_it_on_the_way_as_well(
    server: Server, boss: Client, pools: Any, visit: Any
) -> None:
    member = server.person([*RIGHTS, "customer.claim"], "self", name="同行")
    pool = pools.make(member_user_ids=[member.user_id], hidden_fields=["latitude", "longitude"])
    own = boss.CreateVisit(
        visit={
            "customer_id": visit.customer_id,
            "subject": "再访",
            "plan_start": visit.plan_start,
            "participant_ids": [member.user_id],
        }
    )
    customer = boss.GetCustomer(id=visit.customer_id)
    boss.GiveBackCustomer(id=customer.id, etag=customer.etag, reason="no_time", pool_id=pool.id)

    way = member.GetVisitRoute(day=visit.plan_day, owner_id=boss.user_id)

    assert {stop.latitude for stop in way.stops} == {""}
    assert own.id in way.without_position_ids
    assert not member.GetVisit(id=visit.id).HasField("check_in_distance")
    assert boss.GetVisitRoute(day=visit.plan_day).stops[0].latitude == THERE["latitude"]
