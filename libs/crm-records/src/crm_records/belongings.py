"""What a person owns here, and which records a handover moved: the report for both sides."""

from __future__ import annotations

import base64
from typing import Any

from sqlalchemy import select, tuple_

from crm.records.v1 import handover_pb2 as pb
from crm_kit import errors, field_access, organisation
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import handover, paging
from crm_records.handover_tables import item, job
from crm_records.record import Record
from crm_records.registry import Registry

errors.texts(
    {
        "handover_failed": ("该记录无法移交", "The record could not be moved"),
        "handover_kept": ("移交后已被他人修改，未退回", "Somebody changed it since, so it was not given back"),
    }
)

_WHY = {"failed": "handover_failed", "kept": "handover_kept"}


class BelongingServicer:
    """Answers for the records of one service."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def ListBelongings(self, call: Call, request: pb.ListBelongingsRequest) -> pb.ListBelongingsResponse:
        reach = call.access.reach("handover", call.caller.right)
        if not kinds.is_id(request.user_id) or not (reach.all or request.user_id in reach.owner_ids):
            raise errors.NotFound()
        answer = pb.ListBelongingsResponse()
        for record in handover.owned(self._registry):
            has = handover.counts(call.connection, record, request.user_id)
            zh, en = record.label
            answer.belongings.add(service=call.service, record_type=record.type, label_zh=zh, label_en=en, **has)
        return answer

    def ListHandoverItems(self, call: Call, request: pb.ListHandoverItemsRequest) -> pb.ListHandoverItemsResponse:
        size = paging.page_size(request)
        if not kinds.is_id(request.handover_id):
            raise errors.NotFound()
        i = item.c
        query = select(item).where(i.handover_id == request.handover_id, i.record_type == request.record_type)
        caller = call.access.user_id
        if call.access.may("handover.read"):
            reach = call.access.reach("handover", "handover.read")
            if not reach.all:
                query = query.where(i.from_user_id.in_(reach.owner_ids) | (i.to_user_id == caller))
        else:
            query = query.where((i.from_user_id == caller) | (i.to_user_id == caller))
            some = call.connection.scalar(query.with_only_columns(i.handover_id).limit(1))
            if some is None and not _concerned(call, request.handover_id):
                raise errors.NotFound()
        if request.outcome:
            query = query.where(i.outcome == request.outcome)
        if request.page_token:
            query = query.where(tuple_(i.record_id, i.kind) > _read_token(request.page_token))
        found = call.connection.execute(query.order_by(i.record_id, i.kind).limit(size + 1)).all()
        rows = found[:size]
        names = organisation.names(call.connection, [p for r in rows for p in (r.from_user_id, r.to_user_id)])
        record = self._registry.records.get(request.record_type)
        answer = pb.ListHandoverItemsResponse(items=[_message(call, row, names, record) for row in rows])
        if len(found) > size:
            answer.next_page_token = base64.urlsafe_b64encode(f"{rows[-1].record_id} {rows[-1].kind}".encode()).decode()
        return answer


def _concerned(call: Call, handover_id: str) -> bool:
    """Whether the caller gives or takes something by the handover, though nothing of the type asked for."""
    query = select(job.c.from_user_id, job.c.takers).where(job.c.handover_id == handover_id)
    people: set[str] = set()
    for row in call.connection.execute(query):
        people.update([row.from_user_id], *row.takers.values())
    return call.access.user_id in people


def _message(call: Call, row: Any, names: dict[str, str], record: Record | None) -> pb.HandoverItem:
    """An item, its number and title as far as the caller's field rules show them of the record."""
    same = ("record_id", "kind", "from_user_id", "to_user_id", "outcome", "time")
    why = row.reason if row.outcome == "failed" and row.reason else {"key": _WHY.get(row.outcome), "params": {}}
    copied = {"number": row.number, "title": row.title}
    if record is not None and (rules := call.access.fields(record.ruled_by or record.type)):
        fields = {"number": "number", "title": record.title_field}
        copied = {n: field_access.shown(rules, fields[n], text) for n, text in copied.items()}
    return pb.HandoverItem(
        **{n: getattr(row, n) for n in same},
        **copied,
        from_name=names.get(row.from_user_id, ""),
        to_name=names.get(row.to_user_id, ""),
        reason=errors.text(why["key"], call.language, why["params"]) if why["key"] else "",
    )


def _read_token(token: str) -> tuple[str, str]:
    try:
        record_id, kind = base64.urlsafe_b64decode(token).decode().split(" ")
        if not kinds.is_id(record_id):
            raise ValueError(token)
    except ValueError:
        raise errors.Invalid(key="bad_page_token") from None
    return record_id, kind
