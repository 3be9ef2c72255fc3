"""The one function that decides when a customer comes into a pool, asked by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from customer.pools.config import rules_of
from customer.pools.terms import Facts, decide, rule_for

pytestmark = pytest.mark.feature("CUS-10")

DAY = date(2026, 12, 1)
OWNED = date(2026, 10, 1)
PLAIN = Facts("c", "owner", None, None, OWNED)


def days(count: int) -> timedelta:
    return timedelta(days=count)


def verdict(facts: Facts = PLAIN, today: date = DAY, **rule: Any) -> Any:
    return decide(facts, rules_of([rule]), today)


def test_days_count_from_the_last_contact_or_from_when_the_owner_got_it() -> None:
    assert verdict(noContactDays=90).day == OWNED + days(90)
    assert verdict(replace(PLAIN, last_contact=date(2026, 11, 20)), noContactDays=90).day == date(2026, 11, 20) + days(
        90
    )
    assert verdict(replace(PLAIN, last_contact=date(2026, 1, 1)), noContactDays=90).day == OWNED + days(90)
    assert verdict(noContactDays=30).day == DAY
    assert verdict(noContactDays=30).due == OWNED + days(30)


def test_the_first_term_that_runs_out_counts_and_gives_the_reason() -> None:
    known = replace(PLAIN, last_contact=DAY, last_opportunity=DAY - days(5), last_deal=DAY - days(9))
    rule = {"noContactDays": 60, "noOpportunityDays": 60, "noDealDays": 60}
    assert (verdict(known, **rule).reason, verdict(known, **rule).day) == ("no_deal", DAY + days(51))
    assert verdict(replace(known, last_deal=DAY), **rule).reason == "no_opportunity"
    ended = replace(PLAIN, contract_end=DAY + days(3))
    assert (verdict(ended, contractEndedDays=30).reason, verdict(ended, contractEndedDays=30).day) == (
        "contract_ended",
        DAY + days(33),
    )
    assert verdict(contractEndedDays=30).kept_by == "no_term"


def test_exempt_protected_and_locked_customers_stay() -> None:
    busy = replace(PLAIN, open_opportunity=True, last_deal=date(2025, 1, 1))
    assert verdict(busy, noContactDays=10).day == DAY
    assert verdict(busy, noContactDays=10, exemptOpenOpportunity=True).kept_by == "open_opportunity"
    assert verdict(busy, noContactDays=10, exemptDeal=True).kept_by == "deal"
    assert verdict(replace(PLAIN, locked=True), noContactDays=10).kept_by == "locked"
    assert verdict(replace(PLAIN, owner_id=None), noContactDays=10).kept_by == "nobodys"
    assert verdict(replace(PLAIN, protected_until=DAY + days(7)), noContactDays=10).day == DAY + days(8)
    under_contract = replace(PLAIN, contract_end=DAY + days(4))
    assert verdict(under_contract, noContactDays=10, exemptOpenContract=True).day == DAY + days(5)
    assert verdict(under_contract, noContactDays=10).day == DAY


@pytest.mark.parametrize("warning", [0, 7])
def test_what_is_meant_for_ever_holds_until_the_last_day_there_is(warning: int) -> None:
    rule = {"noContactDays": 10, "contractEndedDays": 30, "exemptOpenContract": True, "warningDays": warning}
    for for_ever in (
        replace(PLAIN, protected_until=date.max),
        replace(PLAIN, contract_end=date.max),
        replace(PLAIN, protected_until=date.max, contract_end=date.max, last_contact=date.max),
    ):
        assert verdict(for_ever, **rule).day == date.max


def test_nobody_loses_a_customer_without_having_been_warned_long_enough() -> None:
    late = verdict(noContactDays=10, warningDays=5)
    assert (late.due, late.warning, late.day) == (OWNED + days(10), DAY, DAY + days(5))
    early = verdict(noContactDays=90, warningDays=5)
    assert (early.warning, early.day) == (OWNED + days(85), OWNED + days(90))
    warned = replace(PLAIN, warned=(OWNED + days(10), DAY - days(5)))
    assert verdict(warned, noContactDays=10, warningDays=5).day == DAY
    other_term = replace(PLAIN, warned=(OWNED + days(11), DAY - days(5)))
    assert verdict(other_term, noContactDays=10, warningDays=5).day == DAY + days(5)


def test_the_rule_that_names_the_level_comes_before_the_one_for_all() -> None:
    rules = rules_of([{"noContactDays": 10}, {"levels": ["key"], "noContactDays": 60}])
    assert [rule_for(rules, level).number for level in ("key", "a", None)] == [2, 1, 1]  # type: ignore[union-attr]
    assert rule_for(rules_of([{"levels": ["key"], "noDealDays": 1}]), "a") is None


@pytest.mark.parametrize("warning", [0, 7])
def test_asked_every_day_it_says_the_same_as_asked_on_the_first(warning: int) -> None:
    """What the simulation rests on: 400 kinds of facts, each followed day by day as the nightly job does."""
    compared = 0
    for owned in range(0, 100, 5):
        for protected in (None, 3, 40, 80):
            for contact in (None, 0, 20, 50, 77):
                facts = replace(
                    PLAIN,
                    owned_since=DAY - days(owned),
                    protected_until=None if protected is None else DAY + days(protected),
                    last_contact=None if contact is None else DAY - days(contact),
                )
                rules = rules_of([{"noContactDays": 45, "warningDays": warning}])
                told, today = decide(facts, rules, DAY), DAY
                while True:
                    now = decide(facts, rules, today)
                    assert now.day is not None
                    if now.day <= today:
                        break
                    if now.warning is not None and now.warning <= today and facts.warned is None:
                        assert now.due is not None
                        facts = replace(facts, warned=(now.due, today))
                    today += days(1)
                assert (today, told.warning) == (told.day, facts.warned[1] if facts.warned else told.warning)
                compared += 1
    assert compared == 400
