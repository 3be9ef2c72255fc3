"""Teams of records (相关团队): people who read or write one record besides whoever its owner's scope lets in.

Each service writes the members of its own records and announces them; every service keeps all of them, so that a
report or a reference shows the same records to a person as the service that owns them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert

from crm.records.v1.event_pb2 import Event
from crm.records.v1.team_pb2 import TeamMember
from crm_kit.settings import SERVICES

metadata = MetaData()

READ, WRITE = "read", "write"
READING = {"read", "export", "print"}
"""What whoever reads a record may do with it, if a role gives the right: list, file and paper show the same records."""
SCOPE_ALONE = {"delete", "assign"}
"""What no place in a team gives: whose a record is, and whether there is one, is for those whose scope it lies in."""

team_member = Table(
    "team_member",
    metadata,
    Column("record_type", Text, primary_key=True),
    Column("record_id", Uuid(as_uuid=False), primary_key=True),
    Column("user_id", Uuid(as_uuid=False), primary_key=True),
    Column("access", Text, nullable=False),
    Column("end_time", DateTime(timezone=True)),
    # What somebody is of the record, in a word: co-owner. It gives nothing.
    Column("label", Text),
    Column("deleted", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
)
"""Who was taken out stays as deleted, so that an older event that comes late changes nothing."""
Index("ix_team_member_user_id", team_member.c.user_id, team_member.c.record_type)


_OF = text(
    "SELECT record_type, record_id, access FROM team_member"
    " WHERE user_id = :user_id AND NOT deleted AND (end_time IS NULL OR end_time > now())"
)


def of(connection: Connection, user_id: str) -> dict[str, dict[str, str]]:
    """The teams that somebody belongs to now: record type → record → access."""
    found: dict[str, dict[str, str]] = {}
    for record_type, record_id, access in connection.execute(_OF, {"user_id": user_id}):
        found.setdefault(record_type, {})[record_id] = access
    return found


def place(connection: Connection, record_type: str, record_id: str, user_id: str) -> tuple[str, datetime | None] | None:
    """Somebody's access in the team of one record, and when it ends; None where it holds no longer or never did."""
    c = team_member.c
    query = select(c.access, c.end_time).where(c.record_type == record_type, c.record_id == record_id)
    query = query.where(c.user_id == user_id, ~c.deleted, or_(c.end_time.is_(None), c.end_time > func.now()))
    row = connection.execute(query).one_or_none()
    return (row.access, row.end_time) if row else None


def suffices(access: str, action: str) -> bool:
    """Whether a place in a team lets its holder do this with the record, if a role gives them the right."""
    return action not in SCOPE_ALONE and (access == WRITE or action in READING)


def apply(connection: Connection, events: Sequence[Event]) -> None:
    """Keep who belongs to which record's team."""
    rows = []
    for event in {e.record_id: e for e in events}.values():
        member = TeamMember()
        event.record.Unpack(member)
        rows.append(
            {
                "record_type": member.record_type,
                "record_id": member.record_id,
                "user_id": member.user_id,
                "access": member.access,
                "end_time": member.end_time.ToDatetime(UTC) if member.HasField("end_time") else None,
                "label": member.label or None,
                "deleted": event.action == "removed",
                "version": event.version,
            }
        )
    statement = insert(team_member)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["record_type", "record_id", "user_id"],
            set_={n: statement.excluded[n] for n in ("access", "end_time", "label", "deleted", "version")},
            where=team_member.c.version < statement.excluded.version,
        ),
        rows,
    )


HANDLERS = {f"{service}.team_member": apply for service in SERVICES}
"""What every service reads to keep the teams of all."""
