"""Value models: weights, bands and points make a score that is exact; computed by event and by job, kept, overruled."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from crm_kit.pool import ZONE
from crm_kit.testing import Client, Server, refused
from customer.behaviour import work
from customer.standing.computing import recompute_marked
from customer.value import scoring

pytestmark = pytest.mark.feature("CUS-19")

TODAY = date(2026, 11, 24)
LEVELS = [{"level": "A", "from": "70"}, {"level": "B", "from": "40"}, {"level": "C", "from": "0"}]


def band(low: str, high: str, points: str) -> dict[str, str]:
    return {"from": low, "to": high, "points": points}


SALES = {
    "name": "一年订货额",
    "class": "trade",
    "source": "order_amount",
    "months": 12,
    "weight": "60",
    "bands": [band("", "10000", "0"), band("10000", "100000", "5"), band("100000", "", "10")],
}
SCALE = {
    "name": "规模",
    "class": "trait",
    "source": "field",
    "field": "scale",
    "weight": "40",
    "values": [{"code": "large", "points": "3"}, {"code": "small", "points": "1"}],
}


@pytest.fixture
def model(boss: Client) -> Any:
    def make(criteria: Any = (SALES, SCALE), *, active: bool = True, **more: Any) -> Any:
        fields = {"name": "价值", "code": "value", "purpose": "value", "criteria": criteria, "levels": LEVELS, **more}
        made = boss.CreateValueModel(value_model=fields)
        return boss.ActivateValueModel(id=made.id, etag=made.etag) if active else made

    return make


@pytest.fixture
def customer(boss: Client) -> Any:
    def make(name: str = "客户", **more: Any) -> str:
        return str(boss.CreateCustomer(customer={"name": name, **more}).id)

    return make


def standing(boss: Client, customer_id: str, topic: str = "value.value") -> Any:
    found = [s for s in boss.ListStandings(customer_id=customer_id).standings if s.topic == topic]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("amount", "scale", "score", "level"),
    [
        ("", "", "0.0000", "C"),
        ("9999.99", "small", "13.3333", "C"),
        ("10000", "small", "43.3333", "B"),
        ("99999.99", "large", "70.0000", "A"),
        ("100000", "", "60.0000", "B"),
        ("100000", "large", "100.0000", "A"),
    ],
)
def test_a_score_is_weight_times_points_by_the_most_points(
    boss: Client, model: Any, customer: Any, order: Any, sweep: Any, amount: str, scale: str, score: str, level: str
) -> None:
    made, one = model(), customer(scale=scale)
    if amount:
        order(one, "2026-11-01", amount)

    sweep(TODAY)

    said = standing(boss, one)
    assert (said.value, said.reasons["score"], said.rule_id, said.rule_version) == (level, score, made.id, 2)
    first, second = said.reasons["criteria"]
    assert (first["figure"], first["class"], first["mostPoints"]) == (
        f"{Decimal(amount):.2f}" if amount else "0",
        "trade",
        "10",
    )
    assert (second["figure"], second["weight"]) == (scale, "40")


def test_levels_are_compared_with_the_exact_score() -> None:
    """Two thirds of 100 is 66.666…: not 66.6667, though it is shown so."""
    criterion = {**SALES, "weight": "100", "bands": [band("", "1", "2"), band("1", "", "3")]}
    levels = [{"level": "A", "from": "66.6667"}, {"level": "B", "from": "0"}]
    ready = scoring.of({"criteria": [criterion], "levels": levels})

    points, part = ready.criteria[0].worth(Decimal(0))

    assert (points, Fraction(part, ready.unit)) == ("2", Fraction(200, 3))
    assert (f"{ready.rounded(part):f}", ready.level(part)) == ("66.6667", "B")
    assert ready.level(ready.criteria[0].worth(Decimal(1))[1]) == "A"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"weight": "59.99"}, "criteria"),
        ({"months": None}, "criteria[0].months"),
        ({"bands": [band("", "10", "0"), band("11", "", "1")]}, "criteria[0].bands[1]"),
        ({"bands": [band("", "10", "0"), band("9", "", "1")]}, "criteria[0].bands[1]"),
        ({"bands": [band("1", "", "1")]}, "criteria[0].bands[0]"),
        ({"bands": [band("", "10", "1")]}, "criteria[0].bands[0]"),
        ({"bands": [band("", "", "0")]}, "criteria[0].bands"),
        ({"bands": []}, "criteria[0].bands"),
        ({"source": "behaviour", "days": 30}, "criteria[0].kind"),
        ({"source": "field", "field": "name"}, "criteria[0].field"),
        ({"source": "field", "field": "phone"}, "criteria[0].field"),
        ({"source": "field", "field": "custom.none"}, "criteria[0].field"),
        (
            {"source": "field", "field": "level", "values": [{"code": "zz", "points": "1"}]},
            "criteria[0].values[0].code",
        ),
    ],
)
def test_what_cannot_be_scored_is_not_put_in_force(boss: Client, model: Any, change: Any, path: str) -> None:
    draft = model([{**SALES, **change}, SCALE], active=False)
    with refused("INVALID_ARGUMENT", "INVALID", path):
        boss.ActivateValueModel(id=draft.id, etag=draft.etag)
    assert boss.GetValueModel(id=draft.id).state == "draft"


def test_levels_begin_at_0_and_are_named_once(boss: Client, model: Any) -> None:
    for levels, path in (
        ([{"level": "A", "from": "10"}], "levels"),
        ([{"level": "A", "from": "0"}, {"level": "A", "from": "50"}], "levels[1].level"),
    ):
        draft = model(levels=levels, active=False)
        with refused("INVALID_ARGUMENT", "INVALID", path):
            boss.ActivateValueModel(id=draft.id, etag=draft.etag)


def test_every_source_is_counted(boss: Client, server: Server, model: Any, customer: Any, order: Any) -> None:
    """Receipts, days, numbers, interactions, visits and behaviour; each gives all of its points or none."""
    boss.CreateCustomField(
        record_type="customer",
        custom_field={"key": "shops", "kind": "number", "label_zh": "门店数", "label_en": "Shops"},
    )
    at_least = [band("", "1", "0"), band("1", "", "1")]
    sources: list[dict[str, Any]] = [
        {"source": "receipt_count", "months": 1},
        {"source": "last_order", "bands": [band("", "30", "1"), band("30", "", "0")]},
        {"source": "field", "field": "custom.shops"},
        {"source": "interactions", "days": 7, "kind": "call"},
        {"source": "behaviour", "days": 7, "kind": "view"},
    ]
    model([{"name": s["source"], "class": "contact", "weight": "20", "bands": at_least, **s} for s in sources])
    one, now = customer(custom={"shops": 3}), datetime.now(UTC)
    day = now.astimezone(ZONE).date().isoformat()

    def score() -> str:
        server.service.act(lambda call: work.take(call, now))
        server.service.act(recompute_marked)
        return str(standing(boss, one).reasons["score"])

    yesterday = (now - timedelta(days=1)).date().isoformat()
    order(one, yesterday, "5")
    assert score() == "40.0000"
    boss.CreateTradeEntry(trade_entry={"customer_id": one, "kind": "receipt", "date": day, "amount": "5"})
    boss.CreateInteraction(interaction={"customer_id": one, "kind": "call", "subject": "x", "start_time": now})
    boss.CreateInteraction(interaction={"customer_id": one, "kind": "mail", "subject": "x", "start_time": now})
    boss.RecordBehaviour(source="shop", events=[{"event_id": "1", "time": now, "kind": "view", "customer_id": one}])
    assert score() == "100.0000"
    figures = {c["name"]: c["figure"] for c in standing(boss, one).reasons["criteria"]}
    assert figures["last_order"] == yesterday
    assert (figures["interactions"], figures["behaviour"], figures["field"]) == ("1", "1", "3")
    current = boss.GetCustomer(id=one)
    boss.UpdateCustomer(
        customer={"id": one, "custom": {"shops": 0}}, update_mask={"paths": ["custom.shops"]}, etag=current.etag
    )
    assert score() == "80.0000"


def test_scores_follow_events_and_their_history_is_kept(
    boss: Client, model: Any, customer: Any, order: Any, recompute: Any
) -> None:
    made, one = model(), customer(scale="small")
    order(one, "2026-11-01", "10000")
    recompute(TODAY)
    order(one, "2026-11-02", "90000")
    recompute(TODAY)
    assert recompute(TODAY) == 0

    history = boss.ListCustomerScores(customer_id=one).scores

    assert [(s.score, s.level, s.date, s.model_id, s.model_version) for s in history] == [
        ("73.3333", "A", "2026-11-24", made.id, 2),
        ("43.3333", "B", "2026-11-24", made.id, 2),
    ]
    first = boss.ListCustomerScores(customer_id=one, page_size=1)
    rest = boss.ListCustomerScores(customer_id=one, page_size=1, page_token=first.next_page_token)
    assert [first.scores[0].score, rest.scores[0].score] == ["73.3333", "43.3333"]
    changes = boss.ListStandingHistory(customer_id=one, topic="value.value").changes
    assert [(getattr(c, "from"), c.to) for c in changes] == [("B", "A"), ("", "B")]


def test_models_of_several_codes_stand_beside_one_another(boss: Client, model: Any, customer: Any, sweep: Any) -> None:
    first = model()
    second = model([{**SCALE, "weight": "100"}], code="credit", purpose="credit")
    third = model([{**SCALE, "weight": "100"}])
    one = customer(scale="large")
    sweep(TODAY)

    assert {m.id: m.state for m in boss.ListValueModels().value_models} == {
        first.id: "retired",
        second.id: "active",
        third.id: "active",
    }
    assert (standing(boss, one).rule_id, standing(boss, one, "value.credit").rule_id) == (third.id, second.id)


def test_a_person_says_another_level_with_a_note(
    boss: Client, server: Server, model: Any, customer: Any, sweep: Any
) -> None:
    model()
    one = customer()
    sweep(TODAY)

    said = boss.OverruleStanding(customer_id=one, topic="value.value", value="A", note="战略客户")

    assert (said.value, said.computed_value, said.overruling.note) == ("A", "C", "战略客户")
    sweep(TODAY)
    assert standing(boss, one).value == "A"
    with refused("INVALID_ARGUMENT", "INVALID", "value"):
        boss.OverruleStanding(customer_id=one, topic="value.value", value="D", note="x")
    with refused("INVALID_ARGUMENT", "INVALID", "value"):
        boss.OverruleStanding(customer_id=one, topic="value.none", value="A", note="x")
    assert boss.TakeBackOverruling(customer_id=one, topic="value.value").value == "C"


def test_a_dry_run_says_what_putting_it_in_force_then_does(
    boss: Client, model: Any, customer: Any, order: Any, sweep: Any, today: date
) -> None:
    ids = [customer(f"客户{i}", scale=s) for i, s in enumerate(("large", "small", ""))]
    order(ids[0], "2026-11-01", "100000")
    draft = model(active=False)

    said = boss.SimulateValueModel(id=draft.id)

    assert {level.level: level.count for level in said.levels} == {"A": 1, "B": 0, "C": 2}
    assert (said.customers, said.mean, said.moved) == (3, "37.78", 3)
    assert list(said.tenths) == [1, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert standing(boss, ids[0]) is None
    boss.ActivateValueModel(id=draft.id, etag=draft.etag)
    sweep(today)
    assert [standing(boss, i).value for i in ids] == ["A", "C", "C"]
    assert boss.SimulateValueModel(id=draft.id).moved == 0


def test_who_does_not_see_what_a_model_looks_at_is_told_the_level_only(
    boss: Client, server: Server, model: Any, customer: Any, sweep: Any
) -> None:
    model()
    one = customer(scale="large")
    sweep(TODAY)
    for resource, field in (("customer", "scale"), ("trade_entry", "amount")):
        rules = [{"resource": resource, "field": field, "rule": "hidden"}]
        reader = server.person(["customer.read"], fields=rules)
        assert standing(reader, one).value == "B"
        assert "score" not in standing(reader, one).reasons
        assert not [c for c in reader.ListStandingHistory(customer_id=one).changes if "score" in c.reasons]
        assert not reader.ListCustomerScores(customer_id=one).scores
    stranger = server.person(["customer.read", "value_model.read"], "self")
    with refused("NOT_FOUND"):
        stranger.ListCustomerScores(customer_id=one)
    for act in (
        lambda m: stranger.ActivateValueModel(id=m.id, etag=m.etag),
        lambda m: stranger.SimulateValueModel(id=m.id),
        lambda m: stranger.DeleteValueModel(id=m.id, etag=m.etag),
    ):
        with refused("PERMISSION_DENIED"):
            act(boss.ListValueModels().value_models[0])


@pytest.mark.long
def test_ten_thousand_customers_are_scored_by_six_criteria(
    boss: Client, server: Server, model: Any, sweep: Any, measured: Any
) -> None:
    sources: list[dict[str, Any]] = [
        {"source": "order_amount", "months": 12},
        {"source": "receipt_amount", "months": 12},
        {"source": "order_count", "months": 3},
        {"source": "last_order"},
        {"source": "interactions", "days": 90},
    ]
    bands = [band("", "100", "0"), band("100", "", "1")]
    criteria = [{"name": s["source"], "class": "trade", "weight": "12", "bands": bands, **s} for s in sources]
    server.sql(
        "INSERT INTO customer (id, name, kind, create_time, update_time, scale)"
        " SELECT gen_random_uuid(), '客户' || n, 'organization', now(), now(), 'large' FROM generate_series(1, 10000) n"
    )
    server.sql(
        "INSERT INTO customer_trade_month (customer_id, month, order_amount, order_count)"
        " SELECT id, m, 50, 1 FROM customer, unnest(ARRAY['2026-09-01', '2026-10-01', '2026-11-01']::date[]) m"
    )
    model([*criteria, SCALE])
    began = time.perf_counter()
    sweep(TODAY)
    first = time.perf_counter() - began
    began = time.perf_counter()
    sweep(TODAY)
    again = time.perf_counter() - began

    assert server.sql("SELECT score, count(*) FROM customer_score GROUP BY 1") == [(Decimal("52.0000"), 10000)]
    assert server.sql("SELECT count(*) FROM customer_score_change") == [(10000,)]
    measured(f"{10000 / first:.0f} customers/s scored the first time, {10000 / again:.0f} customers/s again")
    print(f"\n{10000 / first:.0f} customers/s scored the first time, {10000 / again:.0f} customers/s again")


def test_a_dry_run_tells_nothing_of_what_is_hidden(boss: Client, server: Server, model: Any, customer: Any) -> None:
    customer("甲", scale="large")
    draft = model(active=False)

    for resource, field in (("customer", "scale"), ("trade_entry", "amount")):
        reader = server.person(fields=[{"resource": resource, "field": field, "rule": "masked"}])
        with refused("PERMISSION_DENIED", "ASKS_UNSEEN"):
            reader.SimulateValueModel(id=draft.id)


def test_a_contact_that_is_entered_ahead_counts_once_its_day_has_come(
    boss: Client, model: Any, customer: Any, sweep: Any, today: date
) -> None:
    one = customer("甲")
    bands = [{"to": "1", "points": "0"}, {"from": "1", "points": "10"}]
    criterion = {"name": "沟通", "class": "contact", "weight": "100", "source": "interactions", "days": 30}
    model(criteria=[{**criterion, "bands": bands}])
    moment = datetime.now(UTC) + timedelta(days=20)
    boss.CreateInteraction(interaction={"customer_id": one, "kind": "call", "subject": "回访", "start_time": moment})

    counted = []
    for day in (today, today + timedelta(days=20), today + timedelta(days=50)):
        sweep(day)
        counted.append(standing(boss, one).reasons["criteria"][0]["figure"])
    assert counted == ["0", "1", "0"]
