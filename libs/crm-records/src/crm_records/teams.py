"""Teams of records (相关团队): who belongs to them, and for how long. What a place in one gives is in `crm_kit.team`.

A team is put together by those in whose own scope the record lies: a member does not hand the record on.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, select

from crm.records.v1 import team_pb2 as pb
from crm_kit import errors, organisation, scope
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_kit.team import team_member
from crm_records import fields as kinds
from crm_records import images, paging, reaching, sql, team_places, writing
from crm_records.record import Record
from crm_records.registry import Registry

errors.texts(
    {
        "no_team": ("这类记录没有相关团队", "Records of this type have no team"),
        "end_passed": ("{label}已经过去", "{label} has passed already"),
    }
)

_FIELDS = kinds.of(pb.PutTeamMemberRequest.DESCRIPTOR)
_statements: dict[Any, sql.Prepared] = {}


class TeamServicer:
    """Answers for every record type with an owner."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def ListTeam(self, call: Call, request: pb.ListTeamRequest) -> pb.ListTeamResponse:
        record = with_team(self._registry, request.record_type)
        reaching.check_details(call, record, request.id)
        size = paging.page_size(request)
        query = _members(record, request.id, ~team_member.c.deleted, _user.c.active, ~_user.c.deleted)
        if request.page_token:
            query = query.where(team_member.c.user_id > _read_token(request.page_token))
        found = call.connection.execute(query.order_by(team_member.c.user_id).limit(size + 1)).all()
        answer = pb.ListTeamResponse(team_members=[_message(row) for row in found[:size]])
        if len(found) > size:
            answer.next_page_token = base64.urlsafe_b64encode(found[size - 1].user_id.encode()).decode()
        return answer

    def PutTeamMember(self, call: Call, request: pb.PutTeamMemberRequest) -> pb.TeamMember:
        record = with_team(self._registry, request.record_type)
        said = writing.given(request)
        version = _locked(call, record, request.id)
        _check(call, said)
        before = member(call, record, request.id, said["user_id"])
        there = before is not None and not before.deleted
        if there:
            if (before.access, before.end_time, before.label) == (said["access"], said["end_time"], said["label"]):
                return _message(before)
            if not request.etag:
                raise errors.Conflict("etag_required")
        if request.etag and (not there or request.etag != str(before.version)):
            raise errors.Stale()
        return put(call, (record, version), request.id, before, "changed" if there else "added", said)

    def RemoveTeamMember(self, call: Call, request: pb.RemoveTeamMemberRequest) -> pb.TeamMember:
        record = with_team(self._registry, request.record_type)
        version = _locked(call, record, request.id)
        if not request.etag:
            raise errors.Conflict("etag_required")
        before = member(call, record, request.id, request.user_id) if kinds.is_id(request.user_id) else None
        if before is None or before.deleted:
            raise errors.NotFound()
        if request.etag != str(before.version):
            raise errors.Stale()
        said = {n: getattr(before, n) for n in ("user_id", "access", "end_time", "label")}
        return put(call, (record, version), request.id, before, "removed", said)


def with_team(registry: Registry, record_type: str) -> Record:
    record = registry.records.get(record_type)
    if record is None:
        raise errors.NotFound()
    if record.parent is not None or "owner_id" not in record.fields:
        raise errors.Conflict("no_team")
    return record


_user = organisation.user


def _members(record: Record, record_id: str, *more: ColumnElement[bool]) -> Any:
    of_record = and_(team_member.c.record_type == record.team_of, team_member.c.record_id == record_id)
    joined = team_member.outerjoin(_user, _user.c.id == team_member.c.user_id)
    return select(team_member, _user.c.name).select_from(joined).where(of_record, *more)


def member(call: Call, record: Record, record_id: str, user_id: str) -> Any:
    """Somebody's place in a team, past ones too."""
    return call.connection.execute(_members(record, record_id, team_member.c.user_id == user_id)).one_or_none()


def _locked(call: Call, record: Record, record_id: str) -> int:
    """The version of a record in whose team something changes; its row is held, so that changes come one by one."""
    if not kinds.is_id(record_id):
        raise errors.NotFound()
    reach = record.reach(call).alone()
    shape = scope.shape(reach)
    if (record, shape) not in _statements:
        table = record.table
        query = select(table.c.version).where(table.c.id == bindparam("id", type_=table.c.id.type))
        within = record.within(shape)
        query = query.where(table.c.delete_time.is_(None), *(() if within is None else (within,)))
        _statements[record, shape] = sql.prepare(query.with_for_update(key_share=True, of=table))
    parameters = {"id": record_id, **scope.parameters(reach)}
    found = _statements[record, shape].run(call.connection, parameters).fetchone()
    if found is None:
        raise reaching.refusal(call, record, record_id)
    return int(found[0])


def _check(call: Call, said: dict[str, Any]) -> None:
    problems = []
    known = select(_user.c.id).where(_user.c.id == said["user_id"], _user.c.active, ~_user.c.deleted, ~_user.c.client)
    if call.connection.scalar(known) is None:
        problems.append(Problem("userId", "unknown_reference", {"label": _FIELDS["user_id"].label}))
    if said["end_time"] and said["end_time"] <= datetime.now(UTC):
        problems.append(Problem("endTime", "end_passed", {"label": _FIELDS["end_time"].label}))
    writing.refuse(problems)


def put(
    call: Call, of: tuple[Record, int], record_id: str, before: Any, action: str, said: Mapping[str, Any]
) -> pb.TeamMember:
    """Store somebody's place in the team of a record (kind, version); `before` is a row of `member`."""
    after = {**said, "record_type": of[0].team_of, "record_id": record_id}
    bulk = images.is_quiet(call)  # by a merge, say: who was in one team is in another now
    return team_places.put(call, after, before._mapping if before else None, action, of, bulk=bulk)


def _message(row: Any) -> pb.TeamMember:
    return team_places.message(row._mapping, row.name)


def _read_token(token: str) -> str:
    try:
        last = base64.urlsafe_b64decode(token).decode()
    except ValueError:
        last = ""
    if not kinds.is_id(last):
        raise errors.Invalid(key="bad_page_token")
    return last
