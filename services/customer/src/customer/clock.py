"""Days: the company's today, and counting in calendar months."""

from __future__ import annotations

import calendar
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from crm_kit.rpc import Call


def today(call: Call) -> date:
    """The day where the caller is; the company's for what the suite does by itself."""
    return datetime.now(ZoneInfo(call.access.time_zone)).date()


def add_months(day: date, months: int) -> date:
    """The same day of a later or earlier month; its last day where it lacks that day: 31 August + 6 is 28 February. Of
    what is meant to be for ever, the last day there is."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    if year > date.max.year:
        return date.max
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def later(day: date, days: int) -> date:
    """So many days later; of what is meant to be for ever, the last day there is."""
    return day + timedelta(days=min(days, (date.max - day).days))


def first_of_month(day: date) -> date:
    return day.replace(day=1)


def local_day(time: datetime, call: Call) -> date:
    """The day of a moment where the caller is."""
    return time.astimezone(ZoneInfo(call.access.time_zone)).date()
