"""Export of one natural person's data: every record about the person as it is, with its change log."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import orjson
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from sqlalchemy import select

from crm.records.v1 import privacy_pb2 as pb
from crm.records.v1 import records_pb2 as records_pb
from crm_kit import errors
from crm_kit.codec import to_dict
from crm_kit.rpc import Call
from crm_records import changes, personal, rows
from crm_records import fields as kinds
from crm_records.registry import Registry

errors.texts(
    {
        "everywhere_needed": (
            "隐私请求须有对全部记录的权限",
            "Privacy requests ask for the right on all records",
        )
    }
)


class PrivacyServicer:
    """Answers for the records of one service."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def ExportPersonData(self, call: Call, request: pb.ExportPersonDataRequest) -> pb.ExportPersonDataResponse:
        refuse_narrow(call)
        if (
            not all(map(kinds.is_id, (request.subject_id, *request.merged_ids)))
            or request.subject_type not in personal.person_types()
        ):
            raise errors.NotFound()
        call.note(record_type=request.subject_type, record_id=request.subject_id)
        return export(call, self._registry, request.subject_type, request.subject_id, request.merged_ids)


def refuse_narrow(call: Call) -> None:
    """PERMISSION_DENIED unless the right of the call holds on all records: a person's data lie with many owners."""
    resource = call.caller.right.partition(".")[0]
    if not call.access.reach(resource, call.caller.right).all:
        raise errors.Denied("everywhere_needed")


def export(
    call: Call, registry: Registry, subject_type: str, subject_id: str, merged_ids: Sequence[str]
) -> pb.ExportPersonDataResponse:
    """What this service has."""
    answer = pb.ExportPersonDataResponse()
    for found in personal.find(call, registry, subject_type, subject_id, merged_ids):
        for row in found.rows:
            one = answer.records.add(service=call.service, record_type=found.record.type, id=row["id"])
            one.relation = found.relation
            ParseDict(to_dict(rows.to_message(found.record, row)), one.data)
            one.changes.extend(_changes(call, found.record.type, row["id"]))
            if found.relation == personal.SUBJECT:
                for kind, what in found.record.export_besides(call, row):
                    data = ParseDict(what, Struct())
                    answer.records.add(service=call.service, record_type=kind, relation=personal.OWN, data=data)
    if subject_type == personal.USER:
        for record, name, n in personal.named_in(call, registry, subject_id):
            answer.counts.add(service=call.service, record_type=record.type, field=name, records=n)
    return answer


def digest(answer: pb.ExportPersonDataResponse) -> str:
    """What proves later that this was the data: SHA-256 of them as JSON with sorted keys."""
    return hashlib.sha256(orjson.dumps(to_dict(answer), option=orjson.OPT_SORT_KEYS)).hexdigest()


def _changes(call: Call, record_type: str, record_id: str) -> Iterator[records_pb.Change]:
    log = changes.change_log
    query = select(log).where(log.c.record_id == record_id, log.c.record_type == record_type).order_by(log.c.id)
    for row in call.connection.execute(query):
        yield changes.to_message(row)
