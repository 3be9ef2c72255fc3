"""Unmasking: one field of one record in full, for those with the right to reveal. The audit trail is told each time."""

from __future__ import annotations

from typing import Any

from crm.records.v1 import fields_pb2 as pb
from crm_kit import codec, errors, field_access
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import changes, listing, showing, visibility
from crm_records.record import Record
from crm_records.view import CUSTOM, name_of

errors.texts({"not_masked": ("{label}没有脱敏，可直接查看", "{label} is not masked: read the record")})


def reveal(call: Call, record: Record, request: pb.RevealFieldRequest) -> pb.FieldValue:
    """The value of a field that is masked for the caller, on a record that the caller may read and reveal."""
    name = name_of(record, request.field)
    column = "custom" if name.startswith(CUSTOM) else name
    view = visibility.of(call, record)
    if column not in record.fields or (view is not None and view.is_gone(name)):
        raise _unknown(request.field)
    call.need(f"{record.type}.read")
    for resource, _ in record.copies.get(name, ()):
        call.need(f"{resource}.reveal")  # a copy is no way around
    names = (column,) if record.states is None else (column, record.states.column)
    # Both rights may reach differently far: the record must lie within both.
    asked = call.caller.right
    message: Any = None
    for right in (f"{record.type}.read", asked):
        call.caller.right = right
        message = listing.read(call, record, request.id, names, showing.columns_of(record, names))
    level = field_access.OPTIONAL
    if view is not None:
        level = view.level(name, getattr(message, record.states.column) if record.states is not None else None)
    if level == field_access.HIDDEN:
        raise _unknown(request.field)
    if level != field_access.MASKED:
        label = record.fields[column].label if column == name else (name, name)
        raise errors.Conflict("not_masked", label=label)
    plain: Any = codec.to_dict(message)
    answer = pb.FieldValue(field=name if column == "custom" else record.fields[name].json_name)
    if column == "custom":
        plain = plain.get("custom", {}).get(name.removeprefix(CUSTOM))
    else:
        plain = plain.get(record.fields[name].json_name)
    changes.set_value(answer.value, plain)
    return answer


def _unknown(name: str) -> errors.Invalid:
    return errors.Invalid(Problem("field", "unknown_field", {"name": name[:60]}))
