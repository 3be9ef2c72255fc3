"""The trade ledger: orders and receipts, the sums that follow them, the figures of a customer."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from crm.customer.v1.trade_pb2 import TradeEntry
from crm_kit.testing import Client, Server, refused
from customer.clock import add_months
from customer.trade import figures, ledger

pytestmark = pytest.mark.feature("CUS-16")


@pytest.fixture
def customer(boss: Client) -> Any:
    return boss.CreateCustomer(customer={"name": "宁波东海泵业有限公司"})


def months(server: Server) -> list[tuple[Any, ...]]:
    rows = server.sql(
        "SELECT customer_id, month, order_amount, order_count, receipt_amount, receipt_count FROM customer_trade_month"
        " WHERE order_amount <> 0 OR order_count <> 0 OR receipt_amount <> 0 OR receipt_count <> 0 ORDER BY 1, 2"
    )
    return [tuple(row) for row in rows]


def test_months_and_the_days_of_orders_follow_every_entry(
    boss: Client, server: Server, customer: Any, order: Callable[..., Any]
) -> None:
    first = order(customer.id, "2026-03-31", "100000.50", document_number="DD-1")
    order(customer.id, "2026-03-01", "200")
    order(customer.id, "2026-05-02", "-50.25")
    boss.CreateTradeEntry(
        trade_entry={"customer_id": customer.id, "kind": "receipt", "date": "2026-05-09", "amount": "70"}
    )

    assert months(server) == [
        (customer.id, date(2026, 3, 1), Decimal("100200.50"), 2, Decimal(0), 0),
        (customer.id, date(2026, 5, 1), Decimal("-50.25"), 0, Decimal(70), 1),
    ]
    seen = boss.GetCustomer(id=customer.id)
    assert (seen.first_order_date, seen.last_order_date, seen.etag) == ("2026-03-01", "2026-03-31", "1")

    moved = boss.UpdateTradeEntry(
        trade_entry={"id": first.id, "date": "2026-04-01", "amount": "90"},
        update_mask={"paths": ["date", "amount"]},
        etag=first.etag,
    )
    assert [(m, a, n) for _, m, a, n, _, _ in months(server)] == [
        (date(2026, 3, 1), Decimal(200), 1),
        (date(2026, 4, 1), Decimal(90), 1),
        (date(2026, 5, 1), Decimal("-50.25"), 0),
    ]
    boss.DeleteTradeEntry(id=moved.id, etag=moved.etag)
    assert boss.GetCustomer(id=customer.id).last_order_date == "2026-03-01"
    boss.RestoreTradeEntry(id=moved.id)
    assert boss.GetCustomer(id=customer.id).last_order_date == "2026-04-01"
    assert [e.action for e in server.events("trade_entry")][-3:] == ["updated", "deleted", "restored"]


def test_other_currencies_are_summed_in_cny(server: Server, customer: Any, order: Callable[..., Any]) -> None:
    entry = order(customer.id, "2026-03-01", "100.05", currency="usd", rate="7.123456")

    assert (entry.currency, entry.rate, entry.base_amount) == ("USD", "7.123456", "712.70")
    assert order(customer.id, "2026-03-02", "-0.01", currency="USD", rate="0.5").base_amount == "-0.01"
    assert order(customer.id, "2026-03-02", "5").currency == "CNY"
    with refused("INVALID_ARGUMENT", "INVALID", "rate"):
        order(customer.id, "2026-03-01", "1", currency="EUR")


def test_what_cannot_be_is_refused_and_leaves_nothing(server: Server, customer: Any, order: Callable[..., Any]) -> None:
    tomorrow = (datetime.now(UTC).date() + timedelta(days=2)).isoformat()
    for field, more in (
        ("amount", {"amount": "0"}),
        ("amount", {"amount": "1.005"}),
        ("amount", {"amount": "900000000000000", "currency": "USD", "rate": "9"}),
        ("date", {"day": tomorrow}),
        ("currency", {"currency": "??"}),
        ("kind", {"kind": "gift"}),
    ):
        given = {"customer_id": customer.id, "day": "2026-03-01", "amount": "1", **more}
        with refused("INVALID_ARGUMENT", "INVALID", field):
            order(**given)
    assert months(server) == []
    assert server.sql("SELECT count(*) FROM trade_entry") == [(0,)]


def test_the_same_source_is_one_entry_and_an_old_version_changes_nothing(
    boss: Client, server: Server, customer: Any
) -> None:
    def put(version: int, amount: str) -> None:
        order = TradeEntry(customer_id=customer.id, kind="order", date="2026-03-01", amount=amount)
        server.service.act(lambda call: ledger.put(call, "sales.order", "o-1", version, order if amount else None))

    steps = [(2, "100", "100"), (2, "100", "100"), (1, "7", "100"), (3, "150", "150"), (3, "9", "150")]
    for version, amount, expected in [*steps, (5, "", None), (4, "8", None), (6, "60", "60")]:
        put(version, amount)
        kept = [row[2] for row in months(server)]
        assert kept == ([] if expected is None else [Decimal(expected)]), version
    (entry,) = boss.ListTradeEntries(fields="*").trade_entries
    assert (entry.source_type, entry.source_id, entry.source_version) == ("sales.order", "o-1", 6)
    with refused("FAILED_PRECONDITION", "WRITTEN_BY_SOURCE"):
        boss.UpdateTradeEntry(
            trade_entry={"id": entry.id, "amount": "1"}, update_mask={"paths": ["amount"]}, etag=entry.etag
        )
    with refused("FAILED_PRECONDITION", "WRITTEN_BY_SOURCE"):
        boss.DeleteTradeEntry(id=entry.id, etag=entry.etag)


def test_an_import_sent_twice_counts_once(boss: Client, server: Server, customer: Any) -> None:
    rows = [
        {
            "customer_id": customer.id,
            "kind": "order",
            "date": "2025-12-31",
            "amount": "1.10",
            "external_id": f"old-{i}",
        }
        for i in range(50)
    ]
    rows.append({**rows[0], "external_id": "bad", "amount": "0"})

    first = boss.ImportTradeEntries(trade_entries=rows)
    again = boss.ImportTradeEntries(trade_entries=rows)

    assert (first.created, first.failed) == (50, 1)
    assert (again.unchanged, again.failed, again.created) == (50, 1, 0)
    assert [row[2:4] for row in months(server)] == [(Decimal("55.00"), 50)]
    assert {e.source_type for e in boss.ListTradeEntries(fields="*").trade_entries} == {"import"}


def test_the_sums_are_those_of_the_entries_whoever_writes_at_once(
    boss: Client, server: Server, measured: Callable[[str], None]
) -> None:
    ids = [boss.CreateCustomer(customer={"name": f"客户{i}"}).id for i in range(3)]

    def work(seed: int) -> None:
        chance = random.Random(seed)
        mine = []
        for _ in range(25):
            kind = chance.choice(["order", "receipt"])
            entry = {
                "customer_id": chance.choice(ids),
                "kind": kind,
                "date": f"2026-0{chance.randint(1, 9)}-1{chance.randint(0, 9)}",
                "amount": f"{chance.choice([-1, 1, 1, 1]) * chance.randint(1, 10**6) / 100:.2f}",
            }
            mine.append(boss.CreateTradeEntry(trade_entry=entry))
            if chance.random() < 0.3:
                old = mine.pop(chance.randrange(len(mine)))
                boss.DeleteTradeEntry(id=old.id, etag=old.etag)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    kept = months(server)
    ends = server.sql("SELECT id, first_order_date, last_order_date FROM customer ORDER BY 1")

    with server.service.writer.begin() as connection:
        ledger.recount(connection, ids)
    assert months(server) == kept
    assert server.sql("SELECT id, first_order_date, last_order_date FROM customer ORDER BY 1") == ends
    assert len(server.sql("SELECT 1 FROM trade_entry")) == 100
    measured(f"100 entries by 4 writers at once, {len(kept)} months equal to what is counted anew")


def test_figures_of_a_period_are_exact_to_the_day(boss: Client, order: Callable[..., Any]) -> None:
    customer = boss.CreateCustomer(customer={"name": "合肥量子仪器", "purchasing_power": "1200000"})
    for day, amount in (("2026-01-31", "1"), ("2026-02-01", "30000"), ("2026-02-28", "20.50"), ("2026-03-01", "5")):
        order(customer.id, day, amount)

    found = boss.GetTradeFigures(customer_id=customer.id, from_date="2026-02-01", until_date="2026-02-28")

    assert (found.order_amount, found.order_count, found.receipt_amount) == ("30020.50", 2, "0.00")
    assert (found.purchasing_power, found.share) == ("100000.00", "30.02")
    assert (found.first_order_date, found.last_order_date) == ("2026-01-31", "2026-03-01")
    without = boss.CreateCustomer(customer={"name": "无采购能力"})
    nothing = boss.GetTradeFigures(customer_id=without.id)
    assert (nothing.order_amount, nothing.share, nothing.purchasing_power) == ("0.00", "", "")
    with refused("INVALID_ARGUMENT", "INVALID", "untilDate"):
        boss.GetTradeFigures(customer_id=customer.id, from_date="2026-02-02", until_date="2026-02-01")


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2026-02-01", "2026-02-28", Fraction(1)),
        ("2026-02-10", "2026-02-20", Fraction(11, 28)),
        ("2026-01-01", "2026-12-31", Fraction(12)),
        ("2026-01-31", "2026-03-01", Fraction(1, 31) + 1 + Fraction(1, 31)),
    ],
)
def test_the_length_of_a_period_is_counted_in_calendar_months(first: str, last: str, expected: Fraction) -> None:
    assert figures.months_between(date.fromisoformat(first), date.fromisoformat(last)) == expected


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2026-05-24", 6, "2026-11-24"),
        ("2026-08-31", 6, "2027-02-28"),
        ("2027-08-31", 6, "2028-02-29"),
        ("2026-12-31", 1, "2027-01-31"),
        ("2026-03-31", -1, "2026-02-28"),
    ],
)
def test_months_end_on_their_last_day(day: str, months: int, expected: str) -> None:
    assert add_months(date.fromisoformat(day), months) == date.fromisoformat(expected)


def test_who_does_not_see_a_customer_does_not_see_its_trade(
    boss: Client, server: Server, customer: Any, order: Callable[..., Any]
) -> None:
    entry = order(customer.id, "2026-03-01", "10")
    rights = ["customer.read", "trade_entry.read", "trade_entry.create", "trade_entry.update", "trade_entry.delete"]
    stranger, reader = server.person(rights, "self"), server.person(["customer.read"])

    for act in (
        lambda: stranger.GetTradeEntry(id=entry.id),
        lambda: stranger.GetTradeFigures(customer_id=customer.id),
        lambda: stranger.DeleteTradeEntry(id=entry.id, etag=entry.etag),
    ):
        with refused("NOT_FOUND"):
            act()
    assert list(stranger.ListTradeEntries().trade_entries) == []
    with refused("INVALID_ARGUMENT", "INVALID", "customerId"):
        stranger.CreateTradeEntry(
            trade_entry={"customer_id": customer.id, "kind": "order", "date": "2026-03-01", "amount": "1"}
        )
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        reader.GetTradeFigures(customer_id=customer.id)


def test_a_hidden_purchasing_power_is_not_told_by_the_share(
    boss: Client, server: Server, order: Callable[..., Any]
) -> None:
    customer = boss.CreateCustomer(customer={"name": "苏州精密", "purchasing_power": "100"})
    order(customer.id, "2026-03-01", "10")
    hidden = [{"resource": "customer", "field": "purchasing_power", "rule": "hidden"}]
    seller = server.person(["customer.read", "trade_entry.read"], fields=hidden)

    found = seller.GetTradeFigures(customer_id=customer.id, from_date="2026-01-01", until_date="2026-12-31")

    assert (found.order_amount, found.share, found.purchasing_power) == ("10.00", "", "")


@pytest.mark.parametrize("level", ["hidden", "masked"])
def test_an_amount_that_is_not_seen_is_not_told_in_yuan_either(
    boss: Client, server: Server, customer: Any, order: Callable[..., Any], level: str
) -> None:
    entry = order(customer.id, "2026-03-01", "10")
    rules = [{"resource": "trade_entry", "field": "amount", "rule": level}]
    seller = server.person(["customer.read", "trade_entry.read"], fields=rules)

    seen = seller.GetTradeEntry(id=entry.id)

    assert (seen.amount, seen.base_amount, seen.date) == ("", "", "2026-03-01")
    for asked in ({"filter": "baseAmount = 10"}, {"order_by": "base_amount"}):
        with refused("INVALID_ARGUMENT"):
            seller.ListTradeEntries(**asked)


def test_a_customer_with_trade_is_not_deleted(boss: Client, customer: Any, order: Callable[..., Any]) -> None:
    order(customer.id, "2026-03-01", "10")
    with refused("FAILED_PRECONDITION", "DEPENDED_ON"):
        boss.DeleteCustomer(id=customer.id, etag="1")
