"""The review mark of a record: what waits, what was approved or returned, and what lets it wait again.

Whatever is entered waits. Of an approved record, a change of a field that the review rule names reopens it; of one
that was returned, any change does: that is the answer to the reviewer. Whose it is does not count. Who decided last,
when and with which words stays on the record; the decisions before stand in its change log.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from sqlalchemy import Connection, select

from crm_kit import contract
from crm_kit.kept import Kept
from crm_kit.rpc import Call
from crm_records import writing
from crm_records.record import Record, Row
from crm_records.states import States, Transition
from crm_records.view import CUSTOM, name_of
from customer.review.tables import review_rule

PENDING, APPROVED, RETURNED = "pending", "approved", "returned"
_PLACE = {"owner_id", "department_id"}


def states(message: type[Message]) -> States:
    """The state table of a record type that is reviewed."""
    right = f"{contract.record(message.DESCRIPTOR).type}.approve"
    return States(
        message,
        initial=PENDING,
        column="review_mark",
        transitions=[
            Transition((PENDING, RETURNED), "approve", APPROVED, right, ("审核", "approve it"), "approved"),
            Transition(
                (PENDING, APPROVED), "return", RETURNED, right, ("退回", "return it"), "returned", ("review_reason",)
            ),
        ],
    )


def _load(connection: Connection) -> dict[str, tuple[str, ...]]:
    rule = review_rule.c
    query = select(rule.record_type, rule.fields).where(rule.delete_time.is_(None))
    return {record_type: tuple(fields) for record_type, fields in connection.execute(query)}


RULES = Kept(_load)
"""Record type → the fields whose change reopens an approved record."""


def reopen(call: Call, record: Record, row: Row, before: Row) -> None:
    """Let a changed record wait again, where its change asks for that."""
    mark = before["review_mark"]
    if mark == PENDING or row["review_mark"] != mark or not call.caller.user_id:
        return  # what the suite computes by itself is nobody's entry
    if mark == RETURNED:
        changed = any(row[n] != before[n] for n in record.writable - _PLACE)
    else:
        chosen = RULES.read(call.connection).get(record.type, ())
        changed = any(_value(record, row, n) != _value(record, before, n) for n in chosen)
    if changed:
        row["review_mark"] = PENDING


def _value(record: Record, row: Row, name: str) -> Any:
    if name.startswith(CUSTOM):
        return (row["custom"] or {}).get(name.removeprefix(CUSTOM))
    return row.get(name_of(record, name))


def approve(call: Call, record: Record, request: Any) -> Any:
    """Say that it is right; of a customer also what it is to us."""
    return decide(call, record, request.id, request.etag, "approve", writing.given(request))


def send_back(call: Call, record: Record, request: Any) -> Any:
    """Say what is wrong with it."""
    return decide(call, record, request.id, request.etag, "return", writing.given(request))


def decide(call: Call, record: Record, record_id: str, etag: str | None, action: str, given: Mapping[str, Any]) -> Any:
    """Take a decision, with the words and the relation that are given; whatever the version where `etag` is None."""
    decided: Row = {"reviewer_id": call.caller.user_id or None, "review_time": datetime.now(UTC)}
    decided["review_reason"] = given["review_reason"]
    if given.get("relation"):
        decided["relation"] = given["relation"]
    return writing.act(call, record, record_id, etag, action, decided)
