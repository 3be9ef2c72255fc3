"""Service requests: what a customer wants done, who does it, and whether the customer is content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ARRAY, Uuid, any_, bindparam, select, union_all

from crm.service_desk.v1 import requests_pb2 as pb
from crm_kit import errors, organisation
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import changes, sql, storing
from crm_records.record import Record, Row
from crm_records.states import States, Transition
from service_desk.tables import CUSTOMERS, service_request

errors.texts(
    {
        "linked_to_itself": ("请求不能关联自己", "A request cannot be linked to itself"),
        "merged_into_itself": ("请求不能合并到自己", "A request cannot be merged into itself"),
        "other_customer": ("只能合并到同一客户的请求", "Only requests of the same customer are merged"),
    }
)

CONTENT = 3
"""From this satisfaction on the matter is done; below it the request goes back to be handled again."""

_LIVING = ("created", "assigned", "handled", "feedback")

STATES = States(
    pb.ServiceRequest,
    initial="created",
    transitions=[
        Transition(
            ("created", "assigned"),
            "assign",
            "assigned",
            "service_request.assign",
            ("分配", "assign it"),
            "assigned",
            ("owner_id",),
        ),
        Transition(
            ("assigned",),
            "handle",
            "handled",
            "service_request.update",
            ("处理", "handle it"),
            "handled",
            ("handling",),
        ),
        Transition(
            ("handled",),
            "feedBack",
            "feedback",
            "service_request.update",
            ("反馈", "give feedback"),
            "feedback_given",
            ("satisfaction",),
        ),
        Transition(
            ("handled",),
            "feedBack",
            "assigned",
            "service_request.update",
            ("反馈", "give feedback"),
            "sent_back",
            ("satisfaction",),
        ),
        Transition(("feedback",), "archive", "archived", "service_request.update", ("归档", "archive it"), "archived"),
        Transition(_LIVING, "merge", "archived", "service_request.update", ("合并", "merge it"), "merged"),
    ],
)

_IDS = ARRAY(Uuid(as_uuid=False))
_NAMES = sql.prepare(
    union_all(
        *(
            select(copy.c.id, copy.c.name).where(copy.c.id == any_(bindparam(name, type_=_IDS)))
            for name, copy in (("customers", CUSTOMERS.table), ("owners", organisation.user))
        )
    )
)


class ServiceRequests(Record):
    """See the contract for the fields.

    `contact_id` and `product_id` are kept as they are given: those records live in other services, and a request
    must be taken down even while one of them cannot be asked.
    """

    message = pb.ServiceRequest
    table = service_request
    plural = "service_requests"
    number = "FW{yyyyMMdd}-{seq:4}"
    search = ("summary", "number")
    states = STATES
    closed_states = ("feedback", "archived")
    kept_together_by = "customer_id"
    also_sees = ("creator_id",)
    owned_by_creator = False
    made_of = {"customer_name": ("customer_id",), "owner_name": ("owner_id",)}  # noqa: RUF012
    copies = {"customer_name": [("customer", "name")]}  # noqa: RUF012
    importable = (
        "create_time",
        "creator_id",
        "state",
        "assign_time",
        "handling",
        "handle_time",
        "handler_id",
        "satisfaction",
        "feedback",
        "feedback_time",
        "rounds",
        "archive_time",
    )
    list_fields = (
        "number",
        "summary",
        "kind",
        "customer_id",
        "customer_name",
        "priority",
        "channel",
        "state",
        "owner_id",
        "owner_name",
        "department_id",
        "promise_time",
        "satisfaction",
        "creator_id",
        "create_time",
    )

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        row["priority"] = row["priority"] or "normal"
        row["rounds"] = row["rounds"] or 0
        if row["id"] in row["linked_ids"]:
            raise errors.Invalid(Problem("linkedIds", "linked_to_itself"))
        if row["owner_id"] != (before or {}).get("owner_id"):
            _assigned(call, row, before)

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        old, new = set(before["linked_ids"] if before else ()), set(row["linked_ids"])
        if old != new:
            _link_back(call, row["id"], added=new - old, removed=old - new)

    def decorate(self, call: Call, messages: Sequence[pb.ServiceRequest]) -> None:
        wanted = {"customers": _ids(m.customer_id for m in messages), "owners": _ids(m.owner_id for m in messages)}
        names = dict(_NAMES.run(call.connection, wanted).fetchall()) if any(wanted.values()) else {}
        for message in messages:
            message.customer_name = names.get(message.customer_id) or ""
            message.owner_name = names.get(message.owner_id) or ""


REQUESTS = ServiceRequests()


def merge_target(call: Call, request: Row, into_id: str) -> Row:
    """The request that goes on, locked: a living one of the same customer within the caller's reach."""
    label = STATES.transition("merge").label
    if into_id == request["id"]:
        raise errors.Invalid(Problem("intoId", "merged_into_itself"))
    try:
        into = storing.locked(call, REQUESTS, into_id, None)
    except errors.NotFound:
        raise errors.Invalid(Problem("intoId", "unknown_reference", {"label": label})) from None
    if into["customer_id"] != request["customer_id"]:
        raise errors.Invalid(Problem("intoId", "other_customer"))
    STATES.allow(into, "merge")
    return into


def _assigned(call: Call, row: Row, before: Row | None) -> None:
    """Whoever is given a request, by whichever way, has it assigned. An import brings its own history."""
    if before is None and row["state"] != STATES.initial:
        return
    if not row["owner_id"]:
        raise errors.Invalid(Problem("ownerId", "required", {"label": REQUESTS.fields["owner_id"].label}))
    row["state"] = STATES.allow(before or row, "assign").to
    row["assigner_id"], row["assign_time"] = call.caller.user_id or None, datetime.now(UTC)


def _link_back(call: Call, request_id: str, *, added: set[str], removed: set[str]) -> None:
    """A link shows on both requests; on the other one it is a change of its own."""
    for other_id in sorted(added | removed):
        before = _ANY.run(call.connection, {"id": other_id}).fetchone()
        if before is None:
            continue
        other = storing.as_row(call, REQUESTS, before)
        linked = [i for i in other["linked_ids"] if i != request_id] + ([request_id] if other_id in added else [])
        if linked == other["linked_ids"]:
            continue
        after = {**other, "linked_ids": linked}
        storing.store(call, REQUESTS, other, after)
        changes.tell(call, REQUESTS, "updated", [(other, after)], after["update_time"])


_ANY = sql.prepare(
    select(service_request)
    .where(service_request.c.id == bindparam("id", type_=service_request.c.id.type))
    .with_for_update()
)


def _ids(many: Iterable[Any]) -> list[str]:
    return sorted({i for i in many if i})
