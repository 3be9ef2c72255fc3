"""Pyramids: tiers by threshold or by share, snapshots, movement, and figures of the customers that somebody reaches."""

from __future__ import annotations

import time
from datetime import date
from typing import Any

import pytest

from crm_kit import jobs
from crm_kit.testing import Client, Server, refused

pytestmark = pytest.mark.feature("CUS-20")

TIERS = [{"name": "塔尖", "from": "1000"}, {"name": "塔身", "from": "100"}, {"name": "塔基"}]
SHARES = [
    {"name": "顶", "share": "1"},
    {"name": "高", "share": "4"},
    {"name": "中", "share": "15"},
    {"name": "底", "share": "80"},
]
RIGHTS = ["pyramid.read", "customer.read", "trade_entry.read"]


@pytest.fixture
def pyramid(boss: Client) -> Any:
    def make(tiers: Any = TIERS, **more: Any) -> Any:
        fields = {"name": "订货金字塔", "base": "order_total", "method": "threshold", "tiers": tiers, **more}
        return boss.CreatePyramid(pyramid=fields)

    return make


@pytest.fixture
def customer(boss: Client) -> Any:
    def make(name: str = "客户", **more: Any) -> str:
        return str(boss.CreateCustomer(customer={"name": name, **more}).id)

    return make


@pytest.fixture
def snap(boss: Client, server: Server) -> Any:
    """Takes a snapshot and tells which it is."""

    def act(pyramid_id: str) -> str:
        boss.TakePyramidSnapshot(id=pyramid_id)
        server.run_jobs()
        return str(boss.ListPyramidSnapshots(id=pyramid_id).snapshots[0].id)

    return act


def sizes(who: Client, snapshot_id: str) -> dict[str, tuple[int, str]]:
    return {t.name: (t.customers, t.amount) for t in who.GetPyramidFigures(snapshot_id=snapshot_id).tiers}


def test_tiers_are_half_open_and_told_with_their_shares(
    boss: Client, pyramid: Any, customer: Any, order: Any, snap: Any
) -> None:
    made = pyramid()
    for amount in ("1000", "999.99", "100", "99.99", ""):
        one = customer(f"客户{amount}")
        if amount:
            order(one, "2026-11-01", amount)

    found = boss.GetPyramidFigures(snapshot_id=snap(made.id))

    assert [(t.name, t.customers, t.customer_share, t.amount, t.amount_share) for t in found.tiers] == [
        ("塔尖", 1, "20.00", "1000.00", "45.45"),
        ("塔身", 2, "40.00", "1099.99", "50.00"),
        ("塔基", 2, "40.00", "99.99", "4.55"),
    ]
    assert (found.customers, found.amount, found.snapshot.pyramid_version) == (5, "2199.98", 1)
    names = [c.name for c in boss.ListPyramidCustomers(snapshot_id=found.snapshot.id, tier="塔身").customers]
    assert sorted(names) == ["客户100", "客户999.99"]


def test_shares_are_of_the_customers_and_of_equal_ones_nobody_is_preferred(
    boss: Client, server: Server, pyramid: Any, snap: Any
) -> None:
    made = pyramid(SHARES, method="share")
    server.sql(
        "INSERT INTO customer (id, name, kind, create_time, update_time)"
        " SELECT gen_random_uuid(), '客户' || n, 'organization', now(), now() FROM generate_series(1, 200) n"
    )
    server.sql(
        "INSERT INTO customer_trade_month (customer_id, month, order_amount)"
        " SELECT id, '2026-01-01', CASE WHEN n <= 2 THEN 1000 WHEN n <= 9 THEN 500 WHEN n <= 11 THEN 400 WHEN n <= 60"
        " THEN 30 ELSE 0 END FROM (SELECT id, substr(name, 3)::int AS n FROM customer) c"
    )

    found = sizes(boss, snap(made.id))

    # 2, 8 and 30 would fit; the 10th and 11th are equal, and so are the 12th to the 60th.
    assert found == {"顶": (2, "2000.00"), "高": (7, "3500.00"), "中": (2, "800.00"), "底": (189, "1470.00")}
    pages, token = [], ""
    snapshot = boss.ListPyramidSnapshots(id=made.id).snapshots[0].id
    while True:
        page = boss.ListPyramidCustomers(snapshot_id=snapshot, tier="底", page_size=100, page_token=token)
        pages.append([c.id for c in page.customers])
        token = page.next_page_token
        if not token:
            break
    assert [len(p) for p in pages] == [100, 89]
    assert len({i for p in pages for i in p}) == 189
    with refused("NOT_FOUND"):
        boss.ListPyramidCustomers(snapshot_id=snapshot, tier="无")


