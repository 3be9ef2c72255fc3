"""Care items: the states of one act of care, and what people do with it."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import UTC, datetime
from typing import Any

from crm.customer.v1 import care_items_pb2 as pb
from crm_kit import errors, field_access
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
_NAMES = ("recipient_name", "subject", "text")
"""They hold the person's name: who does not see that sees none of them."""
_NAME = [("contact", "name"), ("customer", "name")]
_BIRTHDAY = [("contact", "birthday"), ("customer", "birthday")]


class CareItems(Record):
    """See the contract for the fields."""

    message = pb.CareItem
    table = care_item
    plural = "care_items"
    states = STATES
    closed_states = (SKIPPED, DONE, FAILED, NOT_SENT)
    parent = ("customer_id", CUSTOMERS)
    part_of_parent = True
    copies = {**dict.fromkeys(_NAMES, _NAME), "occasion_date": _BIRTHDAY}  # noqa: RUF012

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        written = ("subject", "text", "send_time")
        if before is not None and before["state"] != PROPOSED and any(row[n] != before[n] for n in written):
            raise errors.Conflict("care_item_fixed")

    def decorate_wanted(self, call: Call, messages: Sequence[Any], wanted: Container[str]) -> None:
        """Each copy is shown as its reader sees it of that person; as the stricter rules say where it is not told which
        person or occasion it is."""
        for message in messages:
            for kind in [message.record_type] if message.record_type else ["contact", "customer"]:
                rules = call.access.fields(kind)
                if not rules:
                    continue
                for name in _NAMES:
                    setattr(message, name, field_access.shown(rules, "name", getattr(message, name)))
                if message.occasion in ("", "birthday") and rules.strictest("birthday") < field_access.READ_ONLY:
                    message.occasion_date = ""


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
