"""Care items: the states of one act of care, and what people do with it."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from crm.customer.v1 import care_items_pb2 as pb
from crm_kit import errors, field_access
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import writing
from crm_records.record import Record, Row
from crm_records.states import States, Transition
from customer.care.tables import care_item
from customer.customers import CUSTOMERS

errors.texts(
    {
        "care_item_fixed": (
            "只有待确认的事项可以修改",
            "Only what is proposed is changed",
        ),
    }
)
PROPOSED, CONFIRMED, SKIPPED, SENT, DONE, FAILED, NOT_SENT = (
    "proposed",
    "confirmed",
    "skipped",
    "sent",
    "done",
    "failed",
    "not_sent",
)
_UPDATE = "care_item.update"

STATES = States(
    pb.CareItem,
    initial=PROPOSED,
    transitions=[
        Transition((PROPOSED,), "confirm", CONFIRMED, _UPDATE, ("确认", "confirm it"), "confirmed"),
        Transition((PROPOSED, CONFIRMED), "skip", SKIPPED, _UPDATE, ("跳过", "skip it"), "skipped"),
        Transition((SENT,), "complete", DONE, _UPDATE, ("完成", "complete it"), "completed"),
        Transition((SENT,), "fail", FAILED, _UPDATE, ("标记失败", "say that it failed"), "failed", ("reason",)),
    ],
)
Sources = Sequence[tuple[str, str]]
"""(record type, field) of what is copied."""
_COMPANY = [("customer", "name"), ("customer", "short_name")]
_NAME: Mapping[str, Sources] = {"contact": [("contact", "name")], "customer": [("customer", "name")]}
_SAID: Mapping[str, Sources] = {
    "contact": [("contact", "name"), ("contact", "sex"), *_COMPANY],
    "customer": [*_COMPANY, ("customer", "sex")],
}
"""By what an item is for, what its text may say of the person: who does not see that does not read it."""
_DAY: Mapping[str, Sources] = {
    "birthday": [("contact", "birthday"), ("customer", "birthday")],
    "company_anniversary": [("customer", "founding_date")],
    "first_deal": [("customer", "first_order_date")],
}
"""By occasion, what its day tells, and when it leaves with it."""


def _all(sources: Mapping[str, Sources]) -> list[tuple[str, str]]:
    return list(dict.fromkeys(one for some in sources.values() for one in some))


class CareItems(Record):
    """See the contract for the fields."""

    message = pb.CareItem
    table = care_item
    plural = "care_items"
    states = STATES
    closed_states = (SKIPPED, DONE, FAILED, NOT_SENT)
    computes = frozenset({"due", NOT_SENT, SKIPPED})
    parent = ("customer_id", CUSTOMERS)
    part_of_parent = True
    copies = {  # noqa: RUF012
        "recipient_name": _all(_NAME),
        **dict.fromkeys(("subject", "text"), _all(_SAID)),
        **dict.fromkeys(("occasion_date", "send_time", "leave_time"), _all(_DAY)),
    }

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        written = ("subject", "text", "send_time")
        if before is None or all(row[n] == before[n] for n in written):
            return
        if before["state"] != PROPOSED:
            raise errors.Conflict("care_item_fixed")
        needed = [self.fields[n] for n in ("text", "send_time") if not row[n]]
        writing.refuse([Problem(f.json_name, "required", {"label": f.label}) for f in needed])

    def decorate_wanted(self, call: Call, messages: Sequence[Any], wanted: Container[str]) -> None:
        """Each copy is shown as its reader sees it of that person; as the stricter rules say where it is not told which
        person or occasion it is."""
        rules = {kind: call.access.fields(kind) for kind in ("contact", "customer")}
        if not any(rules.values()):
            return
        for message in messages:
            for names, sources in ((("recipient_name",), _NAME), (("subject", "text"), _SAID)):
                for kind, field in sources.get(message.record_type) or _all(sources):
                    for name in names:
                        setattr(message, name, field_access.shown(rules[kind], field, getattr(message, name)))
            days = _DAY.get(message.occasion, ()) if message.occasion else _all(_DAY)
            of_it = [one for one in days if one[0] == message.record_type] or days
            if any(rules[kind].strictest(field) < field_access.READ_ONLY for kind, field in of_it):
                for name in ("occasion_date", "send_time", "leave_time"):
                    message.ClearField(name)


CARE_ITEMS = CareItems()


def confirm(call: Call, item_id: str, etag: str | None) -> Any:
    """It is to be done."""
    said = {"confirmer_id": call.caller.user_id or None, "confirm_time": datetime.now(UTC)}
    return _act(call, item_id, etag, "confirm", said)


def skip(call: Call, item_id: str, etag: str | None, reason: str | None) -> Any:
    """It is not to be done."""
    return _act(call, item_id, etag, "skip", {"reason": reason})


def complete(call: Call, request: pb.CompleteCareItemRequest) -> Any:
    """It was done."""
    said = {**writing.given(request), "done_time": datetime.now(UTC)}
    return _act(call, request.id, request.etag, "complete", said)


def fail(call: Call, request: pb.FailCareItemRequest) -> Any:
    """It came to nothing."""
    return _act(call, request.id, request.etag, "fail", writing.given(request))


def _act(call: Call, item_id: str, etag: str | None, action: str, said: Row) -> Any:
    return writing.act(call, CARE_ITEMS, item_id, etag, action, said)
