"""Customer events: something arranged for customers, with what it was to cost and what came of it."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from typing import Any

from crm.customer.v1 import customer_events_pb2 as pb
from crm_kit import errors, organisation
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import writing
from crm_records.record import Record, Row
from crm_records.states import States, Transition
from customer.customer_events.tables import customer_event

errors.texts(
    {
        "event_ends_before_start": ("结束时间不能早于开始时间", "The event ends before it begins"),
        "event_closed": ("活动已结项，不能再修改", "The event is closed: nothing of it changes any more"),
        "event_was_held": ("已举办的活动不能删除", "An event that was held is not deleted"),
    }
)

PLANNED, HELD, CANCELLED, CLOSED = "planned", "held", "cancelled", "closed"
_UPDATE = "customer_event.update"
CURRENCY = "CNY"
_ISO_4217 = re.compile(r"[A-Z]{3}")

STATES = States(
    pb.CustomerEvent,
    initial=PLANNED,
    transitions=[
        Transition((PLANNED,), "hold", HELD, _UPDATE, ("举办", "hold it"), "held"),
        Transition((PLANNED,), "cancel", CANCELLED, _UPDATE, ("取消", "cancel it"), "cancelled", ("cancel_reason",)),
        Transition((HELD, CANCELLED), "close", CLOSED, _UPDATE, ("结项", "close it"), "closed", ("effect",)),
    ],
)


class CustomerEvents(Record):
    """See the contract for the fields."""

    message = pb.CustomerEvent
    table = customer_event
    plural = "customer_events"
    number = "HD{yyyyMMdd}-{seq:4}"
    search = ("title", "number")
    states = STATES
    closed_states = (CANCELLED, CLOSED)
    also_named = ("responsible_ids",)
    made_of = {"owner_name": ("owner_id",)}  # noqa: RUF012
    list_fields = (
        "number",
        "title",
        "kind",
        "start_time",
        "end_time",
        "place",
        "owner_id",
        "owner_name",
        "budget",
        "cost",
        "currency",
        "state",
        "create_time",
    )

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        row["currency"] = (row["currency"] or CURRENCY).upper()
        if not _ISO_4217.fullmatch(row["currency"]):
            raise errors.Invalid(Problem("currency", "bad_format", {"label": self.fields["currency"].label}))
        if row["end_time"] and row["start_time"] and row["end_time"] < row["start_time"]:
            raise errors.Invalid(Problem("endTime", "event_ends_before_start"))
        if before is not None and before["state"] == CLOSED and before["delete_time"] is None:
            raise errors.Conflict("event_closed")

    def may_delete(self, call: Call, row: Row) -> None:
        if row["state"] in (HELD, CLOSED):
            raise errors.Conflict("event_was_held")

    def decorate_wanted(self, call: Call, messages: Sequence[Any], wanted: Container[str]) -> None:
        if "owner_name" in wanted:
            names = organisation.names(call.connection, [m.owner_id for m in messages])
            for message in messages:
                message.owner_name = names.get(message.owner_id, "")


CUSTOMER_EVENTS = CustomerEvents()


def hold(call: Call, request: pb.HoldCustomerEventRequest) -> Any:
    """It took place."""
    return writing.act(call, CUSTOMER_EVENTS, request.id, request.etag, "hold", _brought(request))


def cancel(call: Call, request: pb.CancelCustomerEventRequest) -> Any:
    """Call it off."""
    return writing.act(call, CUSTOMER_EVENTS, request.id, request.etag, "cancel", _brought(request))


def close(call: Call, request: pb.CloseCustomerEventRequest) -> Any:
    """Put it away, with its effect."""
    return writing.act(call, CUSTOMER_EVENTS, request.id, request.etag, "close", _brought(request))


def _brought(request: Any) -> Row:
    """What the request says; what it leaves out stays as it is."""
    return {name: value for name, value in writing.given(request).items() if value is not None}
