"""Churn warnings: what each kind of rule sees, to the day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from crm.service_desk.v1.requests_pb2 import ServiceRequest
from crm_kit import ids
from crm_kit.testing import Client, Server, event, refused
from customer.churn import warning

pytestmark = pytest.mark.feature("CUS-18")

DAY = date(2026, 11, 24)


@pytest.fixture
def customer(boss: Client) -> str:
    found: str = boss.CreateCustomer(customer={"name": "温州阀门厂"}).id
    return found


@pytest.fixture
def rule(boss: Client) -> Callable[..., Any]:
    """One rule and no other."""

    def make(**fields: Any) -> Any:
        for old in boss.ListChurnRules(filter='state = "active"').churn_rules:
            boss.RetireChurnRule(id=old.id, etag=old.etag)
        made = boss.CreateChurnRule(churn_rule={"name": "规则", **fields})
        return boss.ActivateChurnRule(id=made.id, etag=made.etag)

    return make


def cases(boss: Client) -> list[Any]:
    return list(boss.ListChurnCases(fields="*", order_by="create_time").churn_cases)


@pytest.mark.parametrize(
    ("last", "today", "expected"),
    [
        ("2026-05-24", "2026-11-23", False),
        ("2026-05-24", "2026-11-24", True),
        ("2026-08-31", "2027-02-27", False),
        ("2026-08-31", "2027-02-28", True),
        ("2027-08-30", "2028-02-28", False),
        ("2027-08-30", "2028-02-29", True),
        ("2026-02-28", "2026-08-27", False),
        ("2026-02-28", "2026-08-28", True),
    ],
)
def test_six_months_are_over_on_the_same_day_of_the_month(last: str, today: str, expected: bool) -> None:
    assert warning.no_order(date.fromisoformat(last), 6, date.fromisoformat(today)) is expected
    assert warning.no_order(None, 6, date.fromisoformat(today)) is False


def test_the_rule_that_comes_along_warns_on_the_day(
    boss: Client, server: Server, customer: str, order: Any, sweep: Any
) -> None:
    order(customer, "2026-05-24", "100")
    sweep(date(2026, 11, 23))
    assert cases(boss) == []

    sweep(date(2026, 11, 24))
    sweep(date(2026, 11, 25))

    (case,) = cases(boss)
    assert (case.state, case.cause, case.warn_date, case.customer_id) == ("warned", "no_order", "2026-11-24", customer)
    assert case.rule_version == 1
    assert "2026-05-24" in case.warn_note
    assert [(e.action, e.actor_id) for e in server.events("churn_case")] == [("created", "")]


def test_what_a_rule_noted_of_orders_is_told_to_whoever_sees_those(
    boss: Client, server: Server, customer: str, order: Any, sweep: Any
) -> None:
    order(customer, "2026-05-24", "100")
    sweep(date(2026, 11, 24))
    other = boss.CreateCustomer(customer={"name": "乙"}).id
    boss.CreateChurnCase(churn_case={"customer_id": other, "warn_note": "听说换了供应商"})
    rights, hidden = (
        ["churn_case.read", "customer.read"],
        [{"resource": "trade_entry", "field": "amount", "rule": "hidden"}],
    )

    def notes(who: Client, **query: Any) -> list[bool]:
        return [bool(c.warn_note) for c in who.ListChurnCases(order_by="createTime", **query).churn_cases]

    assert notes(server.person([*rights, "trade_entry.read"])) == [True, True]
    assert notes(server.person(rights)) == [False, True]
    masked = server.person([*rights, "trade_entry.read"], fields=hidden)
    assert notes(masked) == [False, True]
    with refused("INVALID_ARGUMENT", "BAD_FILTER"):
        notes(masked, filter='warnNote : "2026"')
    everybody = [{"resource": "*", "scope": "all"}]
    of_some = server.person(rights, everybody, also=[server.role(["trade_entry.read"], "self")])
    for guessing in (server.person(rights), of_some):
        for question in ('warnNote : "2026"', 'basis = "order"', "lostOrderDate > 2026-01-01"):
            with refused("INVALID_ARGUMENT", "BAD_FILTER"):
                guessing.ListChurnCases(filter=question)
        with refused("INVALID_ARGUMENT", "BAD_ORDER"):
            guessing.ListChurnCases(order_by="warnNote")
        assert guessing.ListChurnCases(filter='state = "warned"').churn_cases
    alike = server.person([*rights, "trade_entry.read"], "self")
    assert not alike.ListChurnCases(filter='warnNote : "2026"').churn_cases


@pytest.mark.parametrize("hidden", [(), ("trade_entry",)])
def test_a_case_tells_of_orders_where_the_ledger_of_its_customer_is_read(
    boss: Client,
    server: Server,
    pools: Any,
    order: Any,
    sweep: Any,
    recompute: Any,
    today: date,
    hidden: tuple[str, ...],
) -> None:
    rights = ["churn_case.read", "customer.read"]
    everywhere = [{"resource": "*", "scope": "all"}]
    far = server.person(rights, everywhere, also=[server.role(["trade_entry.read"], "self")])
    member = server.person([*rights, "trade_entry.read"], "self")
    pool = pools.make(member_user_ids=[member.user_id], hidden_fields=hidden)
    one = boss.CreateCustomer(customer={"name": "甲公司"})
    order(one.id, "2026-05-24", "100")
    sweep(date(2026, 11, 24))
    (case,) = cases(boss)
    boss.ConfirmChurnCase(id=case.id, etag=case.etag, reason="price")
    order(one.id, today.isoformat(), "1")
    recompute(today)
    etag = boss.GetCustomer(id=one.id).etag
    boss.GiveBackCustomer(id=one.id, etag=etag, reason="no_time", pool_id=pool.id)

    def told(who: Client) -> set[str]:
        case = who.GetChurnCase(id=who.ListChurnCases(fields="warnNote").churn_cases[0].id)
        assert case.state == "regained"
        logged = who.ListChanges(record_type="churn_case", id=case.id).changes
        named = {one.field for change in logged for one in change.changes} & {"warnNote", "basis", "lostOrderDate"}
        shown = {n for n in ("warn_note", "basis", "lost_order_date") if getattr(case, n)}
        assert len(named) == len(shown)
        return shown

    assert told(boss) == {"warn_note", "basis", "lost_order_date"}
    assert told(far) == set()
    assert told(member) == (set() if hidden else told(boss))
    assert today.isoformat() not in boss.GetChurnCase(id=case.id).close_note


@pytest.mark.parametrize(("offset", "expected"), [(89, 0), (90, 1)])
def test_no_contact_warns_of_customers_that_ordered(
    boss: Client, customer: str, order: Any, sweep: Any, rule: Any, offset: int, expected: int
) -> None:
    assert rule(kind="no_contact").days == 90
    contact = datetime(2026, 3, 1, 9, tzinfo=UTC)
    boss.CreateInteraction(
        interaction={"customer_id": customer, "kind": "call", "subject": "问候", "start_time": contact}
    )
    never = boss.CreateCustomer(customer={"name": "从未订货"}).id
    order(customer, "2026-02-01", "100")
    sweep(date(2026, 3, 1) + timedelta(days=offset))

    assert [c.customer_id for c in cases(boss)] == [customer] * expected
    assert never not in [c.customer_id for c in cases(boss)]


@pytest.mark.parametrize(("late", "expected"), [("49.99", 1), ("50", 0)])
def test_falling_compares_full_months(
    boss: Client, customer: str, order: Any, sweep: Any, rule: Any, late: str, expected: int
) -> None:
    rule(kind="falling", months=2, percent="50")
    for day, amount in (("2026-06-30", "60"), ("2026-07-01", "40"), ("2026-08-31", late), ("2026-10-01", "9999")):
        order(customer, day, amount)

    sweep(date(2026, 10, 15))

    assert len(cases(boss)) == expected
    assert warning.falling(Decimal(0), Decimal(0), Decimal(50)) is False


def complaint(customer_id: str, day: date, kind: str = "complaint", request_id: str = "") -> ServiceRequest:
    made = ServiceRequest(id=request_id or ids.uuid7(), customer_id=customer_id, kind=kind, summary="漏水")
    made.create_time.FromDatetime(datetime(day.year, day.month, day.day, 4, tzinfo=UTC))
    return made


def test_a_complaint_warns_as_long_as_the_rule_looks_back(
    boss: Client, server: Server, customer: str, rule: Any, recompute: Any, sweep: Any
) -> None:
    rule(kind="complaint", days=30)
    said = complaint(customer, DAY)
    server.deliver("service-desk", event(complaint(customer, DAY, "fault"), "created"))
    recompute(DAY)
    assert cases(boss) == []
    server.deliver("service-desk", event(said, "created"))
    assert recompute(DAY) == 1
    (case,) = cases(boss)
    assert (case.cause, case.state) == ("complaint", "warned")

    sweep(DAY + timedelta(days=29))
    assert cases(boss)[0].state == "warned"
    sweep(DAY + timedelta(days=30))
    assert (cases(boss)[0].state, cases(boss)[0].close_date) == ("closed", "2026-12-24")
    server.deliver("service-desk", event(said, "deleted", 2))
    assert server.sql("SELECT count(*) FROM customer_complaint") == [(0,)]


def test_a_rule_keeps_only_what_its_kind_asks_for(boss: Client) -> None:
    def made(kind: str) -> tuple[int, int, str]:
        rule = boss.CreateChurnRule(churn_rule={"name": kind, "kind": kind})
        return rule.months, rule.days, rule.percent

    assert {kind: made(kind) for kind in ("no_order", "no_contact", "falling", "complaint")} == {
        "no_order": (6, 0, ""),
        "no_contact": (0, 90, ""),
        "falling": (3, 0, "50"),
        "complaint": (0, 30, ""),
    }


def complain(server: Server, customer_id: str, day: date) -> None:
    request = ServiceRequest(id=ids.uuid7(), kind="complaint", customer_id=customer_id, state="new")
    request.create_time.FromDatetime(datetime.combine(day, datetime.min.time(), UTC))
    server.deliver("service-desk", event(request, "created"))


def test_a_new_complaint_is_warned_of_though_an_old_reason_was_closed(
    boss: Client, server: Server, customer: str, order: Any, sweep: Any
) -> None:
    more = boss.CreateChurnRule(churn_rule={"name": "投诉", "kind": "complaint", "days": 30})
    boss.ActivateChurnRule(id=more.id, etag=more.etag)
    order(customer, "2026-01-10", "100")
    sweep(DAY)
    (case,) = cases(boss)
    boss.CloseChurnCase(id=case.id, etag=case.etag, note="季节性采购")

    complain(server, customer, DAY)
    sweep(DAY + timedelta(days=1))

    assert [(c.cause, c.state) for c in cases(boss)] == [("no_order", "closed"), ("complaint", "warned")]
    boss.CloseChurnCase(id=cases(boss)[1].id, etag=cases(boss)[1].etag, note="已解决")
    sweep(DAY + timedelta(days=2))
    assert [c.state for c in cases(boss)] == ["closed", "closed"]


def test_both_reasons_of_a_closed_warning_are_known(
    boss: Client, server: Server, customer: str, order: Any, sweep: Any
) -> None:
    more = boss.CreateChurnRule(churn_rule={"name": "未联系", "kind": "no_contact", "days": 90})
    boss.ActivateChurnRule(id=more.id, etag=more.etag)
    boss.CreateInteraction(
        interaction={
            "customer_id": customer,
            "kind": "call",
            "subject": "回访",
            "start_time": datetime(2026, 1, 1, tzinfo=UTC),
        }
    )
    order(customer, "2026-01-10", "100")
    sweep(DAY)
    (case,) = cases(boss)
    boss.CloseChurnCase(id=case.id, etag=case.etag, note="季节性采购")

    order(customer, "2026-11-24", "100")
    sweep(DAY)

    assert [(c.cause, c.state) for c in cases(boss)] == [("no_order", "closed")]


def test_a_rule_that_is_put_in_force_again_warns_again(
    boss: Client, customer: str, order: Any, sweep: Any, rule: Any
) -> None:
    first = rule(kind="no_order", months=6)
    order(customer, "2026-01-10", "100")
    sweep(DAY)

    boss.RetireChurnRule(id=first.id, etag=first.etag)
    sweep(DAY)
    assert [c.state for c in cases(boss)] == ["closed"]
    rule(kind="no_order", months=6)
    sweep(DAY)

    assert [c.state for c in cases(boss)] == ["closed", "warned"]


def test_who_was_regained_by_a_person_is_not_warned_of_for_the_same_order(
    boss: Client, customer: str, order: Any, sweep: Any
) -> None:
    order(customer, "2026-01-10", "100")
    sweep(DAY)
    (case,) = cases(boss)
    case = boss.ConfirmChurnCase(id=case.id, etag=case.etag, reason="service")
    sweep(DAY)

    boss.RegainChurnCase(id=case.id, etag=case.etag, note="总经理登门道歉")
    sweep(DAY)

    assert [c.state for c in cases(boss)] == ["regained"]
    assert boss.GetCustomer(id=customer).lifecycle == "regained"
