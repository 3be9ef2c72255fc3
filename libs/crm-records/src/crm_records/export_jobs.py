"""Exports as jobs: page by page of the list, in the rights that the person has at each step, into a file kept with it.

A step adds the next rows to a piece of the file; what is finished lies in the database with the job's place, so that a
process that is killed loses no more than the step under way. A CSV file is its pieces one behind the other. The rows of
a workbook wait as text until all are there, then the workbook is written once, row by row, in a temporary file.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from typing import IO, Any

import orjson

from crm.records.v1 import exports_pb2, jobs_pb2
from crm_kit import errors, job_files, jobs
from crm_kit.jobs import Job, Kind, Step
from crm_kit.rpc import Call
from crm_records import exports, files, showing
from crm_records.export_formats import Cell, Table, csv_lines, write_xlsx
from crm_records.jobs import started
from crm_records.record import Record
from crm_records.registry import Registry

EXPORT = "export"
PAGES = 4
"""Pages of the list, two hundred rows each, that one step reads."""
_PART = "part {:06}"


def start(call: Call, record: Record, request: exports_pb2.ExportRecordsRequest) -> jobs_pb2.Job:
    """Queue the export. What is wrong with the request is told now."""
    exports.refuse_format(request)
    call.need(f"{record.type}.read")
    showing.chosen_fields(record, request.fields, record.list_fields)
    exports.first_page(call, record, request, 1)
    asked = {n: getattr(request, n) for n in ("filter", "order_by", "search", "fields", "format")}
    job_id = jobs.start(call, EXPORT, record.type, asked)
    assert job_id is not None
    return started(call, record.registry, job_id)


def kind(registry: Registry) -> Kind:
    """The job."""
    return Kind(EXPORT, ("导出", "Export"), lambda call, job: _step(call, registry, job), ended=_ended)


def _step(call: Call, registry: Registry, job: Job) -> Step:
    record = registry.records[job.record_type]
    at = job.position or {"token": "", "piece": 0, "rows": 0, "reading": True}
    request = exports_pb2.ExportRecordsRequest(record_type=record.type, **job.parameters)
    limit = call.access.limit(call.caller.right, "exportRows")
    if not at["reading"]:
        return _finish(call, record, request, job, at)
    messages, token = _pages(call, record, request, at["token"])
    rows = at["rows"] + len(messages)
    if rows > limit:
        raise errors.Denied("rows_over_limit", limit=limit)
    table = exports.table(call, record, request, messages)
    piece = _PART.format(at["piece"])
    if request.format == "csv":
        content = (b"\xef\xbb\xbf" if not at["piece"] else b"") + csv_lines(table, head=not at["piece"])
    else:
        content = b"\n".join([orjson.dumps([_kept(c) for c in row]) for row in table.rows])
    job_files.save(call.connection, job.id, piece, "text/plain", content)
    going = {"token": token, "piece": at["piece"] + 1, "rows": rows, "reading": bool(token)}
    return Step(going, done=len(messages), total=None if token else rows, result={"rows": rows})


def _pages(call: Call, record: Record, request: Any, token: str) -> tuple[list[Any], str]:
    """The next pages of the list, as far as the right to take them along reaches."""
    found: list[Any] = []
    for _ in range(PAGES):
        messages, token = exports.one_page(call, record, request, token)
        found += messages
        if not token:
            break
    return found, token


def _finish(call: Call, record: Record, request: Any, job: Job, at: dict[str, Any]) -> Step:
    """Put the pieces together as the file that was asked for."""
    table = exports.table(call, record, request, [])
    name = f"{record.type}.{request.format or 'xlsx'}"
    with tempfile.TemporaryFile() as file:
        if request.format == "csv":
            for piece in range(at["piece"]):
                for part in job_files.parts(call.connection, job.id, _PART.format(piece)):
                    file.write(part)
            content_type = files.CSV
        else:
            rows = Table(table.title, table.labels, _rows(call, job.id, at["piece"]), table.mark)
            facts = exports.facts(call, request, table.mark, at["rows"])
            write_xlsx(file, rows, *facts)
            content_type = files.XLSX
        file.seek(0)
        job_files.save(call.connection, job.id, name, content_type, file)
    _forget(call, job.id)
    call.note(record_type=record.type, rows=at["rows"])
    return Step(None, result={"rows": at["rows"], "file": name})


def _rows(call: Call, job_id: str, pieces: int) -> Iterator[list[Cell]]:
    for piece in range(pieces):
        content: IO[bytes] = io.BytesIO(b"".join(job_files.parts(call.connection, job_id, _PART.format(piece))))
        for line in content:
            yield [Decimal(c[0]) if isinstance(c, list) else c for c in orjson.loads(line)]


def _kept(cell: Cell) -> str | list[str]:
    return [f"{cell:f}"] if isinstance(cell, Decimal) else cell


def _forget(call: Call, job_id: str) -> None:
    job_files.drop(call.connection, job_id, _PART.format(0)[:5])


def _ended(call: Call, job: Job, _how: str) -> None:
    _forget(call, job.id)
