"""The first part of an import: the file's rows into the database, where every later step finds them.

The reader of a file stays open between the steps of a process. Another process, or this one after it was killed, opens
the file anew and passes over the rows that are there already.
"""

from __future__ import annotations

import tempfile
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import orjson
from sqlalchemy import Connection, select, update

from crm_kit import job_files, sealing
from crm_kit.db import driver
from crm_kit.jobs import Job, Step
from crm_kit.rpc import Call
from crm_records import numbers
from crm_records.imports import heads, mapping, naming, remembering, sheets, targets
from crm_records.imports.heads import Choice
from crm_records.imports.sheets import Line, Source
from crm_records.imports.tables import READY, import_row, record_import
from crm_records.imports.words import Words
from crm_records.record import Record

ROWS, CHARACTERS, TICKS = 2000, 4 * 1024 * 1024, 32
"""Of one step: rows, characters of their cells, pieces of the file in which no row was."""
FILE = "source"
MOST_OPEN = 4
_COPY = "COPY import_row (import_id, row, cells) FROM STDIN (FORMAT BINARY)"


@dataclass(slots=True)
class _Reader:
    """A file that is being read, up to some row."""

    at: int
    lines: Iterator[Line]
    source: Source
    file: IO[bytes]

    def close(self) -> None:
        self.source.close()
        self.file.close()


_open: OrderedDict[str, _Reader] = OrderedDict()


def step(call: Call, record: Record, job: Job) -> Step:
    """Read the next rows; after the first of them there is a proposal to look at."""
    first = job.position is None
    position = job.position or _begin(call, record, job)
    reader = _reader(call.connection, job.id, position["sheet"], position["row"])
    lines, over = _next(reader)
    if first:
        _propose(call, record, job.id, lines)
    _store(call, job.id, lines)
    rows = position["rows"] + len(lines)
    values: dict[str, Any] = {"rows": rows}
    if over:
        close(job.id)
        if not rows:
            raise sheets.refusal("file_no_rows")
        values |= {"state": READY, "version": record_import.c.version + 1}
    call.connection.execute(update(record_import).where(record_import.c.id == job.id).values(values))
    going = {"sheet": position["sheet"], "row": reader.at, "rows": rows}
    return Step(None if over else going, done=len(lines), total=rows if over else None, result={"rows": rows})


def close(import_id: str) -> None:
    """Nothing more of this file is read."""
    found = _open.pop(import_id, None)
    if found is not None:
        found.close()


def look(call: Call, record: Record, content: bytes, choice: Choice) -> None:
    """Refuse a file that is none, by its structure and its first rows, in bounded work; a choice that it has not."""
    if len(content) > sheets.LARGEST_FILE:
        raise sheets.refusal("file_too_big", limit=sheets.LARGEST_FILE // 1024 // 1024)
    with tempfile.TemporaryFile() as file:
        file.write(content)
        source = sheets.open_source(file)
        try:
            head = heads.find(source, _words(call, record), choice, whole=False)
        except sheets.Later:
            return
        finally:
            source.close()
        if head is not None:
            mapping.columns(head.cells)
        if head is None or not head.more:
            raise sheets.refusal("file_no_rows")


def _words(call: Call, record: Record) -> Words:
    return Words(record, targets.of_record(call, record))


def parameters(choice: Choice) -> dict[str, Any]:
    """What a job of reading keeps of a choice, whichever process goes on with it."""
    return {"sheet": choice.sheet, "headerRow": choice.row}


def _begin(call: Call, record: Record, job: Job) -> dict[str, int]:
    """Find the headings; where the rows begin."""
    choice = Choice(job.parameters.get("sheet", ""), job.parameters.get("headerRow", 0))
    source, file = _opened(call.connection, job.id)
    try:
        head = heads.find(source, _words(call, record), choice, whole=True)
        if head is None:
            raise sheets.refusal("file_no_rows")
        values = _told(source, head)
    finally:
        source.close()
        file.close()
    mine = record_import.c.id == job.id
    digest = call.connection.execute(select(record_import.c.hash).where(mine)).scalar_one()
    values["same_as"] = remembering.stored_already(call, record, digest, values["detail"])
    call.connection.execute(update(record_import).where(mine).values(values))
    return {"sheet": head.sheet, "row": head.row, "rows": 0}


def _told(source: Source, head: heads.Head) -> dict[str, Any]:
    """What an import tells of its file."""
    return {
        "columns": mapping.columns(head.cells),
        "header_row": head.row,
        "format": source.kind,
        "detail": source.sheets[head.sheet].detail,
        "sheets": [{"name": sheet.detail, "hidden": sheet.hidden} for sheet in source.named],
        "since_1904": source.since_1904,
    }


def _opened(connection: Connection, import_id: str) -> tuple[Source, IO[bytes]]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - stays open between steps
    for part in job_files.parts(connection, import_id, FILE):
        file.write(part)
    return sheets.open_source(file, whole=True), file


def _reader(connection: Connection, import_id: str, sheet: int, row: int) -> _Reader:
    found = _open.get(import_id)
    if found is not None and found.at == row:
        return found
    close(import_id)
    source, file = _opened(connection, import_id)
    found = _Reader(row, _behind(source.sheets[sheet].lines(), row), source, file)
    _open[import_id] = found
    while len(_open) > MOST_OPEN:
        close(next(iter(_open)))
    return found


def _behind(lines: Iterator[Line], row: int) -> Iterator[Line]:
    return (line for line in lines if line[0] > row)


def _next(reader: _Reader) -> tuple[list[Line], bool]:
    """The next lines of a file, and whether they are the last."""
    found: list[Line] = []
    size = ticks = 0
    for line in reader.lines:
        if not line[1]:
            ticks += 1
        else:
            found.append(line)
            reader.at = line[0]
            size += sum(map(len, line[1]))
        if len(found) >= ROWS or size > CHARACTERS or (ticks >= TICKS and found):
            return found, False
    return found, True


def _propose(call: Call, record: Record, import_id: str, lines: list[Line]) -> None:
    mine = record_import.c.id == import_id
    columns: list[dict[str, Any]] = call.connection.execute(select(record_import.c.columns).where(mine)).scalar_one()
    cells = [c for _, c in lines[: mapping.LOOKED_AT]]
    known = targets.of_record(call, record)
    before = remembering.recall(call, record, import_id, columns, known)
    mapping.propose(record, columns, cells, known, lambda texts: _are_numbers(call, record, texts))
    options = remembering.options(call, record, before, columns)
    call.connection.execute(update(record_import).where(mine).values(columns=columns, options=options))


def _are_numbers(call: Call, record: Record, texts: Sequence[str]) -> bool:
    """Whether some of the texts are numbers of ours, as they are given now or as records have them from before."""
    form = numbers.form(call.connection, record)
    return any(form.fullmatch(t) for t in texts) or bool(naming.within(call, record, "number", texts, limit=1))


def _store(call: Call, import_id: str, lines: list[Line]) -> None:
    if not lines:
        return
    keys, own = sealing.of(call.connection), uuid.UUID(import_id)
    seal: Callable[..., bytes] = keys.seal
    start = sealing.place(import_row.name, "cells", import_id, "")
    # Sealed beforehand: now and then that reads the keys anew, which no connection can while it copies.
    sealed = [(own, row, seal(call.connection, f"{start}{row}", orjson.dumps(cells))) for row, cells in lines]
    with driver(call.connection) as raw, raw.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(["uuid", "int4", "bytea"])
        for values in sealed:
            copy.write_row(values)
