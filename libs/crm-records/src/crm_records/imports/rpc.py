"""Imports as people see them: sent, mapped, tried, stored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from google.api.httpbody_pb2 import HttpBody
from sqlalchemy import insert, select, update

from crm.records.v1 import imports_pb2 as pb
from crm_kit import errors, ids, job_files, jobs
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import images, paging, suite, writing
from crm_records.imports import answers, companions, going_on, mapping, options, reading, remembering, sheets, targets
from crm_records.imports.heads import Choice
from crm_records.imports.jobs import CHECK, IMPORT, READ, STORE
from crm_records.imports.tables import (
    BUSY,
    CHECKING,
    OPEN,
    READING,
    READY,
    STORING,
    record_import,
)
from crm_records.record import Record
from crm_records.registry import Registry

TYPES = (
    "text/csv",
    "text/plain",
    "application/csv",
    "application/vnd.ms-excel",
    "application/octet-stream",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
)
"""What a file may be called; what it is, is seen by looking."""
WORKBOOKS = (".xlsx", ".xlsm")
"""What a file is called that is nothing but a workbook; under the name .xls many programs write texts."""

errors.texts(
    {
        "import_busy": ("该导入正在处理，请稍候", "The import is under way; wait until it is done"),
        "import_over": ("该导入已结束", "The import is over"),
        "import_idle": ("没有正在进行的处理", "Nothing is under way"),
        "already_imported": (
            "相同内容的文件已于 {time} 导入，如需再次导入请确认",
            "A file of the very same content was imported on {time}; say so if it is to be imported again",
        ),
        "not_imported": (
            "{label}不能从文件导入，可导入的有：{choices}",
            "Records of the type {label} are not imported from files; these are: {choices}",
        ),
        "file_wrong_type": ("不支持的文件类型 {type}", "Files of type {type} are not taken"),
    }
)


class ImportServicer:
    """Answers for the records of one service."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def CreateImport(self, call: Call, request: pb.CreateImportRequest) -> pb.Import:
        record = self.record(request.record_type)
        kind = request.file.content_type.partition(";")[0].strip().lower()
        if kind and kind not in TYPES:
            raise errors.Invalid(key="file_wrong_type", type=kind[:60])
        content = request.file.data
        if request.file_name.lower().endswith(WORKBOOKS) and sheets.kind_of(content[:64]) != "xlsx":
            raise sheets.refusal("file_no_workbook")
        choice = _choice(request)
        reading.look(call, record, content, choice)
        import_id, digest = ids.uuid7(), hashlib.sha256(content).hexdigest()
        row = {
            "id": import_id,
            "record_type": record.type,
            "state": READING,
            "file_name": _name(request.file_name),
            "format": "",
            "size": len(content),
            "hash": digest,
            "job_id": import_id,
            "creator_id": call.caller.user_id or None,
            "creator_name": call.caller.name,
            "create_time": datetime.now(UTC),
        }
        call.connection.execute(insert(record_import).values(row))
        parameters = {"import": import_id, "phase": READ, **reading.parameters(choice)}
        jobs.start(call, IMPORT, record.type, parameters, job_id=import_id)
        job_files.save(call.connection, import_id, reading.FILE, kind or TYPES[4], content)
        return answers.of(call, record, self.row(call, record, import_id))

    def GetImport(self, call: Call, request: pb.GetImportRequest) -> pb.Import:
        record = self.record(request.record_type)
        return answers.of(call, record, self.row(call, record, request.id))

    def ListImports(self, call: Call, request: pb.ListImportsRequest) -> pb.ListImportsResponse:
        record, size = self.record(request.record_type), paging.page_size(request)
        query = self._own(call, record)
        if request.page_token:
            if not kinds.is_id(request.page_token):
                raise errors.Invalid(key="bad_page_token")
            query = query.where(record_import.c.id < request.page_token)
        rows = call.connection.execute(query.order_by(record_import.c.id.desc()).limit(size + 1)).all()
        token = rows[size - 1].id if len(rows) > size else ""
        return pb.ListImportsResponse(
            imports=[answers.of(call, record, r, samples=False) for r in rows[:size]], next_page_token=token
        )

    def UpdateImport(self, call: Call, request: pb.UpdateImportRequest) -> pb.Import:
        record = self.record(request.record_type)
        row = self._open(call, record, request.id)
        if not request.etag:
            raise errors.Conflict("etag_required")
        if request.etag != str(row.version):
            raise errors.Stale
        known = targets.of_record(call, record)
        columns = _remapped(row.columns, request.columns, known)
        chosen = options.chosen(call, record, row.options, request, columns)
        values = {"columns": columns, "options": chosen, "state": READY, "counts": {}}
        self._set(call, row.id, **values)
        return answers.of(call, record, self.row(call, record, row.id))

    def CheckImport(self, call: Call, request: pb.GetImportRequest) -> pb.Import:
        record = self.record(request.record_type)
        row = self._open(call, record, request.id)
        self._refuse_mapping(call, record, row)
        job_id = jobs.start(call, IMPORT, record.type, {"import": row.id, "phase": CHECK}, total=row.rows)
        self._set(call, row.id, state=CHECKING, job_id=job_id, counts={})
        return answers.of(call, record, self.row(call, record, row.id))

    def StartImport(self, call: Call, request: pb.StartImportRequest) -> pb.Import:
        record = self.record(request.record_type)
        row = self._open(call, record, request.id, (*OPEN, *going_on.ENDED_EARLY))
        if row.state not in OPEN:
            job_id = going_on.start(call, record, row, IMPORT, {"import": row.id, "phase": STORE})
            self._set(call, row.id, state=STORING, job_id=job_id, counts={}, reason=None)
            return answers.of(call, record, self.row(call, record, row.id))
        self._refuse_mapping(call, record, row)
        before = remembering.stored_already(call, record, row.hash, row.detail)
        if before and not request.again:
            ended = select(record_import.c.finish_time).where(record_import.c.id == before)
            time = call.connection.execute(ended).scalar_one()
            day = time.astimezone(ZoneInfo(call.access.time_zone))
            raise errors.Conflict("already_imported", time=f"{day:%Y-%m-%d}")
        act_id = ids.uuid7()
        what = {"import": row.id, "file": row.file_name, "rows": row.rows, **row.options}
        images.begin(call, act_id, IMPORT, record.type, what)
        jobs.start(call, IMPORT, record.type, {"import": row.id, "phase": STORE}, total=row.rows, job_id=act_id)
        self._set(call, row.id, state=STORING, job_id=act_id, act_id=act_id, counts={})
        return answers.of(call, record, self.row(call, record, row.id))

    def CancelImport(self, call: Call, request: pb.GetImportRequest) -> pb.Import:
        record = self.record(request.record_type)
        row = self.row(call, record, request.id)
        if row.state not in BUSY:
            raise errors.Conflict("import_idle")
        jobs.cancel(call.connection, row.job_id)
        return answers.of(call, record, self.row(call, record, row.id))

    def ListImportRows(self, call: Call, request: pb.ListImportRowsRequest) -> pb.ListImportRowsResponse:
        record = self.record(request.record_type)
        return answers.rows(call, record, self.row(call, record, request.id), request, paging.page_size(request))

    def ExportImportErrors(self, call: Call, request: pb.ExportImportErrorsRequest) -> HttpBody:
        from crm_records.imports import error_book

        record = self.record(request.record_type)
        row = self.row(call, record, request.id)
        call.note(record_type=row.record_type, record_id=row.id)
        return error_book.make(call, record, row, request.after_row)

    def ExportImportTemplate(self, call: Call, request: pb.ExportImportTemplateRequest) -> HttpBody:
        from crm_records.imports import template

        return template.make(call, self.record(request.record_type), request)

    def record(self, record_type: str) -> Record:
        """A record type that can be imported."""
        record = self._registry.records.get(record_type)
        if record is None:
            raise errors.NotFound()
        if not record.import_keys:
            able = [kind for kind in suite.record_types() if kind.import_keys]
            choices = ("、".join(kind.zh for kind in able), ", ".join(kind.en for kind in able))
            raise errors.NotFound("not_imported", label=record.label, choices=choices)
        return record

    def row(self, call: Call, record: Record, import_id: str) -> Any:
        """One of the caller's own."""
        if not kinds.is_id(import_id):
            raise errors.NotFound()
        row = call.connection.execute(self._own(call, record).where(record_import.c.id == import_id)).one_or_none()
        if row is None:
            raise errors.NotFound()
        return row

    def _own(self, call: Call, record: Record) -> Any:
        mine = record_import.c.creator_id == call.access.user_id
        return select(record_import).where(record_import.c.record_type == record.type, mine)

    def _open(self, call: Call, record: Record, import_id: str, states: Sequence[str] = OPEN) -> Any:
        """One in one of these states, locked."""
        row = self.row(call, record, import_id)
        call.connection.execute(select(record_import.c.id).where(record_import.c.id == row.id).with_for_update())
        row = self.row(call, record, import_id)
        if row.state not in states:
            raise errors.Conflict("import_busy" if row.state in BUSY else "import_over")
        return row

    def _refuse_mapping(self, call: Call, record: Record, row: Any) -> None:
        known = targets.of_record(call, record)
        policy = row.options.get("existing", "update")
        problems = mapping.check(record, row.columns, known, row.options.get("key", ""), policy)
        writing.refuse([*problems, *companions.refused(call, record, row.columns, known)])

    def _set(self, call: Call, import_id: str, **values: Any) -> None:
        changed = update(record_import).where(record_import.c.id == import_id)
        call.connection.execute(changed.values(version=record_import.c.version + 1, **values))


