"""Days of care: festivals by either calendar, solar terms, birthdays and anniversaries."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from crm_kit.testing import Client, refused
from customer.care import days
from customer.care.days import Rule

pytestmark = pytest.mark.feature("CUS-21")

SPRING, LANTERN, DRAGON = Rule("lunar", 1, 1), Rule("lunar", 1, 15), Rule("lunar", 5, 5)
QIXI, MOON, NINTH, EVE = Rule("lunar", 7, 7), Rule("lunar", 8, 15), Rule("lunar", 9, 9), Rule("lunar_year_end")
QINGMING, SOLSTICE = Rule("solar_term", term="清明"), Rule("solar_term", term="冬至")
KNOWN = [
    (SPRING, ["2019-02-05", "2020-01-25", "2021-02-12", "2022-02-01", "2023-01-22", "2024-02-10", "2025-01-29"]),
    (SPRING, ["2026-02-17", "2027-02-06", "2028-01-26", "2030-02-03", "2033-01-31", "2034-02-19"]),
    (LANTERN, ["2023-02-05", "2024-02-24", "2025-02-12", "2026-03-03"]),
    (DRAGON, ["2020-06-25", "2023-06-22", "2024-06-10", "2025-05-31", "2026-06-19"]),
    (QIXI, ["2020-08-25", "2023-08-22", "2024-08-10", "2025-08-29", "2026-08-19"]),
    (MOON, ["2020-10-01", "2021-09-21", "2022-09-10", "2023-09-29", "2024-09-17", "2025-10-06", "2026-09-25"]),
    (NINTH, ["2023-10-23", "2024-10-11", "2025-10-29", "2026-10-18"]),
    (EVE, ["2020-01-24", "2021-02-11", "2022-01-31", "2023-01-21", "2024-02-09", "2025-01-28", "2026-02-16"]),
    (QINGMING, ["2020-04-04", "2022-04-05", "2023-04-05", "2024-04-04", "2025-04-04", "2026-04-05"]),
    (SOLSTICE, ["2020-12-21", "2022-12-22", "2023-12-22", "2024-12-21", "2025-12-21", "2026-12-22"]),
    (Rule("solar", 10, 1), ["2024-10-01", "2025-10-01"]),
    (Rule("weekday", 5, weekday=7, nth=2), ["2024-05-12", "2025-05-11", "2026-05-10"]),
    (Rule("weekday", 6, weekday=7, nth=3), ["2024-06-16", "2025-06-15", "2026-06-21"]),
]


@pytest.mark.parametrize(("rule", "known"), KNOWN)
def test_a_festival_is_on_the_day_that_calendars_print(rule: Rule, known: list[str]) -> None:
    found = [day.isoformat() for text in known for day in days.of_year(rule, int(text[:4]))]

    assert found == known


@pytest.mark.parametrize(("year", "length"), [(2022, 29), (2023, 30), (2024, 30), (2025, 29), (2026, 29)])
def test_the_eve_is_the_last_day_of_a_year_with_29_or_30_days_in_its_last_month(year: int, length: int) -> None:
    (eve,) = days.of_year(EVE, year)

    assert days.lunar_day(eve) == (12, length)
    assert eve + timedelta(days=1) == days.of_year(SPRING, year)[0]


def test_nothing_comes_in_a_leap_month() -> None:
    in_leap_month = date(2025, 8, 1)
    assert days.lunar_day(in_leap_month) == (6, 8)

    assert [d.isoformat() for d in days.of_year(Rule("lunar", 6, 8), 2025)] == ["2025-07-02"]
    assert days.lunar_keys(in_leap_month, in_leap_month) == []


def test_who_was_born_in_a_leap_month_has_the_birthday_in_the_ordinary_one() -> None:
    born = date(2020, 5, 30)
    assert days.lunar_day(born) == (4, 8)

    found = days.anniversaries(born, date(2020, 1, 1), date(2023, 12, 31), lunar=True)
    assert [day.isoformat() for day in found] == ["2021-05-19", "2022-05-08", "2023-05-26"]


def test_the_30th_of_a_lunar_month_comes_on_the_29th_where_there_is_no_30th() -> None:
    born = date(2023, 1, 21)
    assert days.lunar_day(born) == (12, 30)

    found = days.anniversaries(born, date(2024, 1, 1), date(2026, 12, 31), lunar=True)
    assert [day.isoformat() for day in found] == ["2024-02-09", "2025-01-28", "2026-02-16"]
    assert days.lunar_keys(date(2025, 1, 28), date(2025, 1, 28)) == ["12-29", "12-30"]


def test_the_29th_of_february_comes_on_the_28th_in_common_years() -> None:
    born = date(2000, 2, 29)

    found = days.anniversaries(born, date(2023, 1, 1), date(2025, 12, 31))
    assert [day.isoformat() for day in found] == ["2023-02-28", "2024-02-29", "2025-02-28"]
    assert days.solar_keys(date(2023, 2, 28), date(2023, 2, 28)) == [228, 229]
    assert days.solar_keys(date(2024, 2, 28), date(2024, 2, 28)) == [228]


def test_a_lunar_day_about_the_new_year_may_come_twice_or_not_at_all_in_a_solar_year() -> None:
    counts = {year: len(days.of_year(Rule("lunar", 11, 25), year)) for year in range(2020, 2040)}

    assert set(counts.values()) == {0, 1, 2}
    found = list(days.occurrences(Rule("lunar", 11, 25), date(2020, 1, 1), date(2039, 12, 31)))
    assert len(found) == len(set(found)) == sum(counts.values())


def test_a_birthday_is_found_by_its_key_on_each_of_its_days(measured: Any) -> None:
    checked = 0
    for born in (date(1960, 1, 1) + timedelta(days=n * 11) for n in range(1500)):
        for lunar in (False, True):
            for one in days.anniversaries(born, date(2024, 1, 1), date(2026, 12, 31), lunar=lunar):
                if lunar:
                    month, day = days.lunar_day(born)
                    assert f"{month:02}-{day:02}" in days.lunar_keys(one, one)
                else:
                    assert born.month * 100 + born.day in days.solar_keys(one, one)
                checked += 1
    measured(f"{checked} birthdays found by their key")
    assert checked > 8000


def test_nobody_has_a_birthday_before_or_when_born() -> None:
    born = date(2026, 3, 1)

    assert list(days.anniversaries(born, date(2020, 1, 1), date(2026, 12, 31))) == []


def test_the_calendar_of_a_year_shows_the_days_in_their_order(boss: Client) -> None:
    entries = boss.GetCareCalendar(year=2026).entries

    found = {e.code: e.date for e in entries}
    assert [e.date for e in entries] == sorted(e.date for e in entries)
    assert (found["spring_festival"], found["new_years_eve"]) == ("2026-02-17", "2026-02-16")
    assert (found["qingming"], found["national_day"]) == ("2026-04-05", "2026-10-01")
    assert next(e.name for e in entries if e.code == "qixi") == "七夕"
    english = boss.GetCareCalendar(year=2026, metadata={"accept-language": "en"}).entries
    assert next(e.name for e in english if e.code == "qixi") == "Qixi Festival"


def test_a_company_adds_days_of_its_own(boss: Client) -> None:
    boss.CreateCareDay(
        care_day={"code": "founding", "name_zh": "公司周年", "name_en": "Our day", "calendar": "lunar", "month": 3,
                  "day": 3}
    )  # fmt: skip
    boss.CreateCareDay(
        care_day={"code": "expo", "name_zh": "博览会", "name_en": "Expo", "calendar": "solar", "month": 11, "day": 5,
                  "year": 2025}
    )  # fmt: skip

    of_2026 = {e.code: e.date for e in boss.GetCareCalendar(year=2026).entries}
    assert of_2026["founding"] == "2026-04-19"
    assert "expo" not in of_2026
    assert {e.code: e.date for e in boss.GetCareCalendar(year=2025).entries}["expo"] == "2025-11-05"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"calendar": "solar", "month": 4, "day": 31}, "day"),
        ({"calendar": "lunar", "month": 4, "day": 31}, "day"),
        ({"calendar": "solar", "day": 3}, "month"),
        ({"calendar": "solar_term", "term": "春天"}, "term"),
        ({"calendar": "solar_term"}, "term"),
        ({"calendar": "weekday", "month": 5, "nth": 2}, "weekday"),
        ({"calendar": "mayan"}, "calendar"),
    ],
)
def test_a_day_that_there_is_not_is_refused(boss: Client, fields: dict[str, Any], wrong: str) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", wrong):
        boss.CreateCareDay(care_day={"code": "x", "name_zh": "某日", "name_en": "Some day", **fields})


@pytest.mark.feature("CUS-02")
def test_a_lunar_birthday_is_derived_and_follows_the_day_of_birth(boss: Client) -> None:
    customer = boss.CreateCustomer(customer={"name": "长江轴承"})
    made = boss.CreateContact(
        contact={"customer_id": customer.id, "name": "王芳", "birthday": "1985-10-01", "birthday_lunar": True}
    )
    assert made.lunar_birthday == "08-17"

    later = boss.UpdateContact(
        contact={"id": made.id, "birthday": "1985-09-29"}, update_mask={"paths": ["birthday"]}, etag=made.etag
    )
    assert later.lunar_birthday == "08-15"
    solar = boss.UpdateContact(
        contact={"id": made.id, "birthday_lunar": False}, update_mask={"paths": ["birthday_lunar"]}, etag=later.etag
    )
    assert solar.lunar_birthday == ""
    with refused("INVALID_ARGUMENT", "INVALID", "birthday"):
        boss.CreateContact(
            contact={"customer_id": customer.id, "name": "古人", "birthday": "1850-01-01", "birthday_lunar": True}
        )
    single = boss.CreateCustomer(
        customer={"name": "李雷", "kind": "individual", "birthday": "1990-02-15", "birthday_lunar": True}
    )
    assert single.lunar_birthday == "01-20"
