"""Whether what an item is for is still on its day: a birthday is corrected, an occasion is moved or taken away."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select

from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records.record import Row
from customer.care import days, occasions, plans
from customer.care.people import Recipient
from customer.care.tables import occasion


def holds_not(call: Call, found: Iterable[tuple[Row, Recipient]]) -> set[str]:
    """Of items and whom they are for, those whose own occasion is on another day now, or is no more. The days that
    everybody has are their plan's."""
    pairs = list(found)
    entered = _entered(call, [row["occasion_key"] for row, _ in pairs if row["occasion"] == plans.OCCASION])
    return {row["id"] for row, one in pairs if not _holds(row, one, entered)}


def _holds(row: Row, one: Recipient, entered: dict[str, Row]) -> bool:
    day = row["occasion_date"]
    if day is None:  # erased
        return False
    match row["occasion"]:
        case plans.BIRTHDAY:
            times = days.anniversaries(one.birthday, day, day, lunar=one.birthday_lunar) if one.birthday else ()
        case plans.COMPANY:
            times = days.anniversaries(one.founding_date, day, day) if one.founding_date else ()
        case plans.OCCASION:
            known = entered.get(row["occasion_key"])
            times = occasions.times(known, day, day) if known else ()
        case _:
            return True
    return day in times


def _entered(call: Call, ids: list[str]) -> dict[str, Any]:
    c = occasion.c
    rows = call.connection.execute(select(occasion).where(one_of(c.id, ids), c.delete_time.is_(None))) if ids else ()
    return {row.id: dict(row._mapping) for row in rows}
