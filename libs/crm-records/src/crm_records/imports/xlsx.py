"""The rows of a workbook's sheets, read as a stream. The shared texts wait in a temporary file, not in memory.

A cell is what the spreadsheet program shows of it, as far as its kind goes: a number, a day, a text. Of a formula only
the value that was calculated last is read; where there is none, or an error, the cell says so.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import IO

from crm_records.imports import xlsx_xml, xlsx_zip
from crm_records.imports.sheets import (
    LONGEST_CELL,
    MOST_COLUMNS,
    MOST_NAMED,
    UNCALCULATED,
    Limits,
    Line,
    Sheet,
    Source,
    refusal,
)
from crm_records.imports.xlsx_strings import FEW, Strings

MOST_STYLES = 65_000
TICK = 1024 * 1024
SHOWN_OF_FORMULA = 60
"""Characters of a formula that are kept where nothing was calculated."""
_LAST_ROW = 1_048_576
_DATE_FORMATS = frozenset([*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)])
_QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
_CELL = re.compile(r"([A-Z]{1,3})([0-9]{1,7})", re.ASCII)
_columns: dict[str, int] = {}


def open_source(file: IO[bytes], whole: bool) -> Source:
    """A workbook with its sheets."""
    archive = xlsx_zip.look(file)
    found, since_1904 = _sheets(archive)
    strings = Strings(archive, _related(archive, "sharedStrings"), 0 if whole else FEW)
    styles = _date_styles(archive, _related(archive, "styles"))
    tables = [Sheet(n, partial(_lines, archive, path, strings, styles, since_1904), hid) for n, path, hid in found]
    return Source("xlsx", tables, since_1904, [archive, strings])


def _sheets(archive: zipfile.ZipFile) -> tuple[list[tuple[str, str, bool]], bool]:
    """((name, path, whether it is hidden) of each, the hidden ones last; whether days are counted from 1904)"""
    targets = _relations(archive)
    tables: list[tuple[str, str, bool]] = []
    since_1904 = False
    for element, attributes in xlsx_xml.elements(archive, "xl/workbook.xml"):
        if element == "workbookPr":
            since_1904 = attributes.get("date1904") in ("1", "true")
        if element == "sheet":
            found = next((v for n, v in attributes.items() if n.rpartition(":")[2] == "id"), "")
            kind, path = targets.get(found, ("", ""))
            if kind == "worksheet":
                hidden = attributes.get("state", "visible") != "visible"
                tables.append((attributes.get("name", "")[:60], path, hidden))
    tables.sort(key=lambda table: table[2])
    if not tables or tables[0][2]:
        raise refusal("file_not_a_table")
    return tables[:MOST_NAMED], since_1904


def _relations(archive: zipfile.ZipFile) -> dict[str, tuple[str, str]]:
    found = {}
    for element, attributes in xlsx_xml.elements(archive, "xl/_rels/workbook.xml.rels"):
        if element == "Relationship":
            if attributes.get("TargetMode") == "External":
                raise refusal("file_has_links")
            path = posixpath.normpath(posixpath.join("/xl", attributes.get("Target", ""))).lstrip("/")
            found[attributes.get("Id", "")] = (attributes.get("Type", "").rpartition("/")[2], path)
    return found


def _related(archive: zipfile.ZipFile, kind: str) -> str:
    return next((path for k, path in _relations(archive).values() if k == kind), "")


def _date_styles(archive: zipfile.ZipFile, path: str) -> list[bool]:
    """For each style of a cell, whether it shows a day."""
    if not path:
        return []
    own: dict[str, bool] = {}
    styles: list[bool] = []
    inside = False
    for element, attributes in xlsx_xml.elements(archive, path):
        if element == "numFmt":
            code = _QUOTED.sub("", attributes.get("formatCode", "")).lower()
            own[attributes.get("numFmtId", "")] = any(c in code for c in "ymd") and "general" not in code
        elif element in ("cellXfs", "cellStyleXfs", "cellStyles"):
            inside = element == "cellXfs"
        elif element == "xf" and inside:
            number = attributes.get("numFmtId", "0")
            styles.append(own.get(number, number.isdecimal() and int(number[:6]) in _DATE_FORMATS))
            if len(styles) > MOST_STYLES:
                raise refusal("file_unfolds")
    return styles


class _Rows:
    """Puts the rows of a sheet together from what the parser finds."""

    def __init__(self, strings: Strings, dates: list[bool], since_1904: bool) -> None:
        self.found: list[Line] = []
        self.done = False
        self.whole = 0
        """Rows so far, the empty ones too."""
        self._strings, self._dates, self._epoch = (
            strings,
            dates,
            datetime(1904, 1, 1, tzinfo=UTC) if since_1904 else datetime(1899, 12, 30, tzinfo=UTC),
        )
        self._cells: list[str] = []
        self.row = self._column = self._size = 0
        self._kind = self._style = ""
        self._text: list[str] = []
        self._formula: list[str] | None = None
        self._reading = self._inside = self._phonetic = self._calculated = self._in_formula = False

    def open(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            if not self._inside:
                return
            place = attributes.get("r")
            self._column = _column(place) if place else self._column + 1
            self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "")
            self._text, self._size = [], 0
            self._formula, self._calculated = None, False
        elif name == "v" or name == "t":
            self._reading = self._inside and not self._phonetic
            self._calculated = self._kind == "str"  # which may be an empty text
        elif name == "f":
            if self._inside:
                self._formula, self._in_formula = [], True
        elif name == "row":
            self._inside = True
            self._cells, self._column = [], -1
            given = attributes.get("r", "")
            row = int(given) if given.isdecimal() and len(given) < 9 else self.row + 1
            if not self.row < row <= _LAST_ROW:
                raise refusal("file_unsafe")
            self.row = row
        elif name == "rPh":
            self._phonetic = True

    def close(self, name: str) -> None:
        if name == "v" or name == "t":
            self._reading = False
        elif name == "f":
            self._in_formula = False
        elif name == "c" and (self._text or self._formula is not None):
            text = self._cell()
            if text:
                if self._column >= MOST_COLUMNS:
                    raise refusal("file_too_many_columns", limit=MOST_COLUMNS)
                missing = self._column - len(self._cells)
                if missing < 0:
                    raise refusal("file_unsafe")
                if missing:
                    self._cells.extend([""] * missing)
                self._cells.append(text)
            self._text, self._formula = [], None
        elif name == "row":
            self._inside = False
            self.whole += 1
            if self._cells:
                self.found.append((self.row, self._cells))
        elif name == "rPh":
            self._phonetic = False
        elif name == "sheetData":
            self.done = True

    def read(self, text: str) -> None:
        if self._in_formula:
            if self._formula is not None and len(self._formula) < SHOWN_OF_FORMULA:
                self._formula.append(text[:SHOWN_OF_FORMULA])
        elif self._reading and self._inside:
            self._size += len(text)
            if self._size > LONGEST_CELL:
                raise refusal("file_cell_too_long", row=self.row, limit=LONGEST_CELL)
            self._text.append(text)

    def _cell(self) -> str:
        if self._formula is not None and not self._text and not self._calculated:
            return f"{UNCALCULATED}={''.join(self._formula)}"[: SHOWN_OF_FORMULA + 2]
        return self._value("".join(self._text)) if self._text else ""

    def _value(self, text: str) -> str:
        match self._kind:
            case "s":
                if not text.isdecimal() or len(text) > 9:
                    raise refusal("file_broken")
                return self._strings[int(text)].strip()
            case "n":
                style = self._style
                if (
                    style
                    and len(style) < 6
                    and style.isdecimal()
                    and int(style) < len(self._dates)
                    and self._dates[int(style)]
                ):
                    return _moment(text, self._epoch)
                return _number(text)
            case "b":
                return "TRUE" if text.strip() == "1" else "FALSE"
            case "e":
                return f"{UNCALCULATED}{text.strip()}"
        return text.strip()


def _lines(
    archive: zipfile.ZipFile, path: str, strings: Strings, dates: list[bool], since_1904: bool
) -> Iterator[Line]:
    rows, limits, whole = _Rows(strings, dates, since_1904), Limits(), 0
    stream = xlsx_xml.Stream(archive, path, rows.open, rows.close, rows.read)
    more, told = True, 0
    while more and not rows.done:
        more = stream.advance()
        if stream.fed - told > TICK:
            told = stream.fed
            yield rows.row, []
        if rows.whole > whole:
            whole = rows.whole
            stream.mark()
        for line in rows.found:
            limits.count(*line)
            yield line
        rows.found.clear()
    if not rows.done:
        raise refusal("file_broken")
    stream.stop()


def _column(place: str) -> int:
    """The column of a cell's place, from 0."""
    found = _CELL.fullmatch(place)
    if found is None:
        raise refusal("file_broken")
    letters = found[1]
    column = _columns.get(letters)
    if column is None:
        column = 0
        for letter in letters:
            column = column * 26 + ord(letter) - 64
        column = _columns[letters] = column - 1
    return column


def _number(text: str) -> str:
    """A number as it is shown: fifteen digits, no exponent."""
    text = text.strip()
    if text.isdecimal() and text.isascii():
        return text
    if len(text) > 40:
        return text
    try:
        value = float(text)
        if abs(value) >= 1e21 or value != value:
            return text
        return format(Decimal(f"{value:.15g}"), "f")
    except (ValueError, InvalidOperation):
        return text


def _moment(text: str, epoch: datetime) -> str:
    """The day that a number stands for, with the time where there is one."""
    try:
        days = float(text)
        if not 0 <= days < 2_958_466:
            return text
        found = epoch + timedelta(days=int(days), seconds=round((days - int(days)) * 86400))
    except (ValueError, OverflowError):
        return text
    return f"{found:%Y-%m-%d}" if found.time() == found.min.time() else f"{found:%Y-%m-%d %H:%M:%S}"
