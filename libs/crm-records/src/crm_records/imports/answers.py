"""Imports and their rows as they are answered."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import select

from crm.records.v1 import imports_pb2 as pb
from crm_kit import errors, sealing
from crm_kit.errors import Problem
from crm_kit.field_access import HIDDEN, MASKED, OPTIONAL
from crm_kit.jobs import job as job_table
from crm_kit.rpc import Call
from crm_records import changes, visibility
from crm_records import fields as kinds
from crm_records.imports import going_on, mapping, sheets, targets, trying
from crm_records.imports.tables import import_row
from crm_records.jobs import message as job_message
from crm_records.record import Record
from crm_records.view import name_of

_TEXTS = ("id", "record_type", "state", "file_name", "format", "detail", "creator_name")


def of(call: Call, record: Record, row: Any, *, samples: bool = True) -> pb.Import:
    """One import; while it is under way with the numbers so far."""
    made = pb.Import(**{n: getattr(row, n) for n in (*_TEXTS, "rows", "header_row", "create_time")})
    made.etag = str(row.version)
    for name in ("act_id", "same_as", "creator_id", "reason"):
        setattr(made, name, getattr(row, name) or "")
    if row.finish_time is not None:
        made.finish_time.FromDatetime(row.finish_time)
    for sheet in row.sheets:
        made.sheets.add(**sheet)
    first = _first(call, record, row) if samples else []
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
        counts = counts or dict(going_on.counts_of(job))
        made.reason = made.reason or job.reason or ""
    for name in trying.OUTCOMES:
        setattr(made, name, counts.get(name, 0))
    made.remaining = row.rows - sum(counts.get(name, 0) for name in trying.OUTCOMES)
    return made


def _first(call: Call, record: Record, found: Any) -> list[list[str]]:
    """The first rows, for samples: they may be personal, so they are kept in no other place."""
    query = select(import_row).where(import_row.c.import_id == found.id).order_by(import_row.c.row).limit(20)
    shown = Shown(call, record, found)
    return [shown.opened(row)[0] for row in call.connection.execute(query)]


def rows(
    call: Call, record: Record, found: Any, request: pb.ListImportRowsRequest, size: int
) -> pb.ListImportRowsResponse:
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
    shown = Shown(call, record, found)
    for row in page[:size]:
        answer.rows.append(_row(shown, row))
    return answer


class Shown:
    """The rows of one import as far as their reader sees its fields now: cells and differences alike."""

    def __init__(self, call: Call, record: Record, found: Any) -> None:
        self._call, self._record = call, record
        levels = [self._level(c["field"]) if c["field"] else OPTIONAL for c in found.columns]
        self._closed = {index: level for index, level in enumerate(levels) if level <= MASKED}

    def opened(self, row: Any) -> tuple[list[str], dict[str, Any]]:
        """(cells, result) of a row."""
        cells = [sheets.shown(cell) for cell in self._unsealed(row, "cells")]
        result = self._unsealed(row, "result") or {}
        for index, level in self._closed.items():
            if index < len(cells) and cells[index]:
                cells[index] = changes.HIDDEN if level == MASKED else ""
        result["hints"] = [h for h in result.get("hints", ()) if self._level(h["field"]) > MASKED]
        told = [(self._level(field), field, *values) for field, *values in result.get("changes", ())]
        result["changes"] = [
            (field, *(changes.HIDDEN if value and level == MASKED else value for value in values))
            for level, field, *values in told
            if level > HIDDEN
        ]
        return cells, result

    def _unsealed(self, row: Any, column: str) -> Any:
        sealed = getattr(row, column)
        place = sealing.place(import_row.name, column, row.import_id, row.row)
        connection = self._call.connection
        return orjson.loads(sealing.of(connection).open(connection, place, bytes(sealed))) if sealed else None

    def _level(self, path: str) -> int:
        """How the reader sees the field that a column or a difference is about."""
        record, name = targets.owner(self._record, path)
        view = visibility.of(self._call, record)
        return view.level(name_of(record, name)) if view is not None else OPTIONAL


def _row(shown: Shown, row: Any) -> pb.ImportRow:
    cells, result = shown.opened(row)
    made = pb.ImportRow(row=row.row, cells=cells, outcome=row.outcome, record_id=row.record_id or "")
    for problem in result.get("problems", ()):
        made.problems.add(**problem)
    for hint in result["hints"]:
        made.hints.add(**hint)
    for field, before, after in result["changes"]:
        made.changes.add(field=field, before=before, after=after)
    return made
