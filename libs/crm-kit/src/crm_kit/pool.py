"""Shared pools of records (公海): records that are nobody's and that the members of their pool see.

The service that owns the records says who the members are and what a pool hides from them; every service keeps it, so
that a report shows a person the same records as the service that owns them. Who belongs to a pool is worked out from
where people stand now: a person who comes into a department is in its pools at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert

from crm.records.v1.event_pb2 import Event
from crm.records.v1.pool_pb2 import PoolShare
from crm_kit.settings import SERVICES

metadata = MetaData()

ZONE = ZoneInfo("Asia/Shanghai")
"""Whose days a view quota goes by."""
READING = {"read", "export", "print"}
"""What membership gives, if a role gives the right: a record in a pool is looked at, and taken before it is changed."""

pool_share = Table(
    "pool_share",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("record_type", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("user_ids", ARRAY(Uuid(as_uuid=False)), nullable=False),
    Column("department_ids", ARRAY(Uuid(as_uuid=False)), nullable=False),
    Column("role_codes", ARRAY(Text), nullable=False),
    # Fields of the record and types of its parts.
    Column("hidden", ARRAY(Text), nullable=False),
    # What is more than the brief is shown of a record only to whoever opened it that day.
    Column("viewed", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
)
"""Who may look into which pool. One out of use stays, so that an older event that comes late changes nothing."""

pool_view = Table(
    "pool_view",
    metadata,
    Column("user_id", Uuid(as_uuid=False), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("record_id", Uuid(as_uuid=False), primary_key=True),
    Column("pool_id", Uuid(as_uuid=False), nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
)
"""Records of pools that somebody opened, once a day each. Only the service that owns the records has any."""
Index("ix_pool_view_record_id", pool_view.c.record_id)

_OF = text(
    "SELECT id, record_type, hidden, viewed FROM pool_share WHERE active AND (CAST(:user_id AS uuid) = ANY(user_ids)"
    " OR role_codes && CAST(:role_codes AS text[]) OR department_ids && ARRAY(WITH RECURSIVE up AS"
    " (SELECT id, parent_id FROM org_department WHERE id = CAST(:department_id AS uuid) UNION"
    " SELECT d.id, d.parent_id FROM org_department d JOIN up ON d.id = up.parent_id) SELECT id FROM up)) ORDER BY id"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One pool as its members see it: equal for all of them."""

    id: str
    hidden: frozenset[str]
    viewed: bool


@dataclass(frozen=True, slots=True)
class Pools:
    """The pools of one record type that somebody is a member of, and what they opened there today."""

    seen: tuple[Seen, ...] = ()
    opened: Mapping[str, str] = field(default_factory=dict)
    """Record → its pool."""

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(s.id for s in self.seen)

    def showing(self, part: Collection[str]) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """Where a part of the records is seen: (pools of which all is, pools of which what is opened, the opened). A
        pool hides it by any of these names."""
        shown = [s for s in self.seen if s.hidden.isdisjoint(part)]
        viewed = frozenset(s.id for s in shown if s.viewed)
        opened = frozenset(i for i, pool_id in self.opened.items() if pool_id in viewed)
        return frozenset(s.id for s in shown) - viewed, viewed if opened else frozenset(), opened


NONE = Pools()


def today() -> date:
    return datetime.now(ZONE).date()


def of(connection: Connection, user_id: str, department_id: str | None, role_codes: Sequence[str]) -> dict[str, Pools]:
    """The pools that somebody is a member of now, by record type."""
    found: dict[str, list[Seen]] = {}
    where = {"user_id": user_id, "department_id": department_id, "role_codes": list(role_codes)}
    for row in connection.execute(_OF, where):
        found.setdefault(row.record_type, []).append(Seen(row.id, frozenset(row.hidden), row.viewed))
    return {t: Pools(tuple(seen), _opened(connection, user_id, seen)) for t, seen in found.items()}


def _opened(connection: Connection, user_id: str, seen: Sequence[Seen]) -> dict[str, str]:
    if not any(s.viewed for s in seen):
        return {}
    c = pool_view.c
    query = select(c.record_id, c.pool_id).where(c.user_id == user_id, c.day == today())
    return {row.record_id: row.pool_id for row in connection.execute(query)}


def open_one(connection: Connection, user_id: str, record_id: str, pool_id: str) -> bool:
    """Somebody opens a record of a pool; False if they did so today already."""
    row = {"user_id": user_id, "day": today(), "record_id": record_id, "pool_id": pool_id, "time": datetime.now(UTC)}
    done = insert(pool_view).values(row).on_conflict_do_nothing().returning(pool_view.c.record_id)
    return connection.scalar(done) is not None


def opened_today(connection: Connection, user_id: str, pool_id: str) -> int:
    """How many records of a pool somebody opened today."""
    c = pool_view.c
    query = select(func.count()).select_from(pool_view)
    query = query.where(c.user_id == user_id, c.day == today(), c.pool_id == pool_id)
    return int(connection.scalar(query) or 0)


def keep(connection: Connection, shares: Sequence[tuple[PoolShare, int]]) -> None:
    """Keep who may look into which pool: (what is said, its version)."""
    rows = [_row(share, version) for share, version in {s.id: (s, v) for s, v in shares}.values()]
    statement = insert(pool_share)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={c.name: statement.excluded[c.name] for c in pool_share.c if c.name != "id"},
            where=pool_share.c.version < statement.excluded.version,
        ),
        rows,
    )


def _row(share: PoolShare, version: int) -> dict[str, Any]:
    lists = {n: list(getattr(share, n)) for n in ("user_ids", "department_ids", "role_codes", "hidden")}
    plain = {n: getattr(share, n) for n in ("id", "record_type", "name", "viewed", "active")}
    return {**plain, **lists, "version": version}


def apply(connection: Connection, events: Sequence[Event]) -> None:
    """Keep what the owner of the records says of their pools."""
    said = []
    for event in events:
        share = PoolShare()
        event.record.Unpack(share)
        said.append((share, event.version))
    keep(connection, said)


HANDLERS = {f"{service}.pool_share": apply for service in SERVICES}
"""What every service reads to keep the pools of all."""
