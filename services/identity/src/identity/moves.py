"""Moves: where a person or a department stood in the organisation, from when to when, as the change log has it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import or_, select

from crm.identity.v1 import departments_pb2 as pb
from crm.records.v1 import records_pb2 as records_pb
from crm_kit import errors, organisation
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import changes, disclosure, listing, paging, showing, visibility
from crm_records.changes import change_log
from crm_records.record import Record
from identity.departments import DEPARTMENTS
from identity.tables import department
from identity.users import USERS

KINDS: Mapping[str, Mapping[str, str]] = {
    USERS.type: {"departmentId": "department", "managerId": "manager"},
    DEPARTMENTS.type: {"parentId": "parent", "managerId": "manager"},
}
"""Record type → the field that says where → what its stays are called."""
Place = tuple[int, str]
"""What orders the stays: the entry of the log that began one, and its kind; 0 where none did."""


def page(call: Call, record: Record, request: pb.ListMovesRequest) -> pb.ListMovesResponse:
    """The stays of one record, newest first, as far as the caller's scope and field rules show them."""
    size = paging.page_size(request)
    listing.read(call, record, request.id, ("id",), showing.columns_of(record, ("id",)))
    stays = _stays(_history(call, record, request.id), KINDS[record.type])
    if request.page_token:
        last = _read_token(request.page_token)
        stays = [one for one in stays if one[0] < last]
    shown = stays[:size]
    _name(call, [move for _, move in shown])
    answer = pb.ListMovesResponse(moves=[move for _, move in shown])
    if len(stays) > size:
        answer.next_page_token = base64.urlsafe_b64encode("{} {}".format(*shown[-1][0]).encode()).decode()
    return answer


def _history(call: Call, record: Record, record_id: str) -> Sequence[records_pb.Change]:
    """Entries of the log that moved the record, oldest first. Nobody moves often: they are read whole."""
    c = change_log.c
    moved = or_(*(c.changes.contains([{"field": name}]) for name in KINDS[record.type]))
    query = select(change_log).where(c.record_id == record_id, c.record_type == record.type, moved).order_by(c.id)
    found = [changes.to_message(row) for row in call.connection.execute(query)]
    view = visibility.of(call, record)
    if view is not None:
        for change in found:
            disclosure.cut(record, view, None, change, frozenset())
    return found


def _stays(history: Iterable[records_pb.Change], kinds: Mapping[str, str]) -> list[tuple[Place, pb.Move]]:
    """Stays made of changes: each lasts until the next one of its kind. What was before the first is one as well."""
    found: list[tuple[Place, pb.Move]] = []
    open_: dict[str, pb.Move] = {}
    for entry in history:
        for one in entry.changes:
            kind = kinds.get(one.field)
            if kind is None:
                continue
            if kind in open_:
                open_[kind].end_time.CopyFrom(entry.time)
            elif one.before.string_value:
                before = pb.Move(kind=kind, place_id=one.before.string_value, end_time=entry.time)
                found.append(((0, kind), before))
            who: dict[str, Any] = {"actor_id": entry.actor_id, "actor_name": entry.actor_name}
            move = pb.Move(kind=kind, place_id=one.after.string_value, start_time=entry.time, **who)
            open_[kind] = move
            found.append(((int(entry.id), kind), move))
    return sorted(found, key=lambda stay: stay[0], reverse=True)


def _name(call: Call, moves: Sequence[pb.Move]) -> None:
    ids = {m.place_id for m in moves if m.kind != "manager"} - {""}
    c = department.c
    named = select(c.id, c.name).where(one_of(c.id, [i for i in ids if len(i) == 36]))
    names = {row.id: row.name for row in call.connection.execute(named)}
    names |= organisation.names(call.connection, [m.place_id for m in moves if m.kind == "manager"])
    for move in moves:
        move.place_name = names.get(move.place_id, "")


def _read_token(token: str) -> Place:
    try:
        number, kind = base64.urlsafe_b64decode(token).decode().split(" ")
        return int(number), kind
    except ValueError:
        raise errors.Invalid(key="bad_page_token") from None