def _remapped(columns: list[Any], wanted: Any, known: Mapping[str, targets.Target]) -> list[dict[str, Any]]:
    found = [dict(c) for c in columns]
    by_header = {c["header"]: c for c in found if c["header"]}
    by_name = {t.name: t.path for t in known.values()}
    problems = []
    for i, one in enumerate(wanted):
        column = by_header.get(one.header)
        path = by_name.get(one.field, one.field)
        if column is None:
            problems.append(Problem(f"columns[{i}].header", "column_unknown", {"column": one.header[:60]}))
        elif path and path not in known:
            problems.append(Problem(f"columns[{i}].field", "unknown_field", {"name": one.field[:60]}))
        else:
            column["field"] = path
    writing.refuse(problems)
    return found


def _choice(request: pb.CreateImportRequest) -> Choice:
    """Where the headings are, as the request says."""
    row, label = request.header_row, kinds.of(request.DESCRIPTOR)["header_row"].label
    if row < 0:
        raise errors.Invalid(Problem("headerRow", "too_small", {"label": label, "limit": 0}))
    if row > sheets.LAST_HEADING:
        raise errors.Invalid(Problem("headerRow", "too_large", {"label": label, "limit": sheets.LAST_HEADING}))
    return Choice(request.sheet, row)


def _name(text: str) -> str:
    """The last part of a file's name."""
    return "".join(c for c in text.replace("\\", "/").rpartition("/")[2] if c.isprintable())[:200]
