"""A customer's timeline: interactions, visits, customer events, and what other services announced, newest first."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, Text, and_, func, literal, or_, select, union_all

from crm.customer.v1 import interactions_pb2 as pb
from crm_kit import errors, field_access, organisation
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import listing, reaching
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
    size = listing._page_size(request)
    position = _position(request.page_token) if request.page_token else None
    # Each source gives at most a page, so that the cost does not grow with the length of the history.
    parts = [_page(source, position, size) for source in _sources(call, request.customer_id)]
    both = union_all(*(part.subquery().select() for part in parts)).subquery()
    rows = call.connection.execute(select(both).order_by(both.c.time.desc(), both.c.id.desc()).limit(size + 1)).all()
    answer = pb.ListTimelineResponse(entries=[pb.TimelineEntry(**row._mapping) for row in rows[:size]])
    for entry in answer.entries:
        # The title is a field of the record that it is about.
        entry.title = field_access.shown(call.access.fields(entry.record_type), _TITLES[entry.record_type], entry.title)
    if len(rows) > size:
        last_row = rows[size - 1]
        plain = orjson.dumps([last_row.time.isoformat(), last_row.id])
        answer.next_page_token = base64.urlsafe_b64encode(plain).decode()
    return answer


def _sources(call: Call, customer_id: str) -> Iterator[Source]:
    yield _interactions(customer_id)
    if call.access.may("visit.read"):
        yield _visits(customer_id)
    if call.access.may("customer_event.read"):
        yield _customer_events(customer_id)
    yield _happenings(call, customer_id)


def _interactions(customer_id: str) -> Source:
    i = interaction.c
    query = _entries(i.id, i.start_time, "interaction", i.id, literal("created"), i.subject, i.creator_id)
    return query.where(i.customer_id == customer_id, i.delete_time.is_(None)), i.start_time, i.id


def _visits(customer_id: str) -> Source:
    """Those that took place."""
    v = visit.c
    query = _entries(v.id, v.check_in_time, "visit", v.id, v.state, v.subject, v.owner_id)
    query = query.where(v.customer_id == customer_id, v.check_in_time.is_not(None), v.delete_time.is_(None))
    return query, v.check_in_time, v.id


def _customer_events(customer_id: str) -> Source:
    e, p = customer_event.c, customer_event_participant.c
    query = _entries(p.id, e.start_time, "customer_event", e.id, p.status, e.title, e.owner_id)
    query = query.join(customer_event_participant, p.event_id == e.id)
    living = (e.delete_time.is_(None), p.delete_time.is_(None))
    return query.where(p.customer_id == customer_id, *living), e.start_time, p.id


def _happenings(call: Call, customer_id: str) -> Source:
    h = happening.c
    query = select(h.id, h.time, h.record_type, h.record_id, h.action, h.title, h.actor_name)
    readable = [record_type for record_type in _TITLES if call.access.may(f"{record_type}.read")]
    return query.where(h.customer_id == customer_id, one_of(h.record_type, readable)), h.time, h.id


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


def _page(source: Source, position: tuple[datetime, str] | None, size: int) -> Select[Any]:
    query, time, id_column = source
    if position:
        query = query.where(_behind(time, id_column, *position))
    return query.order_by(time.desc(), id_column.desc()).limit(size + 1)


def _behind(time_column: Any, id_column: Any, time: datetime, last: str) -> Any:
    return and_(time_column <= time, or_(time_column < time, id_column < last))


def _position(token: str) -> tuple[datetime, str]:
    try:
        time, last = orjson.loads(base64.urlsafe_b64decode(token))
        if not kinds.is_id(last):
            raise ValueError
        return datetime.fromisoformat(time), last
    except (ValueError, TypeError):
        raise errors.Invalid(key="bad_page_token") from None
