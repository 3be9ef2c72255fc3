"""Teams of records (相关团队): people who read or write one record besides whoever its owner's scope lets in.

Each service writes the members of its own records and announces them; every service keeps all of them, so that a
report or a reference shows the same records to a person as the service that owns them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from sqlalchemy import Boolean, Column, Connection, DateTime, Index, Integer, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import insert

from crm.records.v1.event_pb2 import Event
from crm.records.v1.team_pb2 import TeamMember
from crm_kit.settings import SERVICES

metadata = MetaData()

READ, WRITE = "read", "write"

team_member = Table(
    "team_member",
    metadata,
    Column("record_type", Text, primary_key=True),
    Column("record_id", Uuid(as_uuid=False), primary_key=True),
    Column("user_id", Uuid(as_uuid=False), primary_key=True),
    Column("access", Text, nullable=False),
    Column("end_time", DateTime(timezone=True)),
    Column("deleted", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
)
"""Who was taken out stays as deleted, so that an older event that comes late changes nothing."""
Index("ix_team_member_user_id", team_member.c.user_id, team_member.c.record_type)


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
                "deleted": event.action == "removed",
                "version": event.version,
            }
        )
    statement = insert(team_member)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["record_type", "record_id", "user_id"],
            set_={n: statement.excluded[n] for n in ("access", "end_time", "deleted", "version")},
            where=team_member.c.version < statement.excluded.version,
        ),
        rows,
    )


HANDLERS = {f"{service}.team_member": apply for service in SERVICES}
"""What every service reads to keep the teams of all."""
