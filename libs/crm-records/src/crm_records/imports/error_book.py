"""The rejected rows as a workbook: as sent, wrong cells marked, the reason beside. Corrected, it is a new import."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from google.api.httpbody_pb2 import HttpBody
from sqlalchemy import select

from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import files
from crm_records.imports import answers, book, targets, values
from crm_records.imports.tables import import_row
from crm_records.record import Record

MOST, PAGE = 20_000, 500
"""Rows of one workbook, and of one look into the database."""
REASON = ("导入失败原因", "Why it was rejected")
"""The heading beside; a file that is sent again may hold it."""

errors.texts({"nothing_rejected": ("没有被拒绝的行", "No row is rejected")})


def make(call: Call, record: Record, found: Any, after_row: int) -> HttpBody:
    """The rows behind one. FAILED_PRECONDITION where there is none."""
    rows = _rejected(call, found.id, after_row)
    first = next(rows, None)
    if first is None:
        raise errors.Conflict("nothing_rejected")
    headers = [c["header"] for c in found.columns]
    if headers and headers[-1] in REASON:
        headers.pop()
    with book.Book(call) as made:
        sheet = made.sheet(errors.text("rejected_rows", call.language, {}))
        for place, header in enumerate(headers):
            sheet.write_string(0, place, header, made.bold)
        sheet.write_string(0, len(headers), REASON[call.language == errors.EN], made.bold)
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, max(len(headers) - 1, 0), 16)
        sheet.set_column(len(headers), len(headers), 60)
        shown = answers.Shown(call, record, found)
        days = targets.days_from_1904(found, targets.of_record(call, record))
        for line, row in enumerate(itertools.chain([first], rows), 1):
            cells, result = shown.opened(row)
            # This workbook does not count from 1904.
            cells = [values.from_1904(text) if place in days else text for place, text in enumerate(cells)]
            _write(made, sheet, line, (cells, result), len(headers))
        return files.answer(call, f"{record.type}-import-errors", files.XLSX, made.content())


def _rejected(call: Call, import_id: str, after_row: int) -> Iterator[Any]:
    query = select(import_row).where(import_row.c.import_id == import_id, import_row.c.outcome == "rejected")
    query = query.order_by(import_row.c.row).limit(PAGE)
    for _ in range(MOST // PAGE):
        page = call.connection.execute(query.where(import_row.c.row > after_row)).all()
        yield from page
        if len(page) < PAGE:
            return
        after_row = page[-1].row


def _write(made: book.Book, sheet: Any, line: int, row: tuple[list[str], dict[str, Any]], width: int) -> None:
    cells, result = row
    problems = result.get("problems", [])
    wrong: dict[int, list[str]] = {}
    for problem in problems:
        wrong.setdefault(problem["column"], []).append(problem["message"])
    for place in range(width):
        text = cells[place] if place < len(cells) else ""
        if place in wrong:
            sheet.write_string(line, place, text, made.wrong)
            sheet.write_comment(line, place, "\n".join(wrong[place]))
        else:
            sheet.write_string(line, place, text)
    sheet.write_string(line, width, "; ".join(p["message"] for p in problems)[:32_000])


errors.texts({"rejected_rows": ("未导入的行", "Rejected rows")})
