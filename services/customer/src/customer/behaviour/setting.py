"""How long behaviour is kept: one setting of the whole company."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from crm.customer.v1 import behaviour_pb2 as pb
from crm.records.v1.event_pb2 import Event
from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import validation
from crm_records.changes import set_value
from customer.behaviour import partitions
from customer.behaviour.tables import settings

_ID = "behaviour"
_FIELDS = kinds.of(pb.BehaviourSettings.DESCRIPTOR)


def get(call: Call) -> pb.BehaviourSettings:
    """The setting, or what holds without one."""
    return _message(_row(call))


def change(call: Call, request: pb.UpdateBehaviourSettingsRequest) -> pb.BehaviourSettings:
    """Set it. A longer time has its months at once; what is too old now goes with the clock."""
    if "keep_months" not in request.update_mask.paths:
        raise errors.Invalid(key="bad_update_mask")
    problems: list[errors.Problem] = []
    values = validation.row_values(request.settings, ("keep_months",), _FIELDS, problems, "settings.")
    if problems:
        raise errors.Invalid(*problems)
    if not request.etag:
        raise errors.Conflict("etag_required")
    before = _row(call, lock=True)
    if request.etag != str(before["version"]):
        raise errors.Stale()
    after = {"keep_months": values["keep_months"], "version": before["version"] + 1}
    statement = insert(settings).values(id=True, **after)
    call.connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=after))
    if after["keep_months"] > before["keep_months"]:
        partitions.arrange(call.connection, datetime.now(UTC).date())
    call.after_commit.append(partitions.NOW.forget)
    message = _message(after)
    told = Event(record_type="behaviour_settings", action="updated", record_id=_ID, version=after["version"])
    told.record.Pack(message)
    difference = told.changes.add(field="keepMonths")
    set_value(difference.before, before["keep_months"])
    set_value(difference.after, after["keep_months"])
    call.announce(told)
    return message


def _row(call: Call, *, lock: bool = False) -> dict[str, Any]:
    if lock:
        first = insert(settings).values(id=True, keep_months=partitions.KEEP_MONTHS, version=1)
        call.connection.execute(first.on_conflict_do_nothing())
    query = select(settings).with_for_update() if lock else select(settings)
    row = call.connection.execute(query).mappings().one_or_none()
    return dict(row) if row else {"keep_months": partitions.KEEP_MONTHS, "version": 1}


def _message(row: dict[str, Any]) -> pb.BehaviourSettings:
    return pb.BehaviourSettings(id=_ID, etag=str(row["version"]), keep_months=row["keep_months"])