def test_each_base_takes_its_figure(
    boss: Client, server: Server, pyramid: Any, customer: Any, order: Any, snap: Any, today: date, sweep: Any
) -> None:
    boss.CreateCustomField(
        record_type="customer", custom_field={"key": "shops", "kind": "number", "label_zh": "门店", "label_en": "Shops"}
    )
    one, other = customer("甲", custom={"shops": 1000}, employees=100), customer("乙")
    order(one, f"{today.year - 1}-05-01", "900")
    order(one, f"{today.year}-01-01", "100")
    for day, amount in ((f"{today.year - 1}-05-01", "1000"), (f"{today.year}-01-01", "50")):
        boss.CreateTradeEntry(trade_entry={"customer_id": one, "kind": "receipt", "date": day, "amount": amount})
    criterion = {
        "name": "人数",
        "class": "trait",
        "source": "field",
        "field": "employees",
        "weight": "100",
        "bands": [{"to": "10", "points": "0"}, {"from": "10", "points": "1"}],
    }
    fields = {"name": "信用", "code": "credit", "purpose": "credit", "criteria": [criterion]}
    model = boss.CreateValueModel(value_model={**fields, "levels": [{"level": "A", "from": "0"}]})
    with refused("INVALID_ARGUMENT", "INVALID", "model"):
        pyramid(base="score", model="credit")
    boss.ActivateValueModel(id=model.id, etag=model.etag)
    sweep(today)

    for base, more, expected in (
        ("order_total", {}, (1, 0, 1)),
        ("receipt_total", {}, (1, 0, 1)),
        ("year_orders", {}, (0, 1, 1)),
        ("year_receipts", {}, (0, 0, 2)),
        ("field", {"field": "custom.shops"}, (1, 0, 0)),
        ("field", {"field": "employees"}, (0, 1, 0)),
        ("score", {"model": "credit"}, (0, 1, 1)),
    ):
        found = sizes(boss, snap(pyramid(base=base, **more).id))
        assert tuple(n for n, _ in found.values()) == expected, (base, more)
    assert other


def test_movement_between_two_snapshots(
    boss: Client, pyramid: Any, customer: Any, order: Any, snap: Any, server: Server
) -> None:
    made = pyramid()
    climbs, stays, goes = customer("甲"), customer("乙"), customer("丙")
    first = snap(made.id)
    order(climbs, "2026-11-01", "1500")
    gone = boss.GetCustomer(id=goes)
    boss.DeleteCustomer(id=goes, etag=gone.etag)
    customer("丁")
    second = snap(made.id)

    moves = boss.ComparePyramidSnapshots(from_snapshot_id=first, to_snapshot_id=second).moves

    assert {(getattr(m, "from"), m.to): m.customers for m in moves} == {
        ("塔基", "塔尖"): 1,
        ("塔基", "塔基"): 1,
        ("", "塔基"): 1,
    }
    assert sizes(boss, first) == {"塔尖": (0, "0.00"), "塔身": (0, "0.00"), "塔基": (2, "0.00")}
    other = snap(pyramid(name="另一个").id)
    with refused("INVALID_ARGUMENT", "INVALID", "toSnapshotId"):
        boss.ComparePyramidSnapshots(from_snapshot_id=first, to_snapshot_id=other)
    assert stays


def test_figures_are_of_the_customers_that_somebody_reaches(
    boss: Client, server: Server, pyramid: Any, customer: Any, order: Any, snap: Any
) -> None:
    made = pyramid()
    seller = server.person(RIGHTS, "self", name="销售")
    order(customer("甲", owner_id=seller.user_id), "2026-11-01", "1000")
    order(customer("乙"), "2026-11-01", "5000")
    one = snap(made.id)

    assert sizes(boss, one)["塔尖"] == (2, "6000.00")
    assert sizes(seller, one)["塔尖"] == (1, "1000.00")
    assert [c.name for c in seller.ListPyramidCustomers(snapshot_id=one, tier="塔尖").customers] == ["甲"]
    moves = seller.ComparePyramidSnapshots(from_snapshot_id=one, to_snapshot_id=one).moves
    assert [(getattr(m, "from"), m.to, m.customers) for m in moves] == [("塔尖", "塔尖", 1)]
    blind = server.person(["pyramid.read", "trade_entry.read"])
    with refused("PERMISSION_DENIED"):
        blind.TakePyramidSnapshot(id=made.id)
    outsider = server.person(["customer.read"])
    with refused("PERMISSION_DENIED"):
        outsider.GetPyramidFigures(snapshot_id=one)


