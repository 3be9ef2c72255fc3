"""What the description of a record type and the log of a record say to people whose roles have field rules."""

from __future__ import annotations

from crm.records.v1 import records_pb2 as pb
from crm_kit import field_access
from crm_records import changes
from crm_records.record import Record
from crm_records.view import View, name_of


def of_field(view: View, name: str, described: pb.FieldDescription) -> pb.FieldDescription:
    """What the caller's roles make of a field."""
    level = view.level(name)
    described.rule = field_access.NAMES[level]
    described.required |= level == field_access.REQUIRED
    described.read_only |= level <= field_access.READ_ONLY
    if view.is_blind(name):
        described.sortable = described.filterable = False
    for state, exception in view.by_state(name).items():
        described.state_rules.add(state=state, rule=field_access.NAMES[exception])
    return described


def cut(record: Record, view: View | None, state: str | None, change: pb.Change, closed: frozenset[str]) -> None:
    """Leave out what the caller does not see of a record in this state; what is masked says only that it changed.

    `closed` are fields that are not seen of this one record, because of the pool in which it lies, say.
    """
    if view is not None:
        closed |= view.unclear
    seen = []
    for one in change.changes:
        name = name_of(record, one.field)
        level = view.level(name, state) if view is not None else field_access.OPTIONAL
        if level == field_access.HIDDEN or name.partition(".")[0] in closed:
            continue
        for value in (one.before, one.after):
            if level == field_access.MASKED and value.WhichOneof("kind") != "null_value":
                value.string_value = changes.HIDDEN
        seen.append(one)
    if len(seen) < len(change.changes):
        kept = [pb.FieldChange.FromString(one.SerializeToString()) for one in seen]
        del change.changes[:]
        change.changes.extend(kept)
