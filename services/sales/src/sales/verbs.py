"""What people do with an opportunity: assign, move, win, lose, reopen, archive."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import select

from crm.sales.v1 import opportunities_pb2 as pb
from crm_kit import errors, organisation
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import writing
from crm_records.record import Row
from sales import history, stages, states
from sales.common import today
from sales.opportunities import OPPORTUNITIES, lacking
from sales.stages import Stage

errors.texts({"closed_in_future": ("关闭日期不能晚于今天", "It cannot be closed in the future")})


def assign(call: Call, request: pb.AssignOpportunityRequest) -> Any:
    """Give it to a person, or back to a department; one under development goes on where it is."""
    given = writing.given(request)

    def hand_over(before: Row) -> Row:
        to = states.DEVELOPING if before["state"] == states.DEVELOPING else states.ASSIGNED
        states.STATES.allow(before, "assign", to if given["owner_id"] else states.UNASSIGNED)
        department = given["department_id"] or before["department_id"]
        if not given["owner_id"] and not department:
            department = _department_of(call, before["owner_id"])
        return {"owner_id": given["owner_id"], "department_id": department}

    after = writing.write(call, OPPORTUNITIES, request.id, request.etag, "assigned", hand_over)
    return writing.answer(call, OPPORTUNITIES, after)


def move(call: Call, request: pb.MoveOpportunityRequest) -> Any:
    """Put it into another open stage. A chance that somebody set himself stays."""
    given = writing.given(request)

    def go(before: Row) -> Row:
        pipeline = stages.of(call, before["pipeline_id"])
        stage = pipeline.open_stage(given["stage"])
        if stage.code == before["stage"]:
            return {}
        values = _enter(call, before, stage)
        if before["probability"] != pipeline.stage(before["stage"]).probability:
            del values["probability"]
        return values

    return writing.act(call, OPPORTUNITIES, request.id, request.etag, "move", go)


def win(call: Call, request: pb.WinOpportunityRequest) -> Any:
    """Close it as won, for what was expected unless the caller says otherwise."""
    given = writing.given(request)

    def close(before: Row) -> Row:
        amount = given["won_amount"] if given["won_amount"] is not None else before["expected_amount"]
        won = stages.of(call, before["pipeline_id"]).of_kind(stages.WON)
        return {**_enter(call, before, won), "won_amount": amount, "close_date": _closing_day(call, given)}

    return writing.act(call, OPPORTUNITIES, request.id, request.etag, "win", close)


def lose(call: Call, request: pb.LoseOpportunityRequest) -> Any:
    """Close it as lost, saying why."""
    given = writing.given(request)

    def close(before: Row) -> Row:
        lost = stages.of(call, before["pipeline_id"]).of_kind(stages.LOST)
        why = {"lost_reason": given["lost_reason"], "lost_note": given["lost_note"]}
        return {**_enter(call, before, lost), **why, "close_date": _closing_day(call, given)}

    return writing.act(call, OPPORTUNITIES, request.id, request.etag, "lose", close)


def reopen(call: Call, request: pb.ReopenOpportunityRequest) -> Any:
    """Back to the stage that it was closed from; what was said of its end is the change log's."""

    def back(before: Row) -> Row:
        stage = history.last_open(before, stages.of(call, before["pipeline_id"]))
        values = history.enter(before, stage, datetime.now(UTC), call.caller.user_id)
        return {**values, **dict.fromkeys(("won_amount", "close_date", "lost_reason", "lost_note"))}

    return writing.act(call, OPPORTUNITIES, request.id, request.etag, "reopen", back)


def archive(call: Call, request: pb.ArchiveOpportunityRequest) -> Any:
    """Put a closed one away."""
    return writing.act(call, OPPORTUNITIES, request.id, request.etag, "archive")


def _enter(call: Call, before: Row, stage: Stage) -> Row:
    writing.refuse(lacking(stage, before))
    return history.enter(before, stage, datetime.now(UTC), call.caller.user_id)


def _closing_day(call: Call, given: Row) -> date:
    day: date = given["close_date"] or today(call)
    if day > today(call):
        raise errors.Invalid(Problem("closeDate", "closed_in_future"))
    return day


def _department_of(call: Call, user_id: str | None) -> str | None:
    """Where an opportunity goes back to: its owner's department, so that it does not get out of sight."""
    user = organisation.user
    found = call.connection.scalar(select(user.c.department_id).where(user.c.id == user_id)) if user_id else None
    if not found:
        raise errors.Invalid(Problem("departmentId", "required", {"label": ("所属部门", "Department")}))
    return str(found)
