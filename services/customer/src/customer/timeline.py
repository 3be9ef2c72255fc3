"""A customer's timeline: interactions, visits, customer events, and what other services announced, newest first."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Text,
    any_,
    bindparam,
    func,
    literal,
    or_,
    select,
    union_all,
)

from crm.customer.v1 import interactions_pb2 as pb
from crm_kit import errors, field_access, organisation
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import paging, reaching, sql
from customer.customer_events.tables import customer_event, customer_event_participant
from customer.customers import CUSTOMERS
from customer.interactions import INTERACTIONS
from customer.tables import happening, interaction
from customer.visits.tables import visit

_TITLES = {
    "interaction": "subject",
    "visit": "subject",
    "customer_event": "title",
    "opportunity": "title",
    "service_request": "summary",
}
"""The field that is the title of an entry, by its record type."""

_TIMES = {"interaction": "start_time", "visit": "check_in_time", "customer_event": "start_time"}
"""The field by which an entry of this service stands where it does: who does not see it does not see the entry."""
_ACTIONS = {"visit": ("visit", "state"), "customer_event": ("customer_event_participant", "status")}
"""The field, and the kind of record that has it, which the action of an entry tells."""

_COLUMNS = ("id", "time", "record_type", "record_id", "action", "title", "actor_name")
_CUSTOMER = bindparam("customer_id", type_=interaction.c.customer_id.type)
_READABLE = bindparam("readable", type_=ARRAY(Text))
_TIME = bindparam("behind_time", type_=DateTime(timezone=True))
_ID = bindparam("behind_id", type_=interaction.c.id.type)
_ROWS = bindparam("rows", type_=Integer)

Source = tuple[Select[Any], ColumnElement[Any], ColumnElement[Any]]
"""Entries, and by which time and id they are ordered."""


def timeline(call: Call, request: pb.ListTimelineRequest) -> pb.ListTimelineResponse:
    """What happened with a customer.

    It reaches as far as the right to read interactions, and tells only of records of types that the caller may read.
    """
    if not kinds.is_id(request.customer_id) or not reaching.holds(
        call, CUSTOMERS, request.customer_id, INTERACTIONS.reach(call)
    ):
        raise errors.NotFound()
    size = paging.page_size(request)
    readable = [record_type for record_type in _TITLES if call.access.may(f"{record_type}.read")]
    bound: dict[str, Any] = {"customer_id": request.customer_id, "readable": readable, "rows": size + 1}
    if request.page_token:
        bound["behind_time"], bound["behind_id"] = _position(request.page_token)
    own = tuple(kind for kind in _OWN if kind in readable and _sees(call, kind, _TIMES[kind]))
    rows = _statement(own, bool(request.page_token)).run(call.connection, bound).fetchall()
    answer = pb.ListTimelineResponse(
        entries=[pb.TimelineEntry(**dict(zip(_COLUMNS, row, strict=True))) for row in rows[:size]]
    )
    for entry in answer.entries:
        # The title is a field of the record that it is about.
        entry.title = field_access.shown(call.access.fields(entry.record_type), _TITLES[entry.record_type], entry.title)
        if entry.record_type in _ACTIONS and not _sees(call, *_ACTIONS[entry.record_type]):
            entry.ClearField("action")
    if len(rows) > size:
        last = answer.entries[-1]
        plain = orjson.dumps([rows[size - 1][_COLUMNS.index("time")].isoformat(), last.id])
        answer.next_page_token = base64.urlsafe_b64encode(plain).decode()
    return answer


def _sees(call: Call, record_type: str, name: str) -> bool:
    """Whether the caller sees a field in full."""
    return call.access.fields(record_type).strictest(name) > field_access.MASKED


@cache
def _statement(own: Sequence[str], goes_on: bool) -> sql.Prepared:
    """Each source gives at most a page, so that the cost does not grow with the length of the history."""
    sources = [*(_OWN[kind]() for kind in own), _happenings()]
    parts = [_page(source, goes_on) for source in sources]
    both = union_all(*(part.subquery().select() for part in parts)).subquery()
    return sql.prepare(select(both).order_by(both.c.time.desc(), both.c.id.desc()).limit(_ROWS))


def _interactions() -> Source:
    i = interaction.c
    query = _entries(i.id, i.start_time, "interaction", i.id, literal("created"), i.subject, i.creator_id)
    return query.where(i.customer_id == _CUSTOMER, i.delete_time.is_(None)), i.start_time, i.id


def _visits() -> Source:
    """Those that took place."""
    v = visit.c
    query = _entries(v.id, v.check_in_time, "visit", v.id, v.state, v.subject, v.owner_id)
    query = query.where(v.customer_id == _CUSTOMER, v.check_in_time.is_not(None), v.delete_time.is_(None))
    return query, v.check_in_time, v.id


def _customer_events() -> Source:
    e, p = customer_event.c, customer_event_participant.c
    query = _entries(p.id, e.start_time, "customer_event", e.id, p.status, e.title, e.owner_id)
    query = query.join(customer_event_participant, p.event_id == e.id)
    living = (e.delete_time.is_(None), p.delete_time.is_(None))
    return query.where(p.customer_id == _CUSTOMER, *living), e.start_time, p.id


def _happenings() -> Source:
    h = happening.c
    query = select(h.id, h.time, h.record_type, h.record_id, h.action, h.title, h.actor_name)
    return query.where(h.customer_id == _CUSTOMER, h.record_type == any_(_READABLE)), h.time, h.id


_OWN: dict[str, Callable[[], Source]] = {
    "interaction": _interactions,
    "visit": _visits,
    "customer_event": _customer_events,
}


def _entries(
    id_column: Any, time: Any, record_type: str, record_id: Any, action: Any, title: Any, actor_id: Any
) -> Select[Any]:
    """Entries made of records of this service; the table of the record comes first."""
    user = organisation.user
    return select(
        id_column,
        time.label("time"),
        literal(record_type).label("record_type"),
        func.cast(record_id, Text).label("record_id"),
        action.label("action"),
        title.label("title"),
        func.coalesce(user.c.name, "").label("actor_name"),
    ).outerjoin_from(record_id.table, user, user.c.id == actor_id)


def _page(source: Source, goes_on: bool) -> Select[Any]:
    query, time, id_column = source
    if goes_on:
        query = query.where(time <= _TIME, or_(time < _TIME, id_column < _ID))
    return query.order_by(time.desc(), id_column.desc()).limit(_ROWS)


def _position(token: str) -> tuple[datetime, str]:
    try:
        time, last = orjson.loads(base64.urlsafe_b64decode(token))
        if not kinds.is_id(last):
            raise ValueError
        return datetime.fromisoformat(time), last
    except (ValueError, TypeError):
        raise errors.Invalid(key="bad_page_token") from None
