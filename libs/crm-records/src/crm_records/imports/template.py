"""An empty table to fill in, made from the contract: what is required is marked, what can be chosen is a list."""

from __future__ import annotations

import csv
import io
from typing import Any

from google.api.httpbody_pb2 import HttpBody

from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import cells, dictionaries, files
from crm_records import fields as kinds
from crm_records.imports import book, companions, drafts, targets
from crm_records.imports.targets import Target
from crm_records.record import Record

ROWS = 2000
"""Rows for which cells offer a list."""

_FORMS = {
    kinds.DATE: ("2026-01-31", "2026-01-31"),
    kinds.TIME: ("2026-01-31 09:30", "2026-01-31 09:30"),
    kinds.BOOLEAN: ("是 / 否", "yes / no"),
    kinds.TEXTS: ("多项用、分隔", "several, with commas"),
    kinds.DECIMAL: ("数字", "a number"),
    kinds.INTEGER: ("整数", "a whole number"),
}
_WORDS = {
    "choices": ("可选值", "Choices"),
    "help": ("填写说明", "How to fill in"),
    "column": ("列", "Column"),
    "required": ("必填", "Required"),
    "form": ("格式", "Form"),
    "yes": ("是", "yes"),
}


def make(call: Call, record: Record, request: Any) -> HttpBody:
    """The template of a record type. INVALID_ARGUMENT for another format."""
    if request.format not in ("", "xlsx", "csv"):
        asked = kinds.of(request.DESCRIPTOR)["format"]
        params = {"label": asked.label, "value": request.format[:60], "choices": ", ".join(asked.values)}
        raise errors.Invalid(Problem("format", "not_a_choice", params))
    chosen = _columns(call, record)
    return _csv(call, record, chosen) if request.format == "csv" else _workbook(call, record, chosen)


def _columns(call: Call, record: Record) -> list[Target]:
    """What the example names first, in its order; then what is required, then the rest."""
    known = {
        path: t
        for path, t in targets.of_record(call, record).items()
        if t.companion is None or call.access.may(companions.right(t.companion))
    }
    by_name = {t.name: t for t in known.values()}
    first = [by_name[n] for n in record.import_example if n in by_name]
    rest = [t for t in known.values() if t not in first and not t.key_only and t.name not in targets.ORIGIN]
    return [*first, *sorted(rest, key=lambda t: not t.required)]


def _csv(call: Call, record: Record, chosen: list[Target]) -> HttpBody:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_heading(call, t) for t in chosen)
    writer.writerow(cells.safe(text) for text in _example(call, record, chosen))
    content = b"\xef\xbb\xbf" + out.getvalue().encode()
    return files.answer(call, f"{record.type}-import", files.CSV, content)


def _workbook(call: Call, record: Record, chosen: list[Target]) -> HttpBody:
    examples = _example(call, record, chosen)
    with book.Book(call) as made:
        sheet = made.sheet(record.label[_en(call)][:31])
        lists, about = made.sheet(_said(call, "choices")), made.sheet(_said(call, "help"))
        column = 0
        for place, target in enumerate(chosen):
            sheet.write_string(0, place, _heading(call, target), made.required if target.required else made.bold)
            if examples[place]:
                sheet.write_string(1, place, examples[place], made.grey)
            options = _choices(call, target)
            if options:
                _offer(made, sheet, lists, place, column, target.label[_en(call)], options)
                column += 1
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(chosen) - 1, 16)
        lists.set_column(0, max(column - 1, 0), 18)
        for line, row in enumerate(_help(call, chosen)):
            for place, text in enumerate(row):
                about.write_string(line, place, text, made.bold if not line else None)
        about.set_column(0, 2, 24)
        return files.answer(call, f"{record.type}-import", files.XLSX, made.content())


def _offer(made: book.Book, sheet: Any, lists: Any, place: int, column: int, label: str, options: list[str]) -> None:
    """Write the choices on the second sheet and let the cells of a column offer them; another value is a warning."""
    from xlsxwriter.utility import xl_rowcol_to_cell

    lists.write_string(0, column, label, made.bold)
    for line, option in enumerate(options, 1):
        lists.write_string(line, column, option)
    begin = xl_rowcol_to_cell(1, column, row_abs=True, col_abs=True)
    end = xl_rowcol_to_cell(len(options), column, row_abs=True, col_abs=True)
    source = f"='{lists.get_name()}'!{begin}:{end}"
    sheet.data_validation(1, place, ROWS, place, {"validate": "list", "source": source, "error_type": "warning"})


def _choices(call: Call, target: Target) -> list[str]:
    if target.field is None:
        return list(target.definition.choices)
    if target.field.dictionary and target.kind != kinds.TEXTS:
        known = dictionaries.KEPT.read(call.connection).get(target.field.dictionary, {})
        return [(r.label_en if _en(call) else r.label_zh) for r in known.values() if not r.retired]
    if target.field.values:
        return [labels[_en(call)] for labels in target.field.value_labels]
    if target.kind == kinds.BOOLEAN:
        return ["yes", "no"] if _en(call) else ["是", "否"]
    return []


def _help(call: Call, chosen: list[Target]) -> list[list[str]]:
    rows = [[_said(call, "column"), _said(call, "required"), _said(call, "form")]]
    for target in chosen:
        form = _FORMS.get(target.kind, ("", ""))[_en(call)]
        if target.field is not None and target.field.kind == kinds.TEXT and not form:
            form = f"≤ {target.field.max_length}"
        rows.append([target.label[_en(call)], _said(call, "yes") if target.required else "", form])
    return rows


def _heading(call: Call, target: Target) -> str:
    return target.label[_en(call)] + (" *" if target.required else "")


def _example(call: Call, record: Record, chosen: list[Target]) -> list[str]:
    """The row of an example, whose first cell says that it is one."""
    nothing = ("", "")
    texts = [record.import_example.get(t.name, nothing)[_en(call)] for t in chosen]
    first = next((place for place, text in enumerate(texts) if text), None)
    if first is not None:
        texts[first] = drafts.EXAMPLE[_en(call)] + texts[first]
    return texts


def _said(call: Call, word: str) -> str:
    return _WORDS[word][_en(call)]


def _en(call: Call) -> int:
    return int(call.language == errors.EN)
