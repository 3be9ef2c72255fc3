"""A partition of the events for every month: made ahead, dropped when it is no longer to be kept.

They lie in the schema `behaviour`, apart from the tables that the migrations speak of. Dropping a month costs a
moment; deleting its rows would cost hours and leave holes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, select, text

from crm_kit.kept import Kept
from crm_kit.rpc import Call
from customer.behaviour.tables import settings

SCHEMA = "behaviour"
KEEP_MONTHS = 13
"""What is kept unless an administrator says otherwise."""
AHEAD = 3
"""Months made ahead."""
AHEAD_OF_US = timedelta(hours=1)
"""How far the clock of a source may be ahead."""
HOURLY = 3600.0
_LOCK = 0x43524D41
_NAMES = text(
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
    " WHERE i.inhparent = 'behaviour_event'::regclass ORDER BY c.relname"
)


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept now: the setting, and the months that have a place."""

    keep_months: int
    first: date | None
    last: date | None

    def bounds(self, now: datetime) -> tuple[datetime, datetime]:
        """The earliest time of an event that is taken, and the first that is too late."""
        oldest = max(self.first or now.date(), month(now.date(), -self.keep_months))
        newest = month(self.last, 1) if self.last else oldest
        return _midnight(oldest), min(_midnight(newest), now + AHEAD_OF_US)


def month(day: date, more: int = 0) -> date:
    """The first day of the month of a day, or of one so many months later."""
    index = day.year * 12 + day.month - 1 + more
    return date(index // 12, index % 12 + 1, 1)


def keep_months(connection: Connection) -> int:
    """How many whole months before the present one are kept."""
    return connection.scalar(select(settings.c.keep_months)) or KEEP_MONTHS


def months(connection: Connection) -> list[date]:
    """The months that have a partition, oldest first."""
    return [_month_of(name) for name in connection.scalars(_NAMES)]


def _load(connection: Connection) -> Keeping:
    there = months(connection)
    return Keeping(keep_months(connection), there[0] if there else None, there[-1] if there else None)


NOW = Kept(_load)
"""What is kept, at most two seconds old."""


def arrange(connection: Connection, today: date) -> tuple[list[date], list[date]]:
    """Make the partitions that are missing and drop those that are too old: (made, dropped)."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    connection.execute(text("SET LOCAL lock_timeout = '2s'"))
    keep = keep_months(connection)
    wanted = [month(today, n) for n in range(-keep, AHEAD + 1)]
    there = months(connection)
    made = [m for m in wanted if m not in there]
    dropped = [m for m in there if m < wanted[0]]
    for m in made:
        _make(connection, m)
    for m in dropped:
        connection.exec_driver_sql(f'DROP TABLE {SCHEMA}."{_name(m)}"')
    return made, dropped


def tick(call: Call) -> None:
    """The hourly look of the clock."""
    arrange(call.connection, datetime.now(UTC).date())
    call.after_commit.append(NOW.forget)


def _make(connection: Connection, m: date) -> None:
    name = f'{SCHEMA}."{_name(m)}"'
    start, end = _midnight(m).isoformat(), _midnight(month(m, 1)).isoformat()
    connection.exec_driver_sql(
        f"CREATE TABLE {name} PARTITION OF behaviour_event FOR VALUES FROM ('{start}') TO ('{end}')"
    )
    connection.exec_driver_sql(f"CREATE UNIQUE INDEX ON {name} (source, event_id)")


def _name(m: date) -> str:
    return f"event_{m:%Y_%m}"


def _month_of(name: str) -> date:
    return date(int(name[6:10]), int(name[11:13]), 1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
