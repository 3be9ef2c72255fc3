"""CSV: UTF-8 with or without its mark, UTF-16 with it, or GB18030, found by looking; comma, semicolon or tab."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import IO, Any

from crm_records import cells
from crm_records.imports import sheets
from crm_records.imports.sheets import Limits, Line, Sheet, Source, refusal

LONGEST_LINE = 1024 * 1024
PIECE = 1024 * 1024


DELIMITERS = ",;\t"
FIRST_LINES = 20


def open_source(file: IO[bytes]) -> Source:
    """A CSV file."""
    encoding = _encoding(file)
    delimiter = _delimiter(_text(file, encoding))
    return Source("csv", [Sheet(encoding.removesuffix("-sig"), lambda: _lines(_text(file, encoding), delimiter))])


def _delimiter(text: IO[str]) -> str:
    """What the first line has most that has any: a title above the headings has none."""
    for _ in range(FIRST_LINES):
        line = text.readline(LONGEST_LINE)
        if any(d in line for d in DELIMITERS):
            return max(DELIMITERS, key=line.count)
    return DELIMITERS[0]


def _text(file: IO[bytes], encoding: str) -> IO[str]:
    file.seek(0)
    below: Any = _Unclosed(file)
    return io.TextIOWrapper(below, encoding=encoding, newline="")


def _encoding(file: IO[bytes]) -> str:
    file.seek(0)
    head = file.read(4)
    marked = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for name in ("utf-16",) if marked else ("utf-8-sig", "gb18030"):
        if _decodes(file, name):
            return name
    raise refusal("file_bad_encoding")


def _decodes(file: IO[bytes], encoding: str) -> bool:
    """Whether all of it is text in this encoding. Bytes that no text has are those of some other kind of file."""
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    try:
        while piece := file.read(PIECE):
            if "\0" in decoder.decode(piece):
                raise refusal("file_not_a_table")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _pieces(text: IO[str]) -> Iterator[str]:
    """Lines, none of them endless."""
    number = 0
    while line := text.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and line[-1] not in "\r\n":
            raise refusal("file_bad_csv", line=number)
        yield line


def _lines(text: IO[str], delimiter: str) -> Iterator[Line]:
    limits = Limits()
    reader = csv.reader(_pieces(text), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, values in enumerate(reader, 1):
            if len(values) > sheets.MOST_COLUMNS:  # what separates nothing at the end of a row is no column
                while values and not values[-1].strip():
                    values.pop()
            found = [cells.plain(v) for v in values]
            limits.count(number, found)
            if any(v and not v.isspace() for v in found):
                yield number, found
    except csv.Error:
        raise refusal("file_bad_csv", line=number + 1) from None


class _Unclosed(io.RawIOBase):
    """The file below, which stays open when what reads it goes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
