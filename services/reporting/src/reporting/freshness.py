"""How fresh the figures are: asked before they are computed, so that what is told is never newer than they are."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from crm_kit.inbox_tables import position
from crm_kit.stream import STREAM
from crm_records import sql

_QUERY = sql.prepare(
    select(func.greatest(position.c.event_time, position.c.caught_up_time)).where(position.c.stream == STREAM)
)


def fresh_time(connection: Connection) -> datetime | None:
    """Every event up to then is in the figures: the newest one applied, or when nothing more was there to read."""
    row = _QUERY.run(connection).fetchone()
    return row[0] if row else None
