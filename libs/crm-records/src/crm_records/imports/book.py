"""A workbook that is made in a temporary file."""

from __future__ import annotations

import tempfile
from types import TracebackType
from typing import Any

from crm_kit.rpc import Call


class Book:
    """Formats that all of ours share; texts stay texts."""

    def __init__(self, call: Call, *, rows_in_order: bool = False) -> None:
        import xlsxwriter

        self.file = tempfile.TemporaryFile()  # noqa: SIM115
        options = {"constant_memory": rows_in_order, "strings_to_formulas": False, "strings_to_urls": False}
        self._book = xlsxwriter.Workbook(self.file, options)
        mark = f"{call.access.name} ({call.access.username})"
        self._book.set_properties({"author": mark})
        self.bold = self._book.add_format({"bold": True, "bg_color": "#E8EEF7", "border": 1})
        self.required = self._book.add_format(
            {"bold": True, "bg_color": "#FCE4D6", "font_color": "#C00000", "border": 1}
        )
        self.wrong = self._book.add_format({"bg_color": "#FFC7CE", "font_color": "#9C0006"})
        self.grey = self._book.add_format({"font_color": "#808080", "italic": True})

    def __enter__(self) -> Book:
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self.file.close()

    def sheet(self, name: str) -> Any:
        return self._book.add_worksheet(name)

    def name(self, name: str, formula: str) -> None:
        """Name a range of cells."""
        self._book.define_name(name, formula)

    def content(self) -> bytes:
        """The finished workbook."""
        self._book.close()
        self.file.seek(0)
        return self.file.read()
