"""The overview of one record: parts of several services, each shown by a function of the service that owns it.

The contract names the parts with their service, right and labels (`parts` of the RPC's rule). A function takes the call
and the record's id and answers what is to be shown; it runs with the right of its part as the right of the call, so
that every reach is that of the list it shows a piece of. What it refuses is told as "no right", what fails as
"failed", and the other parts are shown all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from google.rpc import code_pb2
from sqlalchemy import BindParameter, ColumnElement, Uuid, bindparam

from crm.records.v1 import overview_pb2 as pb
from crm.records.v1.records_pb2 import ListRequest
from crm_kit import contract, errors, failures
from crm_kit.rpc import Call
from crm_records import conditions, counting, listing, visibility
from crm_records import fields as kinds
from crm_records.record import Record

log = logging.getLogger(__name__)

ROWS = 10
"""Rows of a part at most, where it does not say otherwise."""
ABOUT: BindParameter[str] = bindparam("overview_of", type_=Uuid(as_uuid=False))
"""In the condition of a part: the id of the record that the overview is of."""
SHOWN, NO_RIGHT, AWAY, FAILED = "shown", "no_right", "away", "failed"

_RPC = pb.DESCRIPTOR.services_by_name["OverviewService"].methods_by_name["GetOverview"]
PARTS = tuple(contract.rule(_RPC).parts)
"""Every part of the contract, in its order."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a part tells. Without a total nobody counted."""

    rows: Sequence[Message] = ()
    total: int | None = None
    total_capped: bool = False
    figures: Sequence[pb.OverviewFigure] = ()


Show = Callable[[Call, str], Shown]
Admit = Callable[[Call, str], Collection[str] | None]
"""Which parts of this service the caller may have of a record, None for all; NOT_FOUND where there is none for them."""


class OverviewServicer:
    """Answers the parts of one service. TypeError where they are not those of the contract."""

    def __init__(self, service: str, shows: Mapping[str, Show], admit: Admit = lambda _call, _id: None) -> None:
        self._parts = [(part, shows.get(part.code)) for part in PARTS if part.service == service]
        if {part.code for part, _ in self._parts} != set(shows):
            raise TypeError(f"the parts of {service} differ from those of the contract")
        self._admit = admit

    def GetOverview(self, call: Call, request: pb.GetOverviewRequest) -> pb.Overview:
        if not kinds.is_id(request.id):
            raise errors.NotFound()
        admitted = self._admit(call, request.id)
        answer = pb.Overview()
        for part, show in self._parts:
            closed = admitted is not None and part.code not in admitted
            if closed or (part.right and not call.access.may(part.right)):
                answer.parts.add(code=part.code, state=NO_RIGHT)
            else:
                assert show is not None
                _show(call, part, show, request.id, answer.parts.add(code=part.code))
        return answer


def _show(call: Call, part: Any, show: Show, record_id: str, answer: pb.OverviewPart) -> None:
    right, call.caller.right = call.caller.right, part.right
    try:
        shown = show(call, record_id)
    except (errors.Denied, errors.NotFound):
        answer.state = NO_RIGHT
    except Exception as error:
        if failures.translate(error).code == code_pb2.UNAVAILABLE:  # the database is away: that is not about this part
            raise
        log.exception("the part %s of an overview failed", part.code)
        answer.state = FAILED
    else:
        answer.state = SHOWN
        for row in shown.rows:
            answer.rows.add().Pack(row)
        if shown.total is not None:
            answer.total, answer.total_capped = shown.total, shown.total_capped
        answer.figures.extend(shown.figures)
    finally:
        call.caller.right = right


def rows_of(
    call: Call,
    record: Record,
    condition: ColumnElement[bool],
    record_id: str,
    *,
    order_by: str = "",
    besides: Sequence[str] = (),
    size: int = ROWS,
    figures: Sequence[pb.OverviewFigure] = (),
    bound: Mapping[str, Any] | None = None,
) -> Shown:
    """The first records that a condition leaves, as their list shows them to the caller, and how many there are.
    `besides` are fields that the list shows only where they are asked for.

    The condition is a constant of the module, with ABOUT and what `bound` gives left open. Who does not see in full a
    field that it compares is refused: rows would tell its value.
    """
    refuse_blind(call, record, condition)
    view = visibility.of(call, record)
    if view is not None:
        order_by = "" if view.is_blind(order_by.partition(" ")[0]) else order_by
    shown = (*record.list_fields, *besides) if besides else ()
    fields = ",".join(name for name in shown if view is None or not view.is_gone(name))
    request = ListRequest(page_size=size, order_by=order_by, fields=fields, count="capped")
    page = listing.page(call, record, request, also=_narrowing(condition, record_id, bound))
    return Shown(page.messages, page.total, page.total_capped, figures)


def groups_of(
    call: Call,
    record: Record,
    condition: ColumnElement[bool],
    record_id: str,
    name: str,
    sums: Sequence[ColumnElement[Any]] = (),
    bound: Mapping[str, Any] | None = None,
) -> Sequence[Sequence[Any]]:
    """(value, count, sums…) of a field over the records that a condition leaves, as in `rows_of`; none where the caller
    does not see the field in full. A sum of what they do not see is null."""
    refuse_blind(call, record, condition)
    if name in visibility.blind(call, record):
        return ()
    return counting.group(call, record, name, "", sums=sums, also=_narrowing(condition, record_id, bound))


def _narrowing(condition: ColumnElement[bool], record_id: str, bound: Mapping[str, Any] | None) -> conditions.Narrowing:
    """A condition that is a constant of a module tells its own shape."""
    return conditions.Narrowing(condition, condition, {ABOUT.key: record_id, **(bound or {})})


def refuse_blind(call: Call, record: Record, condition: ColumnElement[bool]) -> None:
    """PERMISSION_DENIED where a condition compares a field that the caller does not see in full."""
    blind = visibility.blind(call, record)
    if blind and not blind.isdisjoint(counting.columns_in(condition, record.table)):
        raise errors.Denied("right_missing", right=f"{record.type}.read")
