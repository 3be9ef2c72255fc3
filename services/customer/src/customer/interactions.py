"""Interactions: what happened between the company and a customer, and the timeline over all services."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Text, and_, func, literal, or_, select, union_all, update

from crm.customer.v1 import interactions_pb2 as pb
from crm_kit import errors, field_access, organisation
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import listing, reaching
from crm_records.record import Record, Row
from customer.customers import CUSTOMERS
from customer.standing import marks
from customer.tables import customer, happening, interaction


class Interactions(Record):
    """See the contract for the fields."""

    message = pb.Interaction
    table = interaction
    plural = "interactions"
    number = "JW{yyyyMMdd}-{seq:4}"
    parent = ("customer_id", CUSTOMERS)

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        row["start_time"] = row["start_time"] or datetime.now(UTC)

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        """The customer knows when it was last contacted. Not a change of its own: no version, no event."""
        later = or_(customer.c.last_contact_time.is_(None), customer.c.last_contact_time < row["start_time"])
        if row["start_time"] <= datetime.now(UTC):
            call.connection.execute(
                update(customer)
                .where(customer.c.id == row["customer_id"], later)
                .values(last_contact_time=row["start_time"])
            )
            marks.mark(call.connection, [row["customer_id"]])


INTERACTIONS = Interactions()
_TITLES = {"interaction": "subject", "opportunity": "title", "service_request": "summary"}
"""The field that is the title of an entry of the timeline, by its record type."""


def timeline(call: Call, request: pb.ListTimelineRequest) -> pb.ListTimelineResponse:
    """Interactions of a customer and what other services announced about it, newest first.

    It reaches as far as the right to read interactions, and tells only of records of types that the caller may read.
    """
    if not kinds.is_id(request.customer_id) or not reaching.holds(
        call, CUSTOMERS, request.customer_id, INTERACTIONS.reach(call)
    ):
        raise errors.NotFound()
    size = listing._page_size(request)
    own = (
        select(
            interaction.c.id,
            interaction.c.start_time.label("time"),
            literal("interaction").label("record_type"),
            func.cast(interaction.c.id, Text).label("record_id"),
            literal("created").label("action"),
            interaction.c.subject.label("title"),
            func.coalesce(organisation.user.c.name, "").label("actor_name"),
        )
        .outerjoin(organisation.user, organisation.user.c.id == interaction.c.creator_id)
        .where(interaction.c.customer_id == request.customer_id, interaction.c.delete_time.is_(None))
    )
    others = select(
        happening.c.id,
        happening.c.time,
        happening.c.record_type,
        happening.c.record_id,
        happening.c.action,
        happening.c.title,
        happening.c.actor_name,
    ).where(happening.c.customer_id == request.customer_id, one_of(happening.c.record_type, _readable(call)))
    if request.page_token:
        time, last = _position(request.page_token)
        own = own.where(_behind(interaction.c.start_time, interaction.c.id, time, last))
        others = others.where(_behind(happening.c.time, happening.c.id, time, last))
    # Each side gives at most a page, so that the cost does not grow with the length of the history.
    own = own.order_by(interaction.c.start_time.desc(), interaction.c.id.desc()).limit(size + 1)
    others = others.order_by(happening.c.time.desc(), happening.c.id.desc()).limit(size + 1)
    both = union_all(own.subquery().select(), others.subquery().select()).subquery()
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


def _readable(call: Call) -> list[str]:
    """The types of other services' records that the caller may read."""
    return [record_type for record_type in _TITLES if call.access.may(f"{record_type}.read")]


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
