"""Following a record (关注): whoever wants to know what happens to it.

It is everybody's own affair and gives no right: the service that notifies asks each time whether the follower still
reads the record. Each service keeps the followers of its own records and announces them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Boolean, Column, Connection, DateTime, Index, Integer, MetaData, Table, Text, Uuid, select
from sqlalchemy.dialects.postgresql import insert

from crm.records.v1 import following_pb2 as pb
from crm.records.v1.event_pb2 import Event
from crm_kit import errors, organisation
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import paging, reaching
from crm_records.record import Record
from crm_records.registry import Registry
from crm_records.teams import with_team

TYPE = "follower"

metadata = MetaData()

follower = Table(
    "record_follower",
    metadata,
    Column("record_type", Text, primary_key=True),
    Column("record_id", Uuid(as_uuid=False), primary_key=True),
    Column("user_id", Uuid(as_uuid=False), primary_key=True),
    Column("follow_time", DateTime(timezone=True), nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
)
"""Who follows no longer stays as deleted, so that an older event that comes late changes nothing."""
Index("ix_record_follower_user_id", follower.c.user_id, follower.c.record_type)

_f = follower.c


class FollowServicer:
    """Answers for every record type with an owner."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def Follow(self, call: Call, request: pb.FollowRequest) -> pb.Follower:
        record = self._seen(call, request)
        before = one(call.connection, record.team_of, request.id, call.caller.user_id)
        if before is not None and not before.deleted:
            return _message(before, call.caller.name)
        return put(call, record.team_of, request.id, call.caller.user_id, before, follows=True)

    def Unfollow(self, call: Call, request: pb.FollowRequest) -> pb.Follower:
        record = with_team(self._registry, request.record_type)
        before = None
        if kinds.is_id(request.id):
            before = one(call.connection, record.team_of, request.id, call.caller.user_id)
        if before is None or before.deleted:
            raise errors.NotFound()
        return put(call, record.team_of, request.id, call.caller.user_id, before, follows=False)

    def ListFollowers(self, call: Call, request: pb.ListFollowersRequest) -> pb.ListFollowersResponse:
        record, size = self._seen(call, request), paging.page_size(request)
        reaching.check_details(call, record, request.id)
        query = select(follower).where(_f.record_type == record.team_of, _f.record_id == request.id, ~_f.deleted)
        if request.page_token:
            if not kinds.is_id(request.page_token):
                raise errors.Invalid(key="bad_page_token")
            query = query.where(_f.user_id > request.page_token)
        rows = call.connection.execute(query.order_by(_f.user_id).limit(size + 1)).all()
        names = organisation.names(call.connection, [row.user_id for row in rows[:size]])
        answer = pb.ListFollowersResponse(next_page_token=rows[size - 1].user_id if len(rows) > size else "")
        answer.followers.extend(_message(row, names.get(row.user_id, "")) for row in rows[:size])
        return answer

    def _seen(self, call: Call, request: Any) -> Record:
        record = with_team(self._registry, request.record_type)
        if not kinds.is_id(request.id) or not reaching.holds(call, record, request.id, record.reach(call)):
            raise errors.NotFound()
        return record


def one(connection: Connection, record_type: str, record_id: str, user_id: str) -> Any:
    """Whether somebody follows a record or once did; None where never."""
    this = (_f.record_type == record_type, _f.record_id == record_id, _f.user_id == user_id)
    return connection.execute(select(follower).where(*this).with_for_update()).one_or_none()


def of(connection: Connection, record_type: str, record_ids: Sequence[str]) -> dict[str, list[str]]:
    """Who follows these records."""
    query = select(_f.record_id, _f.user_id).where(_f.record_type == record_type, one_of(_f.record_id, record_ids))
    found: dict[str, list[str]] = {}
    for row in connection.execute(query.where(~_f.deleted).order_by(_f.record_id, _f.user_id)):
        found.setdefault(row.record_id, []).append(row.user_id)
    return found


def put(call: Call, record_type: str, record_id: str, user_id: str, before: Any, *, follows: bool) -> pb.Follower:
    """Keep and announce that somebody follows a record, or no longer does."""
    version = before.version + 1 if before is not None else 1
    row = {
        "record_type": record_type,
        "record_id": record_id,
        "user_id": user_id,
        "follow_time": datetime.now(UTC) if follows or before is None else before.follow_time,
        "deleted": not follows,
        "version": version,
    }
    _store(call.connection, [row])
    message = _message(one(call.connection, record_type, record_id, user_id), "")
    told = Event(record_type=TYPE, action="added" if follows else "removed", record_id=message.id, version=version)
    told.record.Pack(message)
    call.announce(told)
    return message


def apply(connection: Connection, events: Sequence[Event]) -> None:
    """Keep who follows other services' records: for a service that notifies."""
    rows = []
    for event in {e.record_id: e for e in events}.values():
        told = pb.Follower.FromString(event.record.value)
        row = {n: getattr(told, n) for n in ("record_type", "record_id", "user_id")}
        row |= {"follow_time": told.follow_time.ToDatetime(UTC), "deleted": event.action == "removed"}
        rows.append({**row, "version": event.version})
    _store(connection, rows)


def _store(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    new = insert(follower)
    values = {n: new.excluded[n] for n in ("follow_time", "deleted", "version")}
    newer = follower.c.version < new.excluded.version
    keys = list(follower.primary_key)
    connection.execute(new.on_conflict_do_update(index_elements=keys, set_=values, where=newer), rows)


def _message(row: Any, name: str) -> pb.Follower:
    made = pb.Follower(id=f"{row.record_type}:{row.record_id}:{row.user_id}", user_name=name)
    made.record_type, made.record_id, made.user_id = row.record_type, row.record_id, row.user_id
    made.follow_time.FromDatetime(row.follow_time.astimezone(UTC))
    return made
