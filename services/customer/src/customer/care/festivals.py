"""Care days as records: festivals and days of the company's own, and the calendar of a year."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from crm.customer.v1 import care_days_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import writing
from crm_records.record import Dependent, Record, Row
from customer.care import days
from customer.care.tables import care_day, care_plan

errors.texts(
    {
        "no_such_day": ("该历法没有这一天", "There is no such day in that calendar"),
        "no_such_term": ("没有这个节气", "There is no such solar term"),
        "year_unknown": (
            "农历只支持 {first} 至 {last} 年",
            "The lunar calendar is known from {first} to {last} only",
        ),
    }
)
_NEEDED: Mapping[str, tuple[str, ...]] = {
    days.SOLAR: ("month", "day"),
    days.LUNAR: ("month", "day"),
    days.LUNAR_YEAR_END: (),
    days.SOLAR_TERM: ("term",),
    days.WEEKDAY: ("month", "weekday", "nth"),
}
_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PLACE = ("month", "day", "term", "weekday", "nth")


class CareDays(Record):
    """See the contract for the fields."""

    message = pb.CareDay
    table = care_day
    plural = "care_days"

    def __init__(self) -> None:
        super().__init__()
        self.dependents.append(Dependent(care_plan.c.day_id, ("关怀方案", "Care plan")))

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        """Exactly what the calendar needs is given, and there is such a day."""
        needed = _NEEDED[row["calendar"]]
        problems = []
        for name in needed:
            if row[name] is None:
                field = self.fields[name]
                problems.append(Problem(field.json_name, "required", {"label": field.label}))
        writing.refuse(problems)
        for name in set(_PLACE) - set(needed):
            row[name] = None
        longest = 30 if row["calendar"] == days.LUNAR else _LENGTHS[(row["month"] or 1) - 1]
        if (row["day"] or 1) > longest:
            raise errors.Invalid(Problem("day", "no_such_day"))
        if row["term"] and row["term"] not in days.TERMS:
            raise errors.Invalid(Problem("term", "no_such_term"))


CARE_DAYS = CareDays()


def rule_of(row: Mapping[str, Any]) -> days.Rule:
    """A stored day as the calendar takes it."""
    numbers = {n: row[n] or 0 for n in ("month", "day", "weekday", "nth", "year")}
    return days.Rule(row["calendar"], term=row["term"] or "", **numbers)


def name_of(row: Mapping[str, Any], language: str) -> str:
    """What it is called, to somebody who reads that language."""
    return str(row["name_zh"] if language.startswith("zh") else row["name_en"])


def calendar(call: Call, request: pb.GetCareCalendarRequest) -> pb.CareCalendar:
    """When the days of a year are."""
    year = int(writing.given(request)["year"])
    found = []
    query = select(care_day).where(care_day.c.delete_time.is_(None))
    for row in map(dict, call.connection.execute(query).mappings()):
        found += [(day, row["code"], row) for day in days.of_year(rule_of(row), year)]
    answer = pb.CareCalendar()
    for day, code, row in sorted(found, key=lambda f: f[:2]):
        answer.entries.add(day_id=row["id"], code=code, name=name_of(row, call.language), date=day.isoformat())
    return answer


def check_lunar(field: str, day: Any) -> None:
    """Refuse a day whose lunar date nobody knows."""
    if not days.knows(day):
        raise errors.Invalid(Problem(field, "year_unknown", {"first": days.FIRST + 1, "last": days.LAST}))


def derive_birthday(row: Row, before: Row | None) -> None:
    """The lunar day of a birthday that is celebrated by the lunar calendar."""
    if before is not None and all(row[n] == before[n] for n in ("birthday", "birthday_lunar")):
        return
    if row["birthday"] is None or not row["birthday_lunar"]:
        row["lunar_birthday"] = None
        return
    check_lunar("birthday", row["birthday"])
    month, day = days.lunar_day(row["birthday"])
    row["lunar_birthday"] = f"{month:02}-{day:02}"
