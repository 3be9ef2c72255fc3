"""A file somebody sent, as rows of texts. Whatever it claims to be, reading it takes bounded work and memory.

A file is looked at before anything of it is parsed: what it is, whether it is encrypted, holds programs or unfolds to
more than a table has. Then it is read as a stream, and what is larger than a spreadsheet program would make it ends
the reading. There is one way to be refused: `errors.Invalid` with one reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from crm_kit import errors
from crm_kit.errors import Problem

LARGEST_FILE = 30 * 1024 * 1024
"""Bytes of a file; an upload is one message."""
MOST_ROWS = 200_000
MOST_COLUMNS = 256
MOST_SHEETS = 5
"""Sheets of a workbook that are looked at unless one is named."""
MOST_NAMED = 250
"""Sheets of a workbook that are told, and can be named."""
LAST_HEADING = 1000
"""The last row that can be said to hold the headings."""
TOLD = 10
"""Names of sheets that a refusal tells."""
LONGEST_CELL = 32_767
"""Characters, as Excel has it."""
LONGEST_ROW = 256 * 1024
"""Characters of all cells of a row."""
LARGEST_TEXT = 400 * 1024 * 1024
"""Characters of all cells of a file: a text that every cell shares counts each time."""

errors.texts(
    {
        "file_empty": ("文件为空", "The file is empty"),
        "file_too_big": ("文件超过 {limit} MB", "The file is larger than {limit} MB"),
        "file_not_a_table": (
            "不是表格文件，请上传 XLSX 或 CSV",
            "This is no table; send a workbook (.xlsx) or CSV",
        ),
        "file_no_workbook": (
            "文件名为 .xlsx，内容却不是工作簿；如为文本，请改名为 .csv",
            "The file is called .xlsx but is no workbook; if it is a text, call it .csv",
        ),
        "file_old_or_encrypted": (
            "文件是旧的 .xls 格式或已加密，请另存为不加密的 .xlsx",
            "The file is an old .xls or encrypted; save it as .xlsx without a password",
        ),
        "file_broken": ("文件已损坏或不完整", "The file is damaged or not complete"),
        "file_has_macros": (
            "文件含有宏或嵌入对象，请另存为普通的 .xlsx",
            "The file holds macros or embedded objects; save it as a plain .xlsx",
        ),
        "file_has_links": (
            "文件链接到其他文件或程序，请断开链接后再上传",
            "The file is linked to other files or programs; break the links and send it again",
        ),
        "file_unsafe": ("文件结构不安全，已拒绝", "The structure of the file is not safe; it was refused"),
        "file_unfolds": (
            "文件解压后过大，已拒绝",
            "Unpacked, the file is too large; it was refused",
        ),
        "file_bad_encoding": (
            "文字编码不是 UTF-8 或 GB18030",
            "The text is neither UTF-8 nor GB18030",
        ),
        "file_bad_csv": (
            "第 {line} 行不是有效的 CSV：引号未闭合或字段过长",
            "Line {line} is no valid CSV: an open quote or a field too long",
        ),
        "file_no_rows": ("文件没有数据行", "The file has no rows"),
        "file_no_sheet": (
            "文件中没有工作表“{name}”，有：{choices}",
            "The file has no sheet “{name}”; it has: {choices}",
        ),
        "file_row_no_headings": ("第 {row} 行没有列标题", "Row {row} holds no headings"),
        "file_no_header": ("第一行应为列标题", "The first row must hold the headings"),
        "file_too_many_rows": ("超过 {limit} 行，请拆分文件", "More than {limit} rows; divide the file"),
        "file_too_many_columns": ("超过 {limit} 列", "More than {limit} columns"),
        "file_cell_too_long": (
            "第 {row} 行有单元格超过 {limit} 个字符",
            "A cell of row {row} has more than {limit} characters",
        ),
        "file_row_too_long": ("第 {row} 行过长", "Row {row} is too long"),
        "file_heading_twice": ("列标题“{name}”出现了两次", "The heading “{name}” is there twice"),
    }
)


def refusal(key: str, at: str = "file", **params: Any) -> errors.Invalid:
    """The one reason why a file is not read; `at` is what of the request is wrong."""
    return errors.Invalid(Problem(at, key, params), key=key, **params)


Line = tuple[int, list[str]]
"""(row as the spreadsheet program counts it, cells). Rows without any text are left out; a line without cells says only
that more of the file was read."""

UNCALCULATED = "\0"
"""What a cell begins with that has no value, only what is shown here: a formula without its result, or the error that
came of one. No text of a file does."""


def shown(cell: str) -> str:
    """What people see of a cell."""
    return cell.removeprefix(UNCALCULATED)


class Later(Exception):
    """What is wanted lies too deep in the file to be looked for now."""


@dataclass(slots=True)
class Sheet:
    """One table of a file."""

    detail: str
    """Encoding of a CSV file, name of the sheet of a workbook."""
    lines: Callable[[], Iterator[Line]]
    """Reads it from its first line on; one reading of a file at a time."""
    hidden: bool = False


@dataclass(slots=True)
class Source:
    """A file that is being read."""

    kind: str
    """xlsx or csv"""
    sheets: list[Sheet]
    """Of a workbook those that are shown, behind them the hidden ones."""
    since_1904: bool = False
    """Whether numbers that are days are counted from 1904: nothing but the column tells which numbers are days."""
    parts: list[Any] = field(default_factory=list)

    def place(self, name: str) -> int:
        """Where the sheet of this name is; its case does not matter, as in spreadsheet programs."""
        named = self.named
        for place, sheet in enumerate(named):
            if sheet.detail.casefold() == name.strip().casefold():
                return place
        told = [sheet.detail for sheet in named[:TOLD]] + (["…"] if len(named) > TOLD else [])
        choices = ("、".join(told) or "无", ", ".join(told) or "none")
        raise refusal("file_no_sheet", at="sheet", name=name[:60], choices=choices)

    @property
    def named(self) -> list[Sheet]:
        """Those that have a name: the table of a CSV file has none."""
        return self.sheets if self.kind == "xlsx" else []

    def close(self) -> None:
        for part in self.parts:
            part.close()


def kind_of(head: bytes) -> str:
    """xlsx or csv, by how the file begins. Refuses what is neither."""
    if not head:
        raise refusal("file_empty")
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise refusal("file_old_or_encrypted")
    if head.startswith(b"PK\x03\x04"):
        return "xlsx"
    begins = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:16].lower()
    if begins.startswith((b"<", b"%pdf", b"{\\rtf", b"pk\x05\x06", b"pk\x07\x08", b"mz", b"#!", b"\x1f\x8b", b"rar!")):
        raise refusal("file_not_a_table")
    return "csv"


def open_source(file: IO[bytes], *, whole: bool = False) -> Source:
    """The tables of a file that can be sought in. Unless the `whole` is wanted, reading raises `Later` where a few rows
    cost much."""
    file.seek(0)
    head = file.read(64)
    if kind_of(head) == "csv":
        from crm_records.imports import csv_file

        return csv_file.open_source(file)
    from crm_records.imports import xlsx

    return xlsx.open_source(file, whole)


class Limits:
    """Counts what has been read; the first thing too much ends it."""

    def __init__(self) -> None:
        self._rows = self._text = 0

    def count(self, row: int, cells: list[str]) -> None:
        """One more row."""
        self._rows += 1
        if self._rows > MOST_ROWS + 1:
            raise refusal("file_too_many_rows", limit=MOST_ROWS)
        if len(cells) > MOST_COLUMNS:
            raise refusal("file_too_many_columns", limit=MOST_COLUMNS)
        size = sum(map(len, cells))
        if size > LONGEST_CELL and max(map(len, cells)) > LONGEST_CELL:
            raise refusal("file_cell_too_long", row=row, limit=LONGEST_CELL)
        if size > LONGEST_ROW:
            raise refusal("file_row_too_long", row=row)
        self._text += size
        if self._text > LARGEST_TEXT:
            raise refusal("file_unfolds")
