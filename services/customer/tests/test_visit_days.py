"""Visits by day, a day as a route, plan against done: over what the caller reaches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm_kit.testing import Client, Server, refused
from customer.visits import missed

pytestmark = pytest.mark.feature("CUS-13")

RIGHTS = ["customer.*", "visit.*"]
CHINA = ZoneInfo("Asia/Shanghai")
Make = Callable[..., Any]


def at(day: str, hour: int = 9) -> datetime:
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), CHINA) + timedelta(hours=hour)


@pytest.fixture
def manager(server: Server) -> Client:
    return server.person(RIGHTS, "subordinates", name="张经理")


@pytest.fixture
def sellers(server: Server, manager: Client) -> list[Client]:
    east = server.department("华东部")
    return [
        server.person(RIGHTS, "self", name="甲销售", manager=manager, department_id=east),
        server.person(RIGHTS, "self", name="乙销售", manager=manager, department_id=east),
        server.person(RIGHTS, "self", name="丙销售", manager=manager),
    ]


def plan(client: Client, day: str, hour: int = 9, east: str = "", **more: Any) -> Any:
    where = {"latitude": "31.0", "longitude": east} if east else {}
    customer = client.CreateCustomer(customer={"name": f"客户{day}-{hour}", **where})
    return client.CreateVisit(
        visit={"customer_id": customer.id, "subject": f"{hour}", "plan_start": at(day, hour), **more}
    )


def check_in(client: Client, visit: Any) -> Any:
    return client.CheckInVisit(id=visit.id, etag=visit.etag, latitude="31.0", longitude="121.0")


def test_a_calendar_shows_days_in_order_page_by_page(manager: Client, sellers: list[Client], server: Server) -> None:
    for seller, day, hour in (
        (sellers[0], "2026-05-04", 23),
        (sellers[1], "2026-05-04", 8),
        (sellers[0], "2026-05-06", 0),
        (sellers[1], "2026-05-31", 10),
        (sellers[1], "2026-06-01", 0),
    ):
        plan(seller, day, hour)
    plan(server.person(RIGHTS, "self"), "2026-05-05", 9)

    def days(client: Client, **more: Any) -> list[tuple[str, list[str]]]:
        seen: list[tuple[str, list[str]]] = []
        token = ""
        while True:
            page = client.GetVisitCalendar(
                from_day="2026-05-01", to_day="2026-05-31", page_size=2, page_token=token, **more
            )
            seen += [(d.day, [v.subject for v in d.visits]) for d in page.days]
            token = page.next_page_token
            if not token:
                return seen

    assert days(manager) == [("2026-05-04", ["8", "23"]), ("2026-05-06", ["0"]), ("2026-05-31", ["10"])]
    assert days(manager, owner_id=sellers[0].user_id) == [("2026-05-04", ["23"]), ("2026-05-06", ["0"])]
    assert days(sellers[1]) == [("2026-05-04", ["8"]), ("2026-05-31", ["10"])]
    assert days(sellers[2]) == []
    assert days(manager, state="missed") == []
    for wrong in ({"from_day": "2026-06-02"}, {"to_day": "2026-09-01"}):
        with refused("INVALID_ARGUMENT", "INVALID", "toDay"):
            manager.GetVisitCalendar(**{"from_day": "2026-05-01", "to_day": "2026-05-31", **wrong})
    with refused("INVALID_ARGUMENT", "INVALID", "state"):
        manager.GetVisitCalendar(from_day="2026-05-01", to_day="2026-05-02", state='x" OR true')


def test_a_route_has_legs_in_planned_order_and_a_shorter_suggestion(sellers: list[Client], manager: Client) -> None:
    seller = sellers[0]
    day = "2026-05-04"
    first = plan(seller, day, 10, "121.0", route_order=1)
    third = plan(seller, day, 8, "121.1", route_order=3)
    second = plan(seller, day, 9, "121.3", route_order=2)
    nowhere = plan(seller, day, 7)
    called_off = plan(seller, day, 6, "121.2")
    seller.CancelVisit(id=called_off.id, etag=called_off.etag, cancel_reason="客户有事")
    plan(seller, "2026-05-05", 6, "121.2")

    route = manager.GetVisitRoute(owner_id=seller.user_id, day=day)

    assert [s.visit.id for s in route.stops] == [first.id, second.id, third.id, nowhere.id]
    legs = [s.leg_metres if s.HasField("leg_metres") else None for s in route.stops]
    assert legs == [None, 28594, 19063, None]
    assert route.total_metres == 28594 + 19063
    assert list(route.suggested_ids) == [first.id, third.id, second.id, nowhere.id]
    assert route.suggested_metres == 9531 + 19063
    assert list(route.without_position_ids) == [nowhere.id]
    assert (route.stops[1].latitude, route.stops[1].longitude, route.capped) == ("31.000000", "121.300000", False)
    assert [s.visit.id for s in seller.GetVisitRoute(day=day).stops] == [s.visit.id for s in route.stops]
    assert list(sellers[1].GetVisitRoute(owner_id=seller.user_id, day=day).stops) == []


def test_who_does_not_see_where_customers_are_gets_no_distances(sellers: list[Client], server: Server) -> None:
    for hour, east in ((8, "121.0"), (9, "121.1")):
        plan(sellers[0], "2026-05-04", hour, east)
    hidden = [{"resource": "customer", "field": "latitude", "rule": "hidden"}]
    reader = server.person(RIGHTS, "all", fields=hidden)

    route = reader.GetVisitRoute(owner_id=sellers[0].user_id, day="2026-05-04")

    assert [(s.latitude, s.longitude, s.leg_metres) for s in route.stops] == [("", "", 0)] * 2
    assert len(route.without_position_ids) == 2


@pytest.fixture
def spring(manager: Client, sellers: list[Client], server: Server) -> None:
    """Eight visits: what was done, missed and called off by three people in two months."""
    one, two, three = sellers
    done = check_in(one, plan(one, "2026-04-29", 9, "121.0"))
    left = one.CheckOutVisit(id=done.id, etag=done.etag, latitude="31.0", longitude="121.0")
    one.ReportVisit(id=left.id, etag=left.etag, result="好")
    check_in(one, plan(one, "2026-05-01", 9, "122.0"))
    plan(one, "2026-05-02")
    gone = plan(two, "2026-05-03")
    two.CancelVisit(id=gone.id, etag=gone.etag, cancel_reason="x")
    check_in(two, plan(two, "2026-05-03", 10))
    plan(two, "2026-05-04")
    plan(three, "2026-05-04")
    plan(server.person(RIGHTS, "self"), "2026-05-04")
    server.service.act(lambda call: missed.mark(call, datetime(2026, 5, 4, tzinfo=UTC)) and None)


def figures(client: Client, by: str, **more: Any) -> dict[str, tuple[int, ...]]:
    answer = client.GetVisitStatistics(from_day="2026-04-01", to_day="2026-05-31", group_by=by, **more)
    names = ("planned", "done", "reported", "missed", "cancelled", "off_site", "done_percent")
    rows = {g.label or g.key: tuple(getattr(g, n) for n in names) for g in answer.groups}
    return {**rows, "∑": tuple(getattr(answer.total, n) for n in names)}


@pytest.mark.usefixtures("spring")
def test_plan_is_held_against_what_was_done_by_person_department_and_period(manager: Client) -> None:
    total = (6, 3, 1, 1, 1, 1, 50)
    assert figures(manager, "person") == {
        "甲销售": (3, 2, 1, 1, 0, 1, 67),
        "乙销售": (2, 1, 0, 0, 1, 0, 50),
        "丙销售": (1, 0, 0, 0, 0, 0, 0),
        "∑": total,
    }
    assert figures(manager, "") == figures(manager, "person")
    assert figures(manager, "department") == {
        "华东部": (5, 3, 1, 1, 1, 1, 60),
        "": (1, 0, 0, 0, 0, 0, 0),
        "∑": total,
    }
    assert figures(manager, "month") == {
        "2026-04-01": (1, 1, 1, 0, 0, 0, 100),
        "2026-05-01": (5, 2, 0, 1, 1, 1, 40),
        "∑": total,
    }
    weeks = figures(manager, "week")
    assert {k: v[:2] for k, v in weeks.items()} == {"2026-04-27": (4, 3), "2026-05-04": (2, 0), "∑": (6, 3)}
    assert [*figures(manager, "day")][:2] == ["2026-04-29", "2026-05-01"]
    assert figures(manager, "person", filter="off_site = true")["∑"] == (1, 1, 0, 0, 0, 1, 100)


@pytest.mark.usefixtures("spring")
def test_statistics_reach_as_far_as_the_caller(sellers: list[Client], boss: Client) -> None:
    assert figures(sellers[2], "person") == {"丙销售": (1, 0, 0, 0, 0, 0, 0), "∑": (1, 0, 0, 0, 0, 0, 0)}
    assert figures(boss, "person")["∑"][0] == 7
    with refused("INVALID_ARGUMENT", "INVALID", "groupBy"):
        figures(boss, "customer")
    with refused("INVALID_ARGUMENT"):
        figures(boss, "person", filter="off_site = true) OR (off_site = false")
    with refused("INVALID_ARGUMENT", "INVALID", "toDay"):
        boss.GetVisitStatistics(from_day="2026-01-01", to_day="2027-01-02")


def test_nothing_planned_makes_an_empty_answer(boss: Client) -> None:
    assert figures(boss, "person") == {"∑": (0,) * 7}
