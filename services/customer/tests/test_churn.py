"""Churn cases: put off, confirmed, regained, closed by themselves; reasons counted."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import grpc
import pytest

from crm_kit.testing import Client, Server, refused
from customer.churn import statistics

pytestmark = pytest.mark.feature("CUS-18")

DAY = date(2026, 11, 24)
AHEAD = (datetime.now(UTC).date() + timedelta(days=30)).isoformat()


@pytest.fixture
def customer(boss: Client) -> str:
    found: str = boss.CreateCustomer(customer={"name": "温州阀门厂"}).id
    return found


def cases(boss: Client) -> list[Any]:
    return list(boss.ListChurnCases(fields="*", order_by="create_time").churn_cases)


def test_an_order_closes_the_warning_by_itself(
    boss: Client, server: Server, customer: str, order: Any, sweep: Any, recompute: Any
) -> None:
    order(customer, "2026-05-24", "100")
    sweep(DAY)
    order(customer, "2026-11-24", "1")
    recompute(DAY)

    (case,) = cases(boss)
    assert (case.state, case.close_date) == ("closed", "2026-11-24")
    assert case.close_note == "预警原因已消除 / The reason of the warning is gone"
    assert [e.action for e in server.events("churn_case")] == ["created", "closed"]


def test_a_loss_is_put_off_as_often_as_needed_and_each_time_is_kept(
    boss: Client, server: Server, customer: str, order: Any, sweep: Any, today: date
) -> None:
    order(customer, "2026-05-24", "100")
    sweep(DAY)
    (case,) = cases(boss)
    for measures in ("上门拜访", "给予折扣"):
        case = boss.PostponeChurnCase(id=case.id, etag=case.etag, measures=measures, until_date=AHEAD)

    assert (case.state, case.postpone_date) == ("postponed", AHEAD)
    assert [(m.measures, m.until_date, m.user_id) for m in case.measures] == [
        ("上门拜访", AHEAD, boss.user_id),
        ("给予折扣", AHEAD, boss.user_id),
    ]
    sweep(date.fromisoformat(AHEAD) - timedelta(days=1))
    assert cases(boss)[0].state == "postponed"
    sweep(date.fromisoformat(AHEAD))
    assert (cases(boss)[0].state, len(cases(boss)[0].measures)) == ("warned", 2)
    assert [e.action for e in server.events("churn_case")] == ["created", "postponed", "postponed", "lapsed"]
    with refused("INVALID_ARGUMENT", "INVALID", "untilDate"):
        boss.PostponeChurnCase(id=case.id, etag=cases(boss)[0].etag, measures="再等等", until_date=today.isoformat())
    with refused("INVALID_ARGUMENT", "INVALID", "measures"):
        boss.PostponeChurnCase(id=case.id, etag=cases(boss)[0].etag, until_date=AHEAD)
    with refused("ABORTED", "STALE"):
        boss.PostponeChurnCase(id=case.id, etag="1", measures="再等等", until_date=AHEAD)


def test_a_confirmed_loss_needs_a_reason_and_ends_when_the_customer_comes_back(
    boss: Client, server: Server, customer: str, order: Any, recompute: Any, today: date
) -> None:
    case = boss.CreateChurnCase(churn_case={"customer_id": customer, "warn_note": "听说换了供应商"})
    assert (case.cause, case.state, case.creator_id) == ("manual", "warned", boss.user_id)
    with refused("INVALID_ARGUMENT", "INVALID", "reason"):
        boss.ConfirmChurnCase(id=case.id, etag=case.etag)
    with refused("INVALID_ARGUMENT", "INVALID", "reason"):
        boss.ConfirmChurnCase(id=case.id, etag=case.etag, reason="boredom")
    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        boss.RegainChurnCase(id=case.id, etag=case.etag, note="回来了")
    lost = boss.ConfirmChurnCase(id=case.id, etag=case.etag, reason="competitor", note="价格低两成")
    assert (lost.state, lost.reason, lost.lost_owner_id) == ("confirmed", "competitor", boss.user_id)
    for act in (boss.CloseChurnCase, boss.RegainChurnCase):
        with refused("INVALID_ARGUMENT", "INVALID", "note"):
            act(id=case.id, etag=lost.etag)
    with refused("FAILED_PRECONDITION", "ACTION_NOT_ALLOWED"):
        boss.PostponeChurnCase(id=case.id, etag=lost.etag, measures="晚了", until_date=AHEAD)

    order(customer, (today - timedelta(days=400)).isoformat(), "5")
    recompute(today)
    assert boss.GetChurnCase(id=case.id).state == "confirmed", "an order entered late does not bring it back"
    order(customer, today.isoformat(), "5")
    recompute(today)
    back = boss.GetChurnCase(id=case.id)
    assert (back.state, back.close_date, back.reason) == ("regained", today.isoformat(), "competitor")


def test_a_person_regains_a_customer_with_a_note(boss: Client, customer: str) -> None:
    case = boss.CreateChurnCase(churn_case={"customer_id": customer, "warn_note": "久未联系"})
    case = boss.ConfirmChurnCase(id=case.id, etag=case.etag, reason="service")
    case = boss.RegainChurnCase(id=case.id, etag=case.etag, note="总经理登门道歉")
    assert (case.state, case.close_note) == ("regained", "总经理登门道歉")


def test_what_a_person_closed_is_warned_of_again_only_for_something_new(
    boss: Client, customer: str, order: Any, sweep: Any
) -> None:
    order(customer, "2025-01-10", "100")
    sweep(date(2025, 7, 10))
    (case,) = cases(boss)
    boss.CloseChurnCase(id=case.id, etag=case.etag, note="季节性采购")
    sweep(date(2025, 8, 10))
    assert [c.state for c in cases(boss)] == ["closed"]
    order(customer, "2025-09-01", "100")
    sweep(date(2026, 3, 1))
    assert [c.state for c in cases(boss)] == ["closed", "warned"]


@pytest.mark.parametrize("ways", [20])
def test_of_many_who_warn_at_once_one_makes_a_case(boss: Client, server: Server, customer: str, ways: int) -> None:
    answers: list[str] = []

    def warn() -> None:
        try:
            boss.CreateChurnCase(churn_case={"customer_id": customer, "warn_note": "快走了"})
            answers.append("OK")
        except grpc.RpcError as error:
            answers.append(error.code().name)

    threads = [threading.Thread(target=warn) for _ in range(ways)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(answers) == ["ALREADY_EXISTS"] * (ways - 1) + ["OK"]
    assert len(cases(boss)) == 1


def test_cases_belong_to_the_scope_of_the_customer(boss: Client, server: Server) -> None:
    rights = ["customer.read", *(f"churn_case.{a}" for a in ("read", "create", "update"))]
    owner, stranger = server.person(rights, "self"), server.person(rights, "self")
    customer = boss.CreateCustomer(customer={"name": "甲方", "owner_id": owner.user_id}).id
    case = owner.CreateChurnCase(churn_case={"customer_id": customer, "warn_note": "犹豫"})

    assert list(stranger.ListChurnCases().churn_cases) == []
    assert stranger.CountChurn().total == 0
    for act in (
        lambda: stranger.GetChurnCase(id=case.id),
        lambda: stranger.PostponeChurnCase(id=case.id, etag=case.etag, measures="x", until_date=AHEAD),
        lambda: stranger.ConfirmChurnCase(id=case.id, etag=case.etag, reason="price"),
        lambda: stranger.CloseChurnCase(id=case.id, etag=case.etag, note="x"),
        lambda: stranger.RegainChurnCase(id=case.id, etag=case.etag, note="x"),
    ):
        with refused("NOT_FOUND"):
            act()
    with refused("INVALID_ARGUMENT", "INVALID", "customerId"):
        stranger.CreateChurnCase(churn_case={"customer_id": customer, "warn_note": "x"})
    reader = server.person(["customer.read", "churn_case.read"])
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        reader.ConfirmChurnCase(id=case.id, etag=case.etag, reason="price")
    assert owner.ConfirmChurnCase(id=case.id, etag=case.etag, reason="price").state == "confirmed"


def test_reasons_are_counted_by_period_owner_and_department(boss: Client, server: Server) -> None:
    east, west = server.department("华东"), server.department("华西")
    li, wang = server.person(name="李", department_id=east), server.person(name="王", department_id=west)
    for owner, reason in ((li, "price"), (li, "price"), (li, "quality"), (wang, "price")):
        one = owner.CreateCustomer(customer={"name": "客户"}).id
        case = owner.CreateChurnCase(churn_case={"customer_id": one, "warn_note": "x"})
        owner.ConfirmChurnCase(id=case.id, etag=case.etag, reason=reason)
    open_one = li.CreateCustomer(customer={"name": "未确认"}).id
    li.CreateChurnCase(churn_case={"customer_id": open_one, "warn_note": "x"})
    case = boss.ListChurnCases(filter='reason = "quality"', fields="*").churn_cases[0]
    boss.RegainChurnCase(id=case.id, etag=case.etag, note="x")
    # Whose it is now changes nothing: it was lost by whoever had it then.
    seen = boss.GetCustomer(id=case.customer_id)
    boss.AssignCustomer(id=case.customer_id, etag=seen.etag, owner_id=wang.user_id)

    plain = boss.CountChurn()
    assert (plain.total, {(g.reason, g.reason_label, g.count, g.regained) for g in plain.groups}) == (
        4,
        {("price", "价格", 3, 0), ("quality", "质量", 1, 1)},
    )
    by_owner = boss.CountChurn(group_by="owner").groups
    assert {(g.label, g.reason, g.count) for g in by_owner} == {
        ("李", "price", 2),
        ("李", "quality", 1),
        ("王", "price", 1),
    }
    by_department = boss.CountChurn(group_by="department").groups
    assert {(g.label, g.reason, g.count) for g in by_department} == {
        ("华东", "price", 2),
        ("华东", "quality", 1),
        ("华西", "price", 1),
    }
    month = case.confirm_date[:7]
    assert {(g.key, g.reason, g.count) for g in boss.CountChurn(group_by="month").groups} == {
        (month, "price", 3),
        (month, "quality", 1),
    }
    assert boss.CountChurn(from_date=AHEAD).total == 0
    with refused("INVALID_ARGUMENT", "INVALID", "untilDate"):
        boss.CountChurn(from_date="2026-02-02", until_date="2026-02-01")
    hidden = server.person(
        ["churn_case.read", "customer.read"], fields=[{"resource": "churn_case", "field": "reason", "rule": "hidden"}]
    )
    with refused("INVALID_ARGUMENT", "INVALID", "groupBy"):
        hidden.CountChurn()


def test_the_total_of_losses_is_of_all_groups(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for reason in ("price", "price", "quality"):
        customer_id = boss.CreateCustomer(customer={"name": "客户"}).id
        case = boss.CreateChurnCase(churn_case={"customer_id": customer_id, "warn_note": "听说"})
        boss.ConfirmChurnCase(id=case.id, etag=case.etag, reason=reason)
    monkeypatch.setattr(statistics, "MOST", 1)

    said = boss.CountChurn()

    assert ([(g.reason, g.count) for g in said.groups], said.total) == ([("price", 2)], 3)


@pytest.mark.parametrize("action", ["CloseChurnCase", "RegainChurnCase"])
def test_whoever_ends_a_case_of_their_own_is_not_warned_at_once_of_what_held_already(
    boss: Client, server: Server, customer: str, order: Any, sweep: Any, today: date, action: str
) -> None:
    ordered = (today - timedelta(days=400)).isoformat()
    case = boss.CreateChurnCase(churn_case={"customer_id": customer, "warn_note": "听说换了供应商"})
    order(customer, ordered, "100")
    sweep(today)
    if action == "RegainChurnCase":
        case = boss.ConfirmChurnCase(id=case.id, etag=case.etag, reason="service")

    ended = getattr(boss, action)(id=case.id, etag=boss.GetChurnCase(id=case.id).etag, note="已谈妥")
    sweep(today)

    assert [(c.id, c.basis) for c in cases(boss)] == [(case.id, f"no_order {ordered}")]
    reader = server.person(["customer.read", "churn_case.read"])
    told = reader.GetChurnCase(id=ended.id)
    assert (told.warn_note, told.basis) == ("听说换了供应商", "")
