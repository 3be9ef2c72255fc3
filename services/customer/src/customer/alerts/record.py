"""Alerts: their states, who sees what of them, and what people do with them."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from crm.customer.v1 import alerts_pb2 as pb
from crm_kit import errors, field_access, organisation
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import counting, writing
from crm_records.record import Record
from crm_records.states import States, Transition
from customer.alerts.rules import ALERT_RULES, BIRTHDAY, NEXT_STEP, NO_BUSINESS
from customer.alerts.tables import alert
from customer.customers import CUSTOMERS

OPEN, ACKNOWLEDGED, DONE = "open", "acknowledged", "done"

STATES = States(
    pb.Alert,
    initial=OPEN,
    transitions=[
        Transition((OPEN,), "acknowledge", ACKNOWLEDGED, "alert.update", ("确认", "acknowledge it"), "acknowledged")
    ],
)

_ABOUT = {"": ("contact", "customer"), "contact": ("contact",)}
"""Whose name the title may be; of everything else it is the customer's."""
_AGREED = ("interaction", "visit")
"""Where a next step is agreed."""
_DATED = {
    "": ("birthday", "last_order_date", "next_step_due_date"),
    BIRTHDAY: ("birthday",),
    NO_BUSINESS: ("last_order_date",),
    NEXT_STEP: ("next_step_due_date",),
}
"""By kind of alert, what of a record its date and days tell."""


class Alerts(Record):
    """See the contract for the fields."""

    message = pb.Alert
    table = alert
    plural = "alerts"
    states = STATES
    closed_states = (DONE,)
    parent = ("customer_id", CUSTOMERS)
    part_of_parent = True
    copies = {  # noqa: RUF012
        "title": [("contact", "name"), ("customer", "name")],
        "customer_name": [("customer", "name")],
        "date": [
            *(("contact", "birthday"), ("customer", "birthday"), ("customer", "last_order_date")),
            *(("interaction", "next_step_due_date"), ("visit", "next_step_due_date")),
        ],
        "amount": [("customer", "outstanding_amount")],
    }

    def decorate_wanted(self, call: Call, messages: Sequence[Any], wanted: Container[str]) -> None:
        """Each copy is shown as its reader sees it of that record; as the stricter rules say where it is not told
        which."""
        for message in messages:
            named = _ABOUT.get(message.record_type, ("customer",))
            for kind in (*named, *_AGREED):
                rules = call.access.fields(kind)
                if not rules:
                    continue
                if kind in named:
                    message.title = field_access.shown(rules, "name", message.title)
                if any(rules.strictest(n) < field_access.READ_ONLY for n in _DATED.get(message.kind, ())):
                    message.date = ""
                    message.ClearField("days")


ALERTS = Alerts()


def acknowledge(call: Call, alert_id: str, etag: str | None, note: str | None) -> Any:
    """Somebody saw it."""
    said = {"acknowledger_id": call.caller.user_id or None, "acknowledge_time": datetime.now(UTC), "note": note}
    return writing.act(call, ALERTS, alert_id, etag, "acknowledge", said)


def count(call: Call, request: pb.CountAlertsRequest) -> pb.CountAlertsResponse:
    """How many there are within the caller's reach."""
    name = request.group_by
    if name not in ("kind", "state", "user_id", "rule_id"):
        raise errors.Invalid(Problem("groupBy", "unknown_field", {"name": name[:60]}))
    groups = counting.count_groups(call, ALERTS, name, request.filter, "")
    labels = _labels(call, name, [str(key) for key, _ in groups if key])
    answer = pb.CountAlertsResponse(total=sum(n for _, n in groups))
    for key, n in groups:
        answer.groups.add(key=str(key or ""), label=labels.get(str(key), str(key or "")), count=n)
    return answer


def _labels(call: Call, name: str, keys: Sequence[str]) -> dict[str, str]:
    """What people call the groups, in the caller's language."""
    which = 1 if call.language == errors.EN else 0
    match name:
        case "kind" | "state":
            return {code: label[which] for code, label in ALERTS.fields[name].labels_of_values.items()}
        case "user_id":
            return organisation.names(call.connection, keys)
    c = ALERT_RULES.table.c
    rows = call.connection.execute(select(c.id, c.name).where(one_of(c.id, keys))).all()
    return {row.id: row.name for row in rows}
