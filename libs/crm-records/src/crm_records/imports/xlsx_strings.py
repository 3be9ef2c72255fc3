"""The texts that the cells of a workbook share. They wait in a temporary file, not in memory."""

from __future__ import annotations

import os
import tempfile
import zipfile
from array import array

from crm_records.imports import xlsx_xml
from crm_records.imports.sheets import LONGEST_CELL, Later, refusal

MOST_STRINGS = 4_000_000
AHEAD = 8192
"""Bytes that are read at a time."""
FEW = 8 * 1024 * 1024
"""Bytes of XML that a look into the file may cost."""


class Strings:
    """The texts that cells share, unpacked as far as somebody asks for one."""

    def __init__(self, archive: zipfile.ZipFile, path: str, few: int) -> None:
        self._few = few
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the sheet
        self._ends = array("Q", [0])
        self._text: list[str] = []
        self._size, self._spoken, self._phonetic = 0, False, False
        self._kept: dict[int, str] = {}
        self._ahead, self._ahead_at = b"", 0
        self._stream = xlsx_xml.Stream(archive, path, self._open, self._close, self._read) if path else None

    def __getitem__(self, index: int) -> str:
        found = self._kept.get(index)
        if found is not None:
            return found
        while index + 1 >= len(self._ends):
            if self._stream is None or not self._stream.advance():
                if index + 1 < len(self._ends):
                    break
                raise refusal("file_broken")
            if self._few and self._stream.fed > self._few:
                raise Later
            self._file.flush()
        text = self._between(self._ends[index], self._ends[index + 1]).decode()
        if len(self._kept) >= 4096:
            self._kept.clear()
        if len(text) <= 64:
            self._kept[index] = text
        return text

    def _between(self, begin: int, end: int) -> bytes:
        """A piece of the file. Most are asked for in their order, so what comes behind is read with it."""
        if not self._ahead_at <= begin <= end <= self._ahead_at + len(self._ahead):
            self._ahead_at = begin
            self._ahead = os.pread(self._file.fileno(), max(end - begin, AHEAD), begin)
        return self._ahead[begin - self._ahead_at : end - self._ahead_at]

    def close(self) -> None:
        self._file.close()
        if self._stream is not None:
            self._stream.stop()

    def _open(self, name: str, _attributes: dict[str, str]) -> None:
        if name == "si":
            self._text, self._size = [], 0
        elif name == "t":
            self._spoken = not self._phonetic
        elif name == "rPh":
            self._phonetic = True

    def _close(self, name: str) -> None:
        if name == "t":
            self._spoken = False
        elif name == "rPh":
            self._phonetic = False
        elif name == "si":
            data = "".join(self._text).encode("utf-8", "replace")
            self._file.write(data)
            self._ends.append(self._ends[-1] + len(data))
            if len(self._ends) > MOST_STRINGS:
                raise refusal("file_unfolds")
            assert self._stream is not None
            self._stream.mark()

    def _read(self, text: str) -> None:
        if self._spoken:
            self._size += len(text)
            if self._size > LONGEST_CELL:
                raise refusal("file_cell_too_long", row=1, limit=LONGEST_CELL)
            self._text.append(text)
