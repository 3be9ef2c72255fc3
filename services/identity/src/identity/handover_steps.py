"""The steps of a handover: a person starts or undoes it, the services' words finish it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from crm.identity.v1 import handovers_pb2 as pb
from crm.records.v1.event_pb2 import Event
from crm_kit import errors
from crm_kit.codec import to_dict
from crm_kit.inbox import Handler
from crm_kit.rpc import Call
from crm_kit.settings import SERVICES
from crm_records import acting, writing
from crm_records.record import Row
from identity import handover_parts, handovers, reporting_line, sessions, users
from identity.handovers import HANDOVERS
from identity.tables import handover
from identity.users import USERS


def create(call: Call, request: pb.CreateHandoverRequest) -> pb.Handover:
    """A preview. What is refused at the start is refused here, too."""
    made: pb.Handover = writing.create(call, HANDOVERS, request.handover)
    handovers.refuse_beyond_reach(call, _row(call, made.id))
    return made


def start(call: Call, request: pb.StartHandoverRequest) -> Any:
    """Let every service move its records, and move identity's own. Once more where something failed."""

    def begin(before: Row) -> Row:
        handovers.refuse_wrong(call, before)
        handovers.refuse_beyond_reach(call, before)
        if before["state"] == "preview":
            _refuse_uncounted(call, before)
            reporting_line.move(call, before)
            if before["deactivate"]:
                _deactivate(call, before["from_user_id"])
        elif not any(p.failed for p in handover_parts.of(call.connection, before["id"])):
            raise errors.Conflict("nothing_failed")
        handover_parts.begin(call.connection, before["id"])
        return {"start_time": before["start_time"] or datetime.now(UTC), "finish_time": None, "parts": []}

    return writing.act(call, HANDOVERS, request.id, request.etag, "start", begin)


def undo(call: Call, request: pb.UndoHandoverRequest) -> Any:
    """Let every service give back what nobody changed since."""

    def begin(before: Row) -> Row:
        handovers.refuse_beyond_reach(call, before)
        handover_parts.begin(call.connection, before["id"])
        reporting_line.give_back(call, before)
        return {"finish_time": None, "parts": []}

    return writing.act(call, HANDOVERS, request.id, request.etag, "undo", begin)


def handlers(service: str) -> dict[str, Handler]:
    """Identity hears what every service says of its parts."""

    def said(connection: Connection, events: Sequence[Event]) -> None:
        for handover_id in handover_parts.keep(connection, events):
            call = acting.call_of(connection, service, events[-1])
            _settle(call, handover_id)
            call.send_events()

    return {f"{name}.handover_part": said for name in SERVICES if name != service}


def _settle(call: Call, handover_id: str) -> None:
    """When the last part is in, the handover is done or undone: one event tells what everybody did."""
    query = select(handover).where(handover.c.id == handover_id).with_for_update()
    row = call.connection.execute(query).mappings().one_or_none()
    step = {"running": ("finish", "moved"), "undoing": ("finishUndo", "undone")}.get(row["state"] if row else "")
    if row is None or step is None:
        return
    action, wanted = step
    said = handover_parts.states(call.connection, handover_id)
    if any(said.get(part) != wanted for part in handovers.expected(row["team_memberships"])):
        return
    parts = [*reporting_line.parts(call, pb.Handover(**_named(row))), *handover_parts.of(call.connection, handover_id)]
    transition = handovers.STATES.transition(action)
    kept = {"state": transition.to, "finish_time": datetime.now(UTC), "parts": [to_dict(p) for p in parts]}
    writing.write(call, HANDOVERS, handover_id, None, transition.event, lambda _before: kept)


def _refuse_uncounted(call: Call, row: Row) -> None:
    said = set(handover_parts.states(call.connection, row["id"]))
    missing = sorted({s for s, _ in handovers.expected(row["team_memberships"]) - said})
    if missing:
        raise errors.Conflict("not_counted", what=", ".join(missing), retry_after=1)


def _deactivate(call: Call, user_id: str) -> None:
    if user_id == call.caller.user_id:
        raise errors.Conflict("own_account")

    def keep_out(before: Row) -> Row:
        users.refuse_mightier(call, before)
        return {"active": False}

    writing.write(call, USERS, user_id, None, "deactivated", keep_out)
    sessions.end_all(call, user_id)


def _named(row: Any) -> Row:
    return {n: row[n] or "" for n in ("id", "from_user_id", "manager_to_id", "state")}


def _row(call: Call, handover_id: str) -> Row:
    return dict(call.connection.execute(select(handover).where(handover.c.id == handover_id)).mappings().one())
