"""Files as people make them, and one import from file to result."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import xlsxwriter

from crm.records.v1 import imports_pb2 as pb
from crm_kit.testing import Client, Server

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def as_csv(rows: Sequence[Sequence[Any]], encoding: str = "utf-8") -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode(encoding)


def as_xlsx(rows: Sequence[Sequence[Any]], **options: Any) -> bytes:
    """Texts as texts, numbers as numbers, days as Excel keeps them."""
    out = io.BytesIO()
    fixed = {"constant_memory": False, "strings_to_numbers": False, "strings_to_formulas": False, "in_memory": True}
    with xlsxwriter.Workbook(
        out, {**fixed, "default_date_format": "yyyy/m/d", "strings_to_urls": False, **options}
    ) as book:
        sheet = book.add_worksheet()
        for line, row in enumerate(rows):
            sheet.write_row(line, 0, row)
    return out.getvalue()


def as_book(sheets: Mapping[str, Sequence[Sequence[Any]]], hidden: Collection[str] = ()) -> bytes:
    """A workbook of several sheets by their names."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for line, row in enumerate(rows):
                sheet.write_row(line, 0, row)
            if name in hidden:
                sheet.hide()
    return out.getvalue()


class Importer:
    """Somebody who imports files of one record type."""

    def __init__(self, server: Server, person: Client, record_type: str = "customer") -> None:
        self.server, self.person, self.record_type = server, person, record_type

    def send(self, content: bytes, name: str = "", content_type: str = "", **choice: Any) -> pb.Import:
        """Upload and let it be read; `choice` says where the headings are."""
        file = {"data": content, "content_type": content_type}
        made = self.person.CreateImport(record_type=self.record_type, file_name=name, file=file, **choice)
        self.server.run_jobs()
        return self.get(made.id)

    def get(self, import_id: str) -> pb.Import:
        return self.person.GetImport(record_type=self.record_type, id=import_id)

    def set(self, made: pb.Import, columns: dict[str, str] | None = None, **options: Any) -> pb.Import:
        """Map columns and choose options."""
        fields: dict[str, Any] = {"record_type": self.record_type, "id": made.id, "etag": made.etag}
        if columns:
            fields["columns"] = [{"header": h, "field": f} for h, f in columns.items()]
        if options:
            fields["options"] = options
        return self.person.UpdateImport(**fields)

    def check(self, made: pb.Import) -> pb.Import:
        self.person.CheckImport(record_type=self.record_type, id=made.id)
        self.server.run_jobs()
        return self.get(made.id)

    def store(self, made: pb.Import, again: bool = False) -> pb.Import:
        self.person.StartImport(record_type=self.record_type, id=made.id, again=again)
        self.server.run_jobs()
        return self.get(made.id)

    def rows(self, made: pb.Import, outcome: str = "") -> list[pb.ImportRow]:
        found: list[pb.ImportRow] = []
        token = ""
        while True:
            page = self.person.ListImportRows(
                record_type=self.record_type, id=made.id, outcome=outcome, page_size=200, page_token=token
            )
            found += page.rows
            token = page.next_page_token
            if not token:
                return found

    def put(self, content: bytes, columns: dict[str, str] | None = None, **options: Any) -> pb.Import:
        """All of it: send, map, store."""
        made = self.send(content)
        if columns or options:
            made = self.set(made, columns, **options)
        return self.store(made)


def counts(made: pb.Import) -> tuple[int, int, int, int, int]:
    return (made.created, made.updated, made.unchanged, made.skipped, made.rejected)


def mapped(made: pb.Import) -> dict[str, str]:
    return {c.header: c.field for c in made.columns}
