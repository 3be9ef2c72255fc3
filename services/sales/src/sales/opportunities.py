"""Opportunities: what may become a sale, whose it is and how far it has come."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from crm.sales.v1 import opportunities_pb2 as pb
from crm_kit import errors, organisation
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import writing
from crm_records.record import Record, Row
from sales import history, imported, lines, stages, states
from sales.common import set_currency
from sales.stages import Stage
from sales.tables import CUSTOMER, opportunity


class Opportunities(Record):
    """See the contract for the fields."""

    message = pb.Opportunity
    table = opportunity
    plural = "opportunities"
    number = "SJ{yyyyMMdd}-{seq:4}"
    search = ("title", "number", "prospect_name")
    states = states.STATES
    closed_states = ("won", "lost", "archived")
    kept_together_by = "customer_id"
    list_fields = (
        "number",
        "title",
        "customer_id",
        "customer_name",
        "prospect_name",
        "owner_id",
        "owner_name",
        "state",
        "pipeline_id",
        "stage",
        "probability",
        "expected_amount",
        "currency",
        "expected_close_date",
        "overdue",
        "create_time",
    )
    importable = (
        "create_time",
        "state",
        "won_amount",
        "close_date",
        "lost_reason",
        "lost_note",
        "assign_time",
        "stage_enter_time",
        "stage_history",
    )
    made_of: ClassVar = {
        "customer_name": ("customer_id",),
        "owner_name": ("owner_id",),
        "overdue": ("state", "pipeline_id", "stage", "stage_enter_time"),
    }

    copies: ClassVar = {"customer_name": [("customer", "name")]}

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        set_currency(self, row)
        if imported.under_way(call):
            imported.settle(call, row, before)
        else:
            if before is None:
                _begin(call, row)
            elif before["delete_time"] and not row["delete_time"]:
                stages.of(call, row["pipeline_id"]).stage(row["stage"])
            lines.settle(call, row, before)
        _follow_owner(row, before)
        if row["probability"] is None:
            row["probability"] = stages.of(call, row["pipeline_id"]).stage(row["stage"]).probability
        if row["close_date"] and row["engage_date"] and row["close_date"] < row["engage_date"]:
            field = "engageDate" if before is not None and before["close_date"] == row["close_date"] else "closeDate"
            raise errors.Invalid(Problem(field, "closed_before_engaged"))

    def import_begins(self, call: Call, messages: Sequence[pb.Opportunity]) -> None:
        imported.begin(call, messages)

    def decorate_wanted(self, call: Call, messages: Sequence[pb.Opportunity], wanted: Container[str]) -> None:
        if "customer_name" in wanted and (customers := {m.customer_id for m in messages} - {""}):
            names = CUSTOMER.names(call.connection, list(customers))
            for message in messages:
                message.customer_name = names.get(message.customer_id, "")
        if "owner_name" in wanted and (owners := {m.owner_id for m in messages} - {""}):
            names = organisation.names(call.connection, owners)
            for message in messages:
                message.owner_name = names.get(message.owner_id, "")
        if "overdue" in wanted:
            _mark_overdue(call, [m for m in messages if m.state in states.OPEN and m.HasField("stage_enter_time")])


OPPORTUNITIES = Opportunities()

errors.texts(
    {"closed_before_engaged": ("关闭日期不能早于接洽日期", "It cannot be closed before the first day of contact")}
)


def lacking(stage: Stage, row: Row) -> Iterator[Problem]:
    """Fields that must be filled to enter a stage and are not."""
    for name in stage.required_fields:
        if name.startswith("custom."):
            path, label = name, (name.removeprefix("custom."),) * 2
            value = row["custom"].get(name.removeprefix("custom."))
        else:
            field = OPPORTUNITIES.fields[name]
            path, label, value = field.json_name, field.label, row[name]
        if value in (None, "", [], {}):
            yield Problem(path, "stage_needs", {"stage": stage.label, "label": label})


def _begin(call: Call, row: Row) -> None:
    """A new opportunity stands in the stage that the caller says, else in the first one."""
    pipeline = stages.of(call, row["pipeline_id"])
    stage = pipeline.open_stage(row["stage"]) if row["stage"] else pipeline.first
    if row["stage"]:
        writing.refuse(lacking(stage, row))
    row["pipeline_id"], row["stage"] = pipeline.id, stage.code
    row["stage_enter_time"] = row["create_time"]
    row["stage_history"] = history.begin(stage, row["create_time"], call.caller.user_id)


def _follow_owner(row: Row, before: Row | None) -> None:
    """While it is open, the state says whether somebody has it, however it got its owner."""
    if row["state"] in states.OPEN:
        if not row["owner_id"]:
            row["state"], row["assign_time"] = states.UNASSIGNED, None
        elif row["state"] == states.UNASSIGNED:
            row["state"] = states.ASSIGNED
    if not row["owner_id"]:
        return
    if before is None:
        row["assign_time"] = row["assign_time"] or row["create_time"]
    elif row["owner_id"] != before["owner_id"] and row["assign_time"] == before["assign_time"]:
        row["assign_time"] = datetime.now(UTC)


def _mark_overdue(call: Call, messages: Sequence[pb.Opportunity]) -> None:
    if not messages:
        return
    pipelines = stages.several(call, {m.pipeline_id for m in messages})
    now = datetime.now(UTC)
    for message in messages:
        pipeline = pipelines.get(message.pipeline_id)
        stage = pipeline.stages.get(message.stage) if pipeline else None
        if stage and stage.max_stay_days:
            message.overdue = now - message.stage_enter_time.ToDatetime(UTC) > timedelta(days=stage.max_stay_days)
