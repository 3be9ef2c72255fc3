"""Alerts: their states, who sees what of them, and what people do with them."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
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
from customer.alerts.rules import ALERT_RULES, BIRTHDAY, COMPANY, CREDIT, DEMAND, NEXT_STEP, NO_BUSINESS, OVERDUE
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
_TELLS: Mapping[str, Sequence[tuple[str, str]]] = {
    BIRTHDAY: [("contact", "birthday"), ("customer", "birthday")],
    COMPANY: [("customer", "founding_date")],
    NEXT_STEP: [("interaction", "next_step_due_date"), ("visit", "next_step_due_date")],
    OVERDUE: [("customer", "last_contact_time")],
    NO_BUSINESS: [("customer", "last_order_date")],
    DEMAND: [("demand", "valid_until")],
    CREDIT: [("customer", "outstanding_amount"), ("customer", "credit_limit")],
}
"""By kind of alert, what of the record it is about its figures tell: date and days, or the amount."""
_DATED = [one for kind, some in _TELLS.items() if kind != CREDIT for one in some]
_EVERY = [*_DATED, *_TELLS[CREDIT]]
_RESOURCES = {kind for kind, _ in _EVERY}
_FIGURES = ("date", "days", "amount")


class Alerts(Record):
    """See the contract for the fields."""

    message = pb.Alert
    table = alert
    plural = "alerts"
    states = STATES
    closed_states = (DONE,)
    computes = frozenset({"done"})
    parent = ("customer_id", CUSTOMERS)
    part_of_parent = True
    copies = {  # noqa: RUF012
        "title": [("contact", "name"), ("customer", "name")],
        "customer_name": [("customer", "name")],
        **dict.fromkeys(("date", "days"), _DATED),
        "amount": _TELLS[CREDIT],
    }

    def decorate_wanted(self, call: Call, messages: Sequence[Any], wanted: Container[str]) -> None:
        """Each copy is shown as its reader sees it of that record; as the stricter rules say where it is not told
        which."""
        rules = {kind: call.access.fields(kind) for kind in _RESOURCES}
        if not any(rules.values()):
            return
        for message in messages:
            for named in _ABOUT.get(message.record_type, ("customer",)):
                message.title = field_access.shown(rules[named], "name", message.title)
            told = _TELLS.get(message.kind, _EVERY)
            of_it = [one for one in told if one[0] == message.record_type] or told
            if any(rules[kind].strictest(field) < field_access.READ_ONLY for kind, field in of_it):
                for name in _FIGURES:
                    message.ClearField(name)


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
    groups, total = counting.count_groups(call, ALERTS, name, request.filter, "")
    labels = _labels(call, name, [str(key) for key, _ in groups if key])
    answer = pb.CountAlertsResponse(total=total)
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
