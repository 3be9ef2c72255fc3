"""The opportunities of customers, as sales announces them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from crm.records.v1.event_pb2 import Event
from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit.db import one_of
from crm_kit.pool import ZONE
from customer.trade.tables import customer_opportunity

_OVER = ("won", "lost", "archived")


class Opportunities(NamedTuple):
    """The opportunities of one customer."""

    last_created: Any
    """A moment."""
    any_open: bool


def of(connection: Connection, customer_ids: Sequence[str]) -> dict[str, Opportunities]:
    """Of those of the customers that have any."""
    c = customer_opportunity.c
    query = select(c.customer_id, func.max(c.create_time), func.bool_or(c.open))
    query = query.where(one_of(c.customer_id, customer_ids), ~c.deleted).group_by(c.customer_id)
    return {row[0]: Opportunities(row[1], row[2]) for row in connection.execute(query)}


def apply(connection: Connection, events: Sequence[Event]) -> None:
    """Keep what sales says of its opportunities; events of one come in the order of its versions."""
    last: dict[str, dict[str, Any]] = {}
    for event in events:
        told = Opportunity()
        event.record.Unpack(told)
        if not told.customer_id:
            continue
        last[event.record_id] = _row(told, event)
    if not last:
        return
    statement = insert(customer_opportunity)
    new = {c.name: statement.excluded[c.name] for c in customer_opportunity.c if c.name != "record_id"}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["record_id"], set_=new, where=customer_opportunity.c.version <= statement.excluded.version
        ),
        list(last.values()),
    )


def _row(told: Any, event: Event) -> dict[str, Any]:
    # What is put away was won if it was not lost.
    won = told.state == "won" or (told.state == "archived" and not told.lost_reason)
    amount = (told.won_amount if won else "") or told.expected_amount
    closed = told.close_date or event.time.ToDatetime(UTC).astimezone(ZONE).date().isoformat()
    return {
        "record_id": event.record_id,
        "customer_id": told.customer_id,
        "state": told.state,
        "open": told.state not in _OVER,
        "create_time": told.create_time.ToDatetime(UTC) if told.HasField("create_time") else event.time.ToDatetime(UTC),
        "won_date": date.fromisoformat(closed) if won else None,
        "amount": Decimal(amount) if amount else None,
        "version": event.version,
        "deleted": event.action == "deleted",
    }


HANDLERS = {"sales.opportunity": apply}
