"""Visits: planned, checked in and out of with a position, reported, commented; missed by the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm_kit.testing import Client, Server, refused
from customer.visits import missed
from customer.visits.distance import length, metres, nearest_first

pytestmark = pytest.mark.feature("CUS-13")

RIGHTS = ["customer.*", "contact.*", "visit.*", "visit_rule.read", "interaction.read"]
CHINA = ZoneInfo("Asia/Shanghai")
MIDNIGHT = datetime.combine(datetime.now(CHINA), time(), CHINA) + timedelta(days=1)
SOON = min(datetime.now(UTC) + timedelta(hours=1), MIDNIGHT - timedelta(seconds=1))
"""Still today where the company is."""
THERE = {"latitude": "31.230400", "longitude": "121.473700"}
Make = Callable[..., Any]


@pytest.fixture
def manager(server: Server) -> Client:
    return server.person(RIGHTS, "subordinates", name="张经理")


@pytest.fixture
def seller(server: Server, manager: Client) -> Client:
    return server.person(RIGHTS, "self", name="李销售", manager=manager)


@pytest.fixture
def customer(seller: Client) -> Any:
    return seller.CreateCustomer(customer={"name": "甲公司", **THERE})


@pytest.fixture
def plan(seller: Client, customer: Any) -> Make:
    def make(client: Client = seller, of: Any = customer, **more: Any) -> Any:
        said = {"customer_id": of.id, "subject": "季度拜访", "plan_start": SOON, **more}
        return client.CreateVisit(visit=said)

    return make


def here(client: Client, visit: Any, verb: str = "CheckInVisit", north: str = "31.230400", **more: Any) -> Any:
    return getattr(client, verb)(id=visit.id, etag=visit.etag, latitude=north, longitude=THERE["longitude"], **more)


def test_a_visit_goes_from_plan_to_report(seller: Client, plan: Make, server: Server, customer: Any) -> None:
    device_time = datetime(2026, 5, 1, 8, 30, tzinfo=UTC)
    photo = "01890000-0000-7000-8000-0000000000aa"
    begin = datetime.now(UTC)
    planned = plan(plan_end=SOON + timedelta(hours=2), purpose="续签", place="一号楼")

    arrived = here(seller, planned, accuracy=12, client_time=device_time, photo_id=photo)
    left = here(seller, arrived, "CheckOutVisit")
    with refused("INVALID_ARGUMENT", "INVALID", "result"):
        seller.ReportVisit(id=left.id, etag=left.etag)
    told = seller.ReportVisit(
        id=left.id, etag=left.etag, result="同意续签", next_step="寄合同", next_step_due_date="2026-06-01"
    )

    assert [v.state for v in (planned, arrived, left, told)] == ["planned", "checked_in", "checked_out", "reported"]
    assert begin <= arrived.check_in_time.ToDatetime(UTC) <= datetime.now(UTC)
    assert arrived.check_in_client_time.ToDatetime(UTC) == device_time
    assert (arrived.check_in_accuracy, arrived.check_in_photo_id) == (12, photo)
    assert (arrived.check_in_distance, arrived.off_site, arrived.off_site_metres) == (0, False, 500)
    assert (told.result, told.next_step, told.next_step_due_date) == ("同意续签", "寄合同", "2026-06-01")
    assert (told.customer_name, told.owner_name) == ("甲公司", "李销售")
    assert [e.action for e in server.events("visit")] == ["created", "checked_in", "checked_out", "reported"]
    assert b"31.2304" not in b"".join(e.SerializeToString() for e in server.events("visit"))
    last = seller.GetCustomer(id=customer.id).last_contact_time
    assert last == arrived.check_in_time


def test_the_day_of_a_plan_that_is_not_seen_is_not_told_either(server: Server, plan: Make) -> None:
    planned = plan()
    rules = [{"resource": "visit", "field": "plan_start", "rule": "hidden"}]
    reader = server.person(["visit.read", "customer.read"], fields=rules)

    assert planned.plan_day
    assert reader.GetVisit(id=planned.id).plan_day == ""
    with refused("INVALID_ARGUMENT", "BAD_FILTER"):
        reader.ListVisits(filter=f"planDay = {planned.plan_day}")


def test_a_visit_that_only_began_is_no_contact_yet(seller: Client, plan: Make, customer: Any) -> None:
    here(seller, plan())

    assert not seller.GetCustomer(id=customer.id).HasField("last_contact_time")


@pytest.mark.parametrize(
    ("north", "distance", "off_site"), [("31.234800", 489, False), ("31.235000", 511, True), ("40.0", 975136, True)]
)
def test_a_check_in_too_far_away_is_marked_and_kept(
    seller: Client, plan: Make, north: str, distance: int, off_site: bool
) -> None:
    arrived = here(seller, plan(), north=north)

    assert (arrived.state, arrived.check_in_distance, arrived.off_site) == ("checked_in", distance, off_site)


def test_administrators_say_how_far_is_too_far(boss: Client, seller: Client, plan: Make) -> None:
    (rule,) = boss.ListVisitRules().visit_rules
    assert (rule.off_site_metres, rule.missed_after_hours) == (500, 12)
    boss.UpdateVisitRule(
        visit_rule={"id": rule.id, "off_site_metres": 100}, update_mask={"paths": ["off_site_metres"]}, etag=rule.etag
    )

    arrived = here(seller, plan(), north="31.232000")

    assert (arrived.check_in_distance, arrived.off_site_metres, arrived.off_site) == (178, 100, True)
    with refused("INVALID_ARGUMENT", "INVALID", "offSiteMetres"):
        boss.UpdateVisitRule(
            visit_rule={"id": rule.id, "off_site_metres": -1}, update_mask={"paths": ["off_site_metres"]}, etag="2"
        )


def test_where_the_customer_has_no_position_there_is_no_distance(seller: Client, plan: Make) -> None:
    arrived = here(seller, plan(of=seller.CreateCustomer(customer={"name": "乙公司"})))

    assert (arrived.state, arrived.HasField("check_in_distance"), arrived.off_site) == ("checked_in", False, False)


@pytest.mark.parametrize(
    "position", [{"latitude": "91", "longitude": "1"}, {"latitude": "1"}, {"latitude": "x", "longitude": "1"}]
)
def test_a_position_that_is_none_is_refused(seller: Client, plan: Make, position: dict[str, str]) -> None:
    made = plan()

    with refused("INVALID_ARGUMENT", "INVALID"):
        seller.CheckInVisit(id=made.id, etag=made.etag, **position)
    assert seller.GetVisit(id=made.id).state == "planned"


def test_states_follow_one_another(seller: Client, plan: Make) -> None:
    made = plan()
    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        here(seller, made, "CheckOutVisit")
    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        seller.ReportVisit(id=made.id, etag=made.etag, result="x")
    with refused("INVALID_ARGUMENT", "INVALID", "cancelReason"):
        seller.CancelVisit(id=made.id, etag=made.etag)
    arrived = here(seller, made)
    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        here(seller, arrived)
    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        seller.CancelVisit(id=made.id, etag=arrived.etag, cancel_reason="客户有事")
    with refused("FAILED_PRECONDITION", "VISIT_TOOK_PLACE"):
        seller.DeleteVisit(id=made.id, etag=arrived.etag)
    with refused("FAILED_PRECONDITION", "VISIT_PLAN_FIXED"):
        seller.UpdateVisit(visit={"id": made.id, "subject": "x"}, update_mask={"paths": ["subject"]}, etag=arrived.etag)
    with refused("INVALID_ARGUMENT", "BAD_UPDATE_MASK"):
        seller.UpdateVisit(visit={"id": made.id, "state": "x"}, update_mask={"paths": ["state"]}, etag=arrived.etag)
    other = plan()
    gone = seller.CancelVisit(id=other.id, etag=other.etag, cancel_reason="客户有事")
    assert (gone.state, gone.cancel_reason) == ("cancelled", "客户有事")
    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        here(seller, gone)


def test_a_plan_makes_sense(seller: Client, plan: Make, boss: Client) -> None:
    stranger = boss.CreateContact(
        contact={"customer_id": boss.CreateCustomer(customer={"name": "别家"}).id, "name": "王芳"}
    )
    with refused("INVALID_ARGUMENT", "INVALID", "planEnd"):
        plan(plan_end=SOON - timedelta(hours=1))
    with refused("INVALID_ARGUMENT", "INVALID", "contactIds"):
        plan(contact_ids=[stranger.id])
    with refused("INVALID_ARGUMENT", "INVALID", "contactIds") as refusal:
        boss.CreateVisit(
            visit={
                "customer_id": boss.CreateCustomer(customer={"name": "丙"}).id,
                "subject": "x",
                "plan_start": SOON,
                "contact_ids": [stranger.id],
            }
        )
    assert "不属于该客户" in refusal.fields["contactIds"]


def test_only_whoever_goes_there_checks_in(
    seller: Client, manager: Client, boss: Client, server: Server, plan: Make
) -> None:
    helper = server.person(RIGHTS, "self", name="同行")
    made = plan(participant_ids=[helper.user_id])

    for other in (manager, boss):
        with refused("PERMISSION_DENIED", "NOT_GOING"):
            here(other, made)
    assert here(helper, made).state == "checked_in"


def test_nobody_checks_in_before_the_day_of_the_plan(seller: Client, plan: Make) -> None:
    day = f"{MIDNIGHT:%Y-%m-%d}"
    made = plan(plan_start=MIDNIGHT)

    with refused("FAILED_PRECONDITION", "CHECK_IN_TOO_EARLY") as refusal:
        here(seller, made)
    assert day in refusal.message
    assert "修改计划" in refusal.message
    with refused("FAILED_PRECONDITION", "CHECK_IN_TOO_EARLY") as refusal:
        here(seller, made, metadata={"accept-language": "en"})
    assert day in refusal.message
    assert "move the plan" in refusal.message

    assert seller.GetVisit(id=made.id).state == "planned"
    moved = seller.UpdateVisit(
        visit={"id": made.id, "plan_start": SOON}, update_mask={"paths": ["plan_start"]}, etag=made.etag
    )
    assert here(seller, moved).state == "checked_in"


def test_later_than_planned_is_not_refused(seller: Client, plan: Make) -> None:
    assert here(seller, plan(plan_start=SOON - timedelta(days=400))).state == "checked_in"


def test_a_manager_above_comments_and_nobody_else(
    seller: Client, manager: Client, boss: Client, server: Server, plan: Make
) -> None:
    top = server.person(RIGHTS, "all", name="总监")
    server.sql("UPDATE org_user SET manager_id = :top WHERE id = :m", top=top.user_id, m=manager.user_id)
    made = plan()

    for other in (seller, boss):
        with refused("PERMISSION_DENIED", "NOT_ABOVE"):
            other.CommentVisit(id=made.id, etag=made.etag, comment="再去一次")
    said = manager.CommentVisit(id=made.id, etag=made.etag, comment="再去一次")
    assert (said.comment, said.commenter_id, said.state) == ("再去一次", manager.user_id, "planned")
    assert said.HasField("comment_time")
    assert top.CommentVisit(id=made.id, etag=said.etag, comment="好").commenter_id == top.user_id
    clerk = server.person(["visit.read", "visit.update"], "all")
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        clerk.CommentVisit(id=made.id, etag="3", comment="x")


def test_who_sees_the_customer_sees_its_visits_and_so_does_whoever_goes(
    seller: Client, manager: Client, server: Server, customer: Any, plan: Make
) -> None:
    technician = server.person(RIGHTS, "self", name="技术员", manager=manager)
    made = plan(client=manager, owner_id=technician.user_id)

    for who in (seller, manager, technician):
        assert who.GetVisit(id=made.id).subject == "季度拜访"
        assert [v.id for v in who.ListVisits().visits] == [made.id]
    with refused("NOT_FOUND"):
        technician.GetCustomer(id=customer.id)
    assert here(technician, made).state == "checked_in"


def test_what_lies_outside_the_scope_is_not_found(server: Server, customer: Any, plan: Make) -> None:
    stranger = server.person(RIGHTS, "self")
    made = plan()

    for step in (
        lambda: stranger.GetVisit(id=made.id),
        lambda: here(stranger, made),
        lambda: here(stranger, made, "CheckOutVisit"),
        lambda: stranger.ReportVisit(id=made.id, etag=made.etag, result="x"),
        lambda: stranger.CancelVisit(id=made.id, etag=made.etag, cancel_reason="x"),
        lambda: stranger.CommentVisit(id=made.id, etag=made.etag, comment="x"),
        lambda: stranger.DeleteVisit(id=made.id, etag=made.etag),
        lambda: stranger.UpdateVisit(
            visit={"id": made.id, "subject": "x"}, update_mask={"paths": ["subject"]}, etag="1"
        ),
        lambda: stranger.ListChanges(record_type="visit", id=made.id),
    ):
        with refused("NOT_FOUND"):
            step()
    with refused("INVALID_ARGUMENT", "INVALID", "customerId"):
        stranger.CreateVisit(visit={"customer_id": customer.id, "subject": "x", "plan_start": SOON})
    assert list(stranger.ListVisits().visits) == []


def test_to_plan_for_another_takes_the_right_to_assign(server: Server, boss: Client, customer: Any, plan: Make) -> None:
    clerk = server.person(["customer.read", "visit.read", "visit.create"], "all")

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        plan(client=clerk, owner_id=boss.user_id)


def test_the_clock_marks_what_was_missed_once(seller: Client, plan: Make, server: Server) -> None:
    now = datetime.now(UTC)
    late = plan(plan_start=now - timedelta(hours=20), plan_end=now - timedelta(hours=13))
    not_yet = plan(plan_start=now - timedelta(hours=20), plan_end=now - timedelta(hours=11))
    without_end = plan(plan_start=now - timedelta(hours=13))
    there = here(seller, plan(plan_start=now - timedelta(days=3)))

    for _ in range(2):
        server.service.act(lambda call: missed.mark(call, now) and None)

    states = {v.id: v.state for v in seller.ListVisits().visits}
    assert states == {late.id: "missed", not_yet.id: "planned", without_end.id: "missed", there.id: "checked_in"}
    told = [(e.record_id, e.actor_id) for e in server.events("visit") if e.action == "missed"]
    assert sorted(told) == sorted([(late.id, ""), (without_end.id, "")])
    server.service.act(lambda call: missed.mark(call, now + timedelta(hours=2)) and None)
    assert seller.GetVisit(id=not_yet.id).state == "missed"
    came = here(seller, seller.GetVisit(id=late.id))
    assert (came.state, came.HasField("missed_time")) == ("checked_in", False)


def test_distances_on_a_sphere() -> None:
    """One degree along a meridian is R·π/180; the antipode is half the way round; Beijing to Shanghai is known."""

    def place(north: str, east: str) -> tuple[Decimal, Decimal]:
        return Decimal(north), Decimal(east)

    assert metres(place("0", "0"), place("1", "0")) == 111195
    assert metres(place("0", "0"), place("0", "180")) == 20015114
    assert metres(place("0", "179.5"), place("0", "-179.5")) == 111195
    assert metres(place("31.2", "121.5"), place("31.2", "121.5")) == 0
    assert abs(metres(place("39.9042", "116.4074"), place("31.2304", "121.4737")) - 1067310) < 500


def test_the_suggested_way_begins_with_the_first_and_goes_to_the_nearest() -> None:
    east = {name: (Decimal(0), Decimal(degrees)) for name, degrees in (("a", 0), ("b", 3), ("c", 1), ("d", 2))}

    assert nearest_first(east) == ["a", "c", "d", "b"]
    assert length([east[n] for n in nearest_first(east)]) < length([*east.values()])
    assert nearest_first({}) == []