def test_nobody_learns_by_a_pyramid_what_is_hidden(
    boss: Client, server: Server, pyramid: Any, customer: Any, snap: Any
) -> None:
    customer("甲", employees=5)
    by_orders, by_field = snap(pyramid().id), snap(pyramid(base="field", field="employees").id)
    hidden = server.person(RIGHTS, fields=[{"resource": "customer", "field": "employees", "rule": "masked"}])
    no_amounts = server.person(RIGHTS, fields=[{"resource": "trade_entry", "field": "amount", "rule": "hidden"}])
    no_ledger = server.person(["pyramid.read", "customer.read"])
    for who, snapshot, other in (
        (hidden, by_field, by_orders),
        (no_amounts, by_orders, by_field),
        (no_ledger, by_orders, by_field),
    ):
        for act in (
            lambda w, s: w.GetPyramidFigures(snapshot_id=s),
            lambda w, s: w.ListPyramidCustomers(snapshot_id=s, tier="塔基"),
            lambda w, s: w.ComparePyramidSnapshots(from_snapshot_id=s, to_snapshot_id=s),
        ):
            with refused("PERMISSION_DENIED", "ASKS_UNSEEN"):
                act(who, snapshot)
        assert who.GetPyramidFigures(snapshot_id=other).customers == 1


def test_all_pyramids_are_taken_on_the_first_of_a_month(
    boss: Client, server: Server, pyramid: Any, customer: Any
) -> None:
    made = [pyramid(name=f"金字塔{i}") for i in range(2)]
    customer()
    for day, expected in (("2026-11-30", 0), ("2026-12-01", 1), ("2026-12-02", 1)):
        server.service.act(lambda call, day=day: jobs.start(call, "pyramid_snapshot", "pyramid", {"day": day}))
        server.run_jobs()
        assert [len(boss.ListPyramidSnapshots(id=m.id).snapshots) for m in made] == [expected] * 2, day
    assert boss.ListPyramidSnapshots(id=made[0].id).snapshots[0].date == "2026-12-01"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"tiers": [{"name": "a", "from": "1"}, {"name": "b", "from": "2"}, {"name": "c"}]}, "tiers[1].from"),
        ({"tiers": [{"name": "a", "from": "1"}, {"name": "b", "from": "0"}]}, "tiers[1].from"),
        ({"tiers": [{"name": "a"}, {"name": "b"}]}, "tiers[0].from"),
        ({"tiers": [{"name": "a", "from": "1"}, {"name": "a"}]}, "tiers"),
        ({"method": "share", "tiers": [{"name": "a", "share": "1"}, {"name": "b", "share": "98"}]}, "tiers"),
        ({"base": "field", "field": "name"}, "field"),
        ({"base": "field"}, "field"),
        ({"base": "score", "model": "none"}, "model"),
    ],
)
def test_a_pyramid_that_cannot_be_is_refused(boss: Client, pyramid: Any, fields: Any, path: str) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", path):
        pyramid(**fields)
    assert not boss.ListPyramids().pyramids


@pytest.mark.long
def test_many_customers_are_placed_and_counted(
    boss: Client, server: Server, pyramid: Any, snap: Any, measured: Any
) -> None:
    number = 200_000
    seller = server.person(RIGHTS, "self")
    piece = 20_000
    for start in range(0, number, piece):
        server.sql(
            "INSERT INTO customer (id, name, kind, create_time, update_time, owner_id)"
            " SELECT gen_random_uuid(), '客户' || n, 'organization', now(), now(), CASE WHEN n <= 1000 THEN"
            " CAST(:owner AS uuid) END FROM generate_series(CAST(:first AS int), CAST(:last AS int)) n",
            owner=seller.user_id,
            first=start + 1,
            last=start + piece,
        )
    server.sql(
        "INSERT INTO customer_trade_month (customer_id, month, order_amount)"
        " SELECT id, '2026-01-01', substr(name, 3)::int FROM customer"
    )
    server.sql("ANALYZE")
    made = pyramid(SHARES, method="share")
    began = time.perf_counter()
    one = snap(made.id)
    taken = time.perf_counter() - began
    server.sql("ANALYZE pyramid_place")

    def took(who: Client) -> tuple[Any, float]:
        began = time.perf_counter()
        found = who.GetPyramidFigures(snapshot_id=one)
        return found, (time.perf_counter() - began) * 1000

    other = snap(made.id)
    (everything, all_ms), (own, own_ms) = took(boss), took(seller)
    assert [t.customers for t in everything.tiers] == [2000, 8000, 30000, 160000]
    began = time.perf_counter()
    moves = boss.ComparePyramidSnapshots(from_snapshot_id=one, to_snapshot_id=other).moves
    compared = (time.perf_counter() - began) * 1000
    assert [m.customers for m in moves] == [2000, 8000, 30000, 160000]
    assert own.customers == 1000
    said = (
        f"{number} customers: {number / taken:.0f} placed/s, all counted in {all_ms:.0f} ms, 1,000 own {own_ms:.0f} ms"
    )
    said += f", compared in {compared:.0f} ms"
    measured(said)
    print(f"\n{said}")
