"""Who takes part in a customer event: customers, and people of theirs. Who sees the event sees them all."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from sqlalchemy import Table, select

from crm.customer.v1 import customer_event_participants_pb2 as pb
from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records.record import Dependent, Record, Row
from customer.contacts import contact_of
from customer.customer_events.record import CLOSED, CUSTOMER_EVENTS, HELD
from customer.customer_events.tables import customer_event, customer_event_participant
from customer.customers import CUSTOMERS
from customer.tables import contact, customer

errors.texts({"not_held_yet": ("活动举办后才能登记到场情况", "Who came is known once the event was held")})

_CAME = ("attended", "absent")


class Participants(Record):
    """See the contract for the fields."""

    message = pb.CustomerEventParticipant
    table = customer_event_participant
    plural = "customer_event_participants"
    parent = ("event_id", CUSTOMER_EVENTS)
    part_of_parent = True
    made_of = {"customer_name": ("customer_id",), "contact_name": ("contact_id",)}  # noqa: RUF012
    copies = {"customer_name": [("customer", "name")], "contact_name": [("contact", "name")]}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        CUSTOMERS.dependents.append(Dependent(customer_event_participant.c.customer_id, self.label, self))

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        row["status"] = row["status"] or "invited"
        state = _state(call, row)
        came = row["status"] in _CAME and (before is None or before["status"] != row["status"])
        if came and state != HELD:
            raise errors.Invalid(Problem("status", "not_held_yet"))
        if before is None and row["contact_id"]:
            contact_of(call, self.fields["contact_id"], [row["contact_id"]], row["customer_id"])

    def may_delete(self, call: Call, row: Row) -> None:
        _state(call, row)

    def decorate_wanted(self, call: Call, messages: Sequence[Any], wanted: Container[str]) -> None:
        if "customer_name" in wanted:
            names = _names(call, customer, {m.customer_id for m in messages})
            for message in messages:
                message.customer_name = names.get(message.customer_id, "")
        if "contact_name" in wanted:
            names = _names(call, contact, {m.contact_id for m in messages})
            for message in messages:
                message.contact_name = names.get(message.contact_id, "")


PARTICIPANTS = Participants()


def _state(call: Call, row: Row) -> str | None:
    """The state of the event, which is held until the transaction ends. Of a closed one nothing changes any more."""
    query = select(customer_event.c.state).where(customer_event.c.id == row["event_id"])
    state = call.connection.scalar(query.with_for_update(read=True))
    if state == CLOSED:
        raise errors.Conflict("event_closed")
    return state


def _names(call: Call, table: Table, ids: set[str]) -> dict[str, str]:
    if not ids - {""}:
        return {}
    query = select(table.c.id, table.c.name).where(one_of(table.c.id, ids - {""}))
    return {row.id: row.name for row in call.connection.execute(query)}
