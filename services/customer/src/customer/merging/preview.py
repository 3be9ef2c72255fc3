"""What a merge would do, without doing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from crm.customer.v1 import merging_pb2 as pb
from crm_kit import errors, masking
from crm_kit.db import one_of
from crm_kit.field_access import HIDDEN, MASKED
from crm_kit.rpc import Call
from crm_records import changes, custom_fields, listing, relinking, rows, storing
from crm_records.given import EMPTY
from crm_records.record import Record, Row
from crm_records.view import CUSTOM, mask_of
from customer.customers import CUSTOMERS, USED_BY
from customer.merging import choosing, merges
from customer.tables import usage


def preview(call: Call, record: Record, request: pb.PreviewMergeRequest) -> pb.PreviewMergeResponse:
    """Values side by side, a proposal for each field, and how much would move."""
    merged = list(request.merged_ids)
    merges.check_ids([request.id, *merged])
    found = _rows(call, record, [request.id, *merged])
    language = 1 if call.language == errors.EN else 0
    answer = pb.PreviewMergeResponse()
    for field in choosing.fields(call, record, found):
        if field.level == HIDDEN:
            continue
        values = [_shown(call, record, field, field.of(row)) for row in found]
        differs = any(v != values[0] for v in values)
        if not differs and (not request.include_equal or values[0] in (*EMPTY, False)):
            continue
        shown = answer.fields.add(field=field.path, label=field.label[language], choosable=field.open, differs=differs)
        shown.proposed_id = choosing.proposal(field, found)["id"]
        shown.union_possible = field.is_list and field.open
        for row, value in zip(found, values, strict=True):
            told = shown.values.add(record_id=row["id"])
            changes.set_value(told.value, rows.plain(value))
    counts = _counts(call, record, merged)
    for record_type, (label, n) in counts.items():
        answer.moving.add(record_type=record_type, label=label[language], count=n)
    at_once = relinking.count(call, record.registry, record.type, merged, merges.AT_ONCE + 1)
    answer.as_job = sum(at_once.values()) > merges.AT_ONCE
    return answer


def _rows(call: Call, record: Record, ids: list[str]) -> list[Row]:
    """The rows, in the caller's reach as a merge would ask it, without locking them."""
    call.need(f"{record.type}.delete")
    found = []
    for record_id in ids:
        right = f"{record.type}.update" if record_id == ids[0] else f"{record.type}.delete"
        with merges.asking(call, right):
            listing.read(call, record, record_id, ("id",), ("id",))
        row = call.connection.execute(select(record.table).where(record.table.c.id == record_id)).one()
        found.append(storing.as_row(call, record, row))
    return found


def _counts(call: Call, record: Record, merged: list[str]) -> Mapping[str, tuple[Any, int]]:
    own = relinking.count(call, record.registry, record.type, merged, merges.COUNTED)
    counts: dict[str, tuple[Any, int]] = {t: (record.registry.records[t].label, n) for t, n in own.items()}
    if record is CUSTOMERS:
        query = select(usage.c.record_type, func.count()).where(one_of(usage.c.customer_id, merged))
        for record_type, n in call.connection.execute(query.group_by(usage.c.record_type)):
            counts[record_type] = (USED_BY[record_type], min(int(n), merges.COUNTED))
    return counts


def _shown(call: Call, record: Record, field: choosing.Field, value: Any) -> Any:
    """A value as its reader sees it."""
    if field.level > MASKED or not value:
        return value
    if not field.name.startswith(CUSTOM):
        mask = mask_of(record.fields[field.name])
        return mask(value) if mask is not None else None
    is_text = custom_fields.kinds_of(call, record).get(field.name.removeprefix(CUSTOM)) == "text"
    return masking.by_form(value) if is_text else None
