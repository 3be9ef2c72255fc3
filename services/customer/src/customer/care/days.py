"""When something comes again: festivals by the solar and the lunar calendar, solar terms, birthdays, anniversaries.

Lunar dates and solar terms come from borax, which knows 1900 to 2100. Where a day does not exist every year:

- 29 February comes on 28 February in common years, and so does the last day of any month that is shorter;
- the 30th of a lunar month comes on the 29th where the month has no 30th;
- a lunar day comes in the ordinary month, once a year: nothing comes in a leap month, and who was born in one has the
  birthday in the ordinary month of the same number.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

FIRST, LAST = 1901, 2099
"""Years whose lunar dates are known."""
TERMS = (
    *("小寒", "大寒", "立春", "雨水", "惊蛰", "春分", "清明", "谷雨", "立夏", "小满", "芒种", "夏至"),
    *("小暑", "大暑", "立秋", "处暑", "白露", "秋分", "寒露", "霜降", "立冬", "小雪", "大雪", "冬至"),
)
SOLAR, LUNAR, LUNAR_YEAR_END, SOLAR_TERM, WEEKDAY = "solar", "lunar", "lunar_year_end", "solar_term", "weekday"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which day of a year it is; see the contract of care days for what goes with which calendar."""

    calendar: str
    month: int = 0
    day: int = 0
    term: str = ""
    weekday: int = 0
    nth: int = 0
    year: int = 0
    """Only in this year of its calendar; 0: in every year."""


def occurrences(rule: Rule, start: date, end: date) -> Iterator[date]:
    """The times within these days, both included, in their order."""
    is_lunar = rule.calendar in (LUNAR, LUNAR_YEAR_END)
    first = start.year - 1 if is_lunar else start.year
    for year in range(first, end.year + 1):
        if rule.year and year != rule.year:
            continue
        day = _in_year(rule, year)
        if day is not None and start <= day <= end:
            yield day


def of_year(rule: Rule, year: int) -> list[date]:
    """The days in a solar year: none or two, where a lunar day lies about the new year."""
    return list(occurrences(rule, date(year, 1, 1), date(year, 12, 31)))


def anniversaries(first: date, start: date, end: date, *, lunar: bool = False) -> Iterator[date]:
    """When a day comes again, by the lunar calendar if asked; never before it was."""
    if lunar and not knows(first):
        return
    if lunar:
        month, day = lunar_day(first)
        rule = Rule(LUNAR, month, day)
    else:
        rule = Rule(SOLAR, first.month, first.day)
    yield from (day for day in occurrences(rule, start, end) if day > first)


def knows(day: date) -> bool:
    """Whether the lunar date of a day is known."""
    return FIRST < day.year <= LAST


def lunar_day(day: date) -> tuple[int, int]:
    """(month, day) by the lunar calendar; of a leap month the number of the ordinary one."""
    found = _calendar().LunarDate.from_solar(day)
    return found.month, found.day


def solar_keys(start: date, end: date) -> list[int]:
    """Month × 100 + day of everything solar that comes within these days."""
    found = set()
    for day in _days(start, end):
        found.add(day.month * 100 + day.day)
        if (day.month, day.day) == (2, 28) and monthrange(day.year, 2)[1] == 28:
            found.add(229)
    return sorted(found)


def lunar_keys(start: date, end: date) -> list[str]:
    """ "month-day" of everything lunar that comes within these days."""
    found = set()
    for day in _days(start, end):
        if not knows(day):
            continue
        lunar = _calendar().LunarDate.from_solar(day)
        if lunar.leap:
            continue
        found.add(f"{lunar.month:02}-{lunar.day:02}")
        if lunar.day == 29 and _month_days(lunar.year, lunar.month) == 29:
            found.add(f"{lunar.month:02}-30")
    return sorted(found)


def _days(start: date, end: date) -> Iterator[date]:
    return (start + timedelta(days=n) for n in range((end - start).days + 1))


def _in_year(rule: Rule, year: int) -> date | None:
    """The day in a year of the rule's own calendar; None where there is none, or nobody knows."""
    match rule.calendar:
        case "solar":
            return date(year, rule.month, min(rule.day, monthrange(year, rule.month)[1]))
        case "weekday":
            first = date(year, rule.month, 1)
            ahead = (rule.weekday - first.isoweekday()) % 7 + 7 * (rule.nth - 1)
            day = first + timedelta(days=ahead)
            return day if day.month == rule.month else None
    if not FIRST <= year <= LAST:
        return None
    lunar = _calendar()
    match rule.calendar:
        case "solar_term":
            return _date(lunar.TermUtils.nth_term_day(year, term_name=rule.term))
        case "lunar_year_end":
            return _date(lunar.LunarDate(year + 1, 1, 1).to_solar_date()) - timedelta(days=1)
    day_of_month = min(rule.day, _month_days(year, rule.month))
    return _date(lunar.LunarDate(year, rule.month, day_of_month).to_solar_date())


def _month_days(year: int, month: int) -> int:
    """Days of an ordinary lunar month."""
    return int(_calendar().LCalendars.ndays(year, month))


def _date(day: Any) -> date:
    return date(day.year, day.month, day.day)


def _calendar() -> Any:
    """Loaded when a lunar date is first asked for: most processes never do."""
    from borax.calendars import lunardate

    return lunardate
