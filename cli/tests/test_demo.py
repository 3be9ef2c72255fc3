"""The demo company: the same for the same seed, believable in its figures, valid in its codes."""

from collections import Counter
from datetime import date
from decimal import Decimal

import pytest
from stdnum.cn import uscc

from crm_cli.demo import activity, customers, deals, words
from crm_cli.demo.company import REGIONS, offices_for
from crm_cli.demo.staff import staff
from crm_cli.demo.world import World

TODAY = date(2026, 3, 31)
COUNT = 3000


def world(seed: int = 1) -> World:
    return World(
        seed,
        TODAY,
        sellers={region: [f"{region} {i}" for i in range(6)] for region in REGIONS},
        service_agents=["agent"],
        products=[(good.model, good) for good in words.goods()],
        pipeline="pipeline",
    )


@pytest.fixture(scope="module")
def many() -> list[dict]:  # type: ignore[type-arg]
    return [customers.customer(world(), number) for number in range(COUNT)]


@pytest.fixture(scope="module")
def sales(many: list[dict]) -> list[dict]:  # type: ignore[type-arg]
    return [deal for n, one in enumerate(many) for deal in deals.opportunities(world(), n, one, "id")]


def everything(seed: int, number: int) -> list:  # type: ignore[type-arg]
    known, customer = world(seed), customers.customer(world(seed), number)
    return [
        customer,
        customers.contacts(known, number, "id"),
        activity.interactions(known, number, "id", ["contact"]),
        activity.demands(known, number, customer, "id"),
        activity.service_requests(known, number, "id", ["contact"]),
        activity.tasks(known, number, customer, "id"),
        deals.opportunities(known, number, customer, "id"),
    ]


def test_the_same_seed_makes_the_same_and_another_seed_another() -> None:
    assert [everything(7, n) for n in range(20)] == [everything(7, n) for n in range(20)]
    assert [everything(7, n)[0]["name"] for n in range(20)] != [everything(8, n)[0]["name"] for n in range(20)]


def test_any_part_can_be_made_without_the_rest() -> None:
    assert everything(1, 999_999)[0]["externalId"] == "demo:1:customer:999999"


def test_names_codes_and_keys_are_unique_and_the_codes_are_valid(many: list[dict]) -> None:  # type: ignore[type-arg]
    for field in ("name", "creditCode", "externalId"):
        assert len({one[field] for one in many}) == COUNT
    assert all(uscc.is_valid(one["creditCode"]) for one in many)
    assert all(one["creditCode"][2:8] in {place.division for place in words.places()[0]} for one in many)


def test_no_telephone_number_can_be_a_real_one(many: list[dict]) -> None:  # type: ignore[type-arg]
    assert all(one["phone"].split("-")[1].startswith("0") for one in many)
    people = [person for n in range(200) for person in customers.contacts(world(), n, "id")]
    assert all(len(one["mobile"]) == 11 and one["mobile"][3:7] == "0000" for one in people)


def test_customers_are_spread_as_the_country_is(many: list[dict]) -> None:  # type: ignore[type-arg]
    regions = Counter(one["region"] for one in many)

    assert set(regions) == set(REGIONS)
    assert regions.most_common(1)[0][0] == "east"
    assert 0.01 < sum(one["scale"] == "large" for one in many) / COUNT < 0.10
    assert all(one["ownerId"].startswith(one["region"]) for one in many)


def test_deals_are_many_small_and_few_large_and_a_third_is_won(sales: list[dict]) -> None:  # type: ignore[type-arg]
    stages = Counter(deal["stage"] for deal in sales)
    amounts = sorted(Decimal(deal["wonAmount"]) for deal in sales if deal["stage"] == "won")

    assert 0.25 < stages["won"] / (stages["won"] + stages["lost"]) < 0.45
    assert all(stages[stage] for stage in deals.OPEN)
    assert sum(amounts[-len(amounts) // 10 :]) > sum(amounts) / 4
    assert min(amounts) > 0


def test_every_history_is_in_order_ends_in_its_stage_and_never_in_the_future(sales: list[dict]) -> None:  # type: ignore[type-arg]
    for deal in sales:
        history = deal["stageHistory"]
        times = [stay["enterTime"] for stay in history]
        assert times == sorted(times)
        assert [stay.get("leaveTime") for stay in history] == [*times[1:], None]
        assert history[-1]["stage"] == deal["stage"]
        assert max(times[-1], deal["createTime"]) < TODAY.isoformat()
        assert deal.get("closeDate", "") < TODAY.isoformat()
        assert deal["expectedCloseDate"] > TODAY.isoformat() if deal["state"] == "developing" else deal["closeDate"]


def test_the_year_has_its_seasons(sales: list[dict]) -> None:  # type: ignore[type-arg]
    months = Counter(deal["engageDate"][5:7] for deal in sales)

    assert months["12"] > 2 * months["02"]


def test_service_requests_go_through_all_states_and_never_into_the_future() -> None:
    found = [one for n in range(COUNT) for one in activity.service_requests(world(), n, "id", [])]

    assert set(activity.STATES) == {one["state"] for one in found}
    times = [value for one in found for name, value in one.items() if name.endswith("Time")]
    assert max(times) < TODAY.isoformat()
    assert all("handling" in one for one in found if one["state"] in ("handled", "feedback", "archived"))


@pytest.mark.parametrize(("size", "people"), [(100, 16), (1000, 32), (100_000, 126), (1_000_000, 200)])
def test_the_company_grows_with_its_customers_and_everybody_has_a_superior(size: int, people: int) -> None:
    offices = ["company", *list(REGIONS)[: offices_for(size)], "market", "service", "finance"]

    posts = staff(1, size, offices)

    level = {post.username: post.level for post in posts}
    assert len(posts) == people
    assert [post.role for post in posts if not post.superior] == ["executive"]
    assert all(level[post.superior] < post.level for post in posts if post.superior)
    assert {post.office for post in posts} == set(offices)
    assert len(level) == people
