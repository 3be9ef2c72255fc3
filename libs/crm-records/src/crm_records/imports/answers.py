"""Imports and their rows as they are answered."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import select

from crm.records.v1 import imports_pb2 as pb
from crm_kit import errors, sealing
from crm_kit.errors import Problem
from crm_kit.jobs import job as job_table
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records.imports import mapping, trying
from crm_records.imports.tables import import_row
from crm_records.jobs import message as job_message

_TEXTS = ("id", "record_type", "state", "file_name", "format", "detail", "creator_name")


def of(call: Call, row: Any, *, samples: bool = True) -> pb.Import:
    """One import; while it is under way with the numbers so far."""
    made = pb.Import(**{n: getattr(row, n) for n in _TEXTS}, rows=row.rows, create_time=row.create_time)
    made.etag = str(row.version)
    for name in ("act_id", "same_as", "creator_id", "reason"):
        setattr(made, name, getattr(row, name) or "")
    if row.finish_time is not None:
        made.finish_time.FromDatetime(row.finish_time)
    first = _first(call, row) if samples else []
    for place, column in enumerate(row.columns):
        made.columns.add(**column, samples=mapping.samples(place, first))
    options = row.options
    made.options.key, made.options.existing = options.get("key", ""), options.get("existing", "")
    made.options.owner_id, made.options.department_id = options.get("ownerId", ""), options.get("departmentId", "")
    made.options.keep_origin = bool(options.get("keepOrigin"))
    job = call.connection.execute(select(job_table).where(job_table.c.id == row.job_id)).one_or_none()
    counts = dict(row.counts)
    if job is not None:
        made.job.CopyFrom(job_message(job, call.service))
        counts = counts or {o: job.result.get(o, 0) for o in trying.OUTCOMES}
        made.reason = made.reason or job.reason or ""
    for name in trying.OUTCOMES:
        setattr(made, name, counts.get(name, 0))
    return made


def _first(call: Call, found: Any) -> list[list[str]]:
    """The first rows, for samples: they may be personal, so they are kept in no other place."""
    query = select(import_row).where(import_row.c.import_id == found.id).order_by(import_row.c.row).limit(20)
    return [opened(call, row)[0] for row in call.connection.execute(query)]


def rows(call: Call, found: Any, request: pb.ListImportRowsRequest, size: int) -> pb.ListImportRowsResponse:
    """A page of the rows of an import."""
    query = select(import_row).where(import_row.c.import_id == found.id)
    if request.outcome:
        if request.outcome not in trying.OUTCOMES:
            label = kinds.of(request.DESCRIPTOR)["outcome"].label
            choices = {"label": label, "value": request.outcome[:60], "choices": ", ".join(trying.OUTCOMES)}
            raise errors.Invalid(Problem("outcome", "not_a_choice", choices))
        query = query.where(import_row.c.outcome == request.outcome)
    if request.page_token:
        if not request.page_token.isdecimal() or len(request.page_token) > 9:
            raise errors.Invalid(key="bad_page_token")
        query = query.where(import_row.c.row > int(request.page_token))
    page = call.connection.execute(query.order_by(import_row.c.row).limit(size + 1)).all()
    answer = pb.ListImportRowsResponse(next_page_token=str(page[size - 1].row) if len(page) > size else "")
    for row in page[:size]:
        answer.rows.append(_row(call, row))
    return answer


def opened(call: Call, row: Any) -> tuple[list[str], dict[str, Any]]:
    """(cells, result) of a row."""
    keys = sealing.of(call.connection)
    place = sealing.place(import_row.name, "cells", row.import_id, row.row)
    cells = orjson.loads(keys.open(call.connection, place, bytes(row.cells)))
    if row.result is None:
        return cells, {}
    place = sealing.place(import_row.name, "result", row.import_id, row.row)
    return cells, orjson.loads(keys.open(call.connection, place, bytes(row.result)))


def _row(call: Call, row: Any) -> pb.ImportRow:
    cells, result = opened(call, row)
    made = pb.ImportRow(row=row.row, cells=cells, outcome=row.outcome, record_id=row.record_id or "")
    for problem in result.get("problems", ()):
        made.problems.add(**problem)
    for field, before, after in result.get("changes", ()):
        made.changes.add(field=field, before=before, after=after)
    return made
