"""Servicers: the standard RPCs of a record, and what every record can do.

`class CustomerServicer(Servicer): record = CUSTOMERS` answers Get, List, Create, Update, Delete, Restore and
Import for its noun; the class itself holds only the verbs that are the noun's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from crm.records.v1 import exports_pb2, jobs_pb2
from crm.records.v1 import fields_pb2 as fields_pb
from crm.records.v1 import records_pb2 as pb
from crm_kit.handlers import merged
from crm_kit.inbox import Handler
from crm_kit.jobs import Kind
from crm_kit.rpc import Call
from crm_records import (
    bulk,
    erasing,
    erasing_events,
    export_jobs,
    exports,
    given,
    handover,
    listing,
    recycling,
    revealing,
    writing,
)
from crm_records.acts import ActServicer
from crm_records.belongings import BelongingServicer
from crm_records.bulk_acts import BulkServicer, kinds_of_jobs
from crm_records.explain import AccessServicer
from crm_records.exporting import PrivacyServicer
from crm_records.following import FollowServicer
from crm_records.imports import jobs as import_jobs
from crm_records.imports.rpc import ImportServicer
from crm_records.jobs import JobServicer
from crm_records.record import Record
from crm_records.record_servicer import OfAllRecords, RecordServicer
from crm_records.registry import Registry
from crm_records.teams import TeamServicer
from crm_records.undoing import Undone, undoing


class Servicer:
    """Answers the standard RPCs of one record; subclasses add its verbs."""

    record: ClassVar[Record]
    service: ClassVar[ServiceDescriptor]

    def __init_subclass__(cls) -> None:
        for method in cls.service.methods:
            if method.name in cls.__dict__:
                setattr(cls, method.name, given.noting(cls.record, cls.__dict__[method.name]))
            if hasattr(cls, method.name):
                continue
            for verb, make in _STANDARD.items():
                if method.name.startswith(verb):
                    setattr(cls, method.name, make(cls.record, method))
                    break


def _get(record: Record, _method: Any) -> Any:
    return lambda _self, call, request: listing.get(call, record, request)


def _list(record: Record, method: Any) -> Any:
    response = GetMessageClass(method.output_type)
    name = record.plural

    def body(_self: Any, call: Call, request: pb.ListRequest) -> Any:
        page = listing.page(call, record, request)
        answer: Any = response(
            **{name: page.messages}, next_page_token=page.next_page_token, total_capped=page.total_capped
        )
        if page.total is not None:
            answer.total = page.total
        return answer

    return body


def _create(record: Record, _method: Any) -> Any:
    return lambda _self, call, request: writing.create(call, record, getattr(request, record.type))


def _update(record: Record, _method: Any) -> Any:
    return lambda _self, call, request: writing.change(
        call, record, getattr(request, record.type), request.update_mask, request.etag
    )


def _delete(record: Record, _method: Any) -> Any:
    return lambda _self, call, request: recycling.delete(call, record, request)


def _restore(record: Record, _method: Any) -> Any:
    return lambda _self, call, request: recycling.restore(call, record, request)


def _import(record: Record, _method: Any) -> Any:
    return lambda _self, call, request: bulk.import_rows(call, record, getattr(request, record.plural))


_STANDARD = {
    "Get": _get,
    "List": _list,
    "Create": _create,
    "Update": _update,
    "Delete": _delete,
    "Restore": _restore,
    "Import": _import,
}


class ExportServicer(OfAllRecords):
    """Records leaving the house."""

    def ExportRecords(self, call: Call, request: exports_pb2.ExportRecordsRequest) -> HttpBody:
        return exports.export(call, self._record(request.record_type), request)

    def StartExport(self, call: Call, request: exports_pb2.ExportRecordsRequest) -> jobs_pb2.Job:
        return export_jobs.start(call, self._record(request.record_type), request)

    def PrintRecords(self, call: Call, request: exports_pb2.PrintRecordsRequest) -> HttpBody:
        return exports.to_print(call, self._record(request.record_type), request)


class FieldServicer(OfAllRecords):
    """Single fields of a record: to see in full what is masked."""

    def RevealField(self, call: Call, request: fields_pb.RevealFieldRequest) -> fields_pb.FieldValue:
        return revealing.reveal(call, self._record(request.record_type), request)


def servicers(registry: Registry, jobs: Sequence[Kind] = ()) -> dict[str, object]:
    """What a service answers for all of its records and their jobs, by the name of the contract's service."""
    return {
        "RecordService": RecordServicer(registry),
        "FieldService": FieldServicer(registry),
        "ExportService": ExportServicer(registry),
        "TeamService": TeamServicer(registry),
        "FollowService": FollowServicer(registry),
        "AccessService": AccessServicer(registry),
        "BelongingService": BelongingServicer(registry),
        "JobService": JobServicer(registry, jobs),
        "ActService": ActServicer(registry),
        "BulkService": BulkServicer(registry),
        "ImportService": ImportServicer(registry),
        "PrivacyService": PrivacyServicer(registry),
    }


def jobs(registry: Registry, undone: Mapping[str, Undone] | None = None) -> list[Kind]:
    """The long work that a service does for any of its records. `undone`: see `undoing.undoing`."""
    return [
        *kinds_of_jobs(registry),
        *import_jobs.kinds_of_jobs(registry),
        export_jobs.kind(registry),
        undoing(registry, undone),
    ]


def handlers(service: str, registry: Registry) -> dict[str, Handler]:
    """What a service listens to for all of its records: what was decided elsewhere and everybody does a part of."""
    return merged(handover.handlers(service, registry), erasing.handlers(service, registry))


swept = erasing_events.swept
"""What a service does when the stream holds nothing any more of what was erased."""
