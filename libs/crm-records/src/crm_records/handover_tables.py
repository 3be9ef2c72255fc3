"""What a service keeps of handovers: how far it is with each record type, and every record with how it was before."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import Column, DateTime, Integer, MetaData, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from crm.identity.v1.handovers_pb2 import Handover

metadata = MetaData()

TEAM = "team_member"
"""The record type of the part that moves places in teams."""
OWNER, MEMBER, MANAGER = "owner", "member", "manager"
"""What somebody was of a record."""


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


job = Table(
    "handover_job",
    metadata,
    Column("handover_id", Uuid(as_uuid=False), primary_key=True),
    Column("record_type", Text, primary_key=True),
    Column("from_user_id", Uuid(as_uuid=False), nullable=False),
    # Record type → who takes it.
    Column("takers", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    # The last record that was looked at in this run.
    Column("position", Text),
    _count("counted"),
    _count("open"),
    _count("moved"),
    _count("skipped"),
    _count("failed"),
    _count("undone"),
    _count("kept"),
    Column("start_time", DateTime(timezone=True)),
    Column("finish_time", DateTime(timezone=True)),
    # Goes up with everything that is told of it.
    Column("version", Integer, nullable=False),
)

item = Table(
    "handover_item",
    metadata,
    Column("handover_id", Uuid(as_uuid=False), primary_key=True),
    Column("record_type", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("record_id", Uuid(as_uuid=False), primary_key=True),
    Column("number", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("from_user_id", Uuid(as_uuid=False), nullable=False),
    Column("to_user_id", Uuid(as_uuid=False), nullable=False),
    # What the record became by it; whoever changes it makes another one.
    Column("version", Integer),
    # Of a place in a team: what the taker's became, where it was changed.
    Column("taker_version", Integer),
    Column("outcome", Text, nullable=False),
    # Why it failed, where a rule says so: {"key": …, "params": {…}} of a text.
    Column("reason", JSONB(none_as_null=True)),
    Column("time", DateTime(timezone=True), nullable=False),
)


def part_id(handover_id: str, service: str, record_type: str) -> str:
    """The id of what a service does of a handover with one record type."""
    return str(uuid5(NAMESPACE_OID, f"{handover_id}/{service}/{record_type}"))


def takers_of(handover: Handover, record_type: str) -> list[str]:
    """Who takes a record type, in an order that is the same in every service."""
    named = {a.to_user_id for a in handover.assignments if record_type in a.record_types}
    return sorted(named or {a.to_user_id for a in handover.assignments if not a.record_types})


def chosen(takers: Collection[str], key: str) -> str:
    """Which of the takers gets what has this key: the same one in every service, without asking."""
    ordered = sorted(takers)
    return ordered[int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest()) % len(ordered)]
