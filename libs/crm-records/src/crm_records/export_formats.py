"""Files of a table that leaves the house: CSV, a workbook, a page to print. Texts stay texts in all of them."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import IO
from urllib.parse import quote

from crm_records import cells

Cell = str | Decimal
"""A text, or a number that a spreadsheet program may calculate with."""


@dataclass(frozen=True, slots=True)
class Table:
    """What is taken out: a heading, rows under labels, and who takes it."""

    title: str
    labels: Sequence[str]
    rows: Iterable[Sequence[Cell]]
    mark: str
    """Who and when, as the watermark says it."""


def to_csv(table: Table) -> bytes:
    """UTF-8 with its mark, by which Excel knows it."""
    return b"\xef\xbb\xbf" + csv_lines(table, head=True)


def csv_lines(table: Table, *, head: bool) -> bytes:
    """The rows of a CSV file, with or without the labels before them."""
    out = io.StringIO()
    writer = csv.writer(out)
    if head:
        writer.writerow(cells.safe(label) for label in table.labels)
    for row in table.rows:
        writer.writerow(cells.safe(cell) if isinstance(cell, str) else f"{cell:f}" for cell in row)
    return out.getvalue().encode()


def to_xlsx(table: Table, about: str, facts: Sequence[tuple[str, str]]) -> bytes:
    """One sheet with the rows, each printed page marked; a second one, called `about`, says where they are from."""
    out = io.BytesIO()
    write_xlsx(out, table, about, facts)
    return out.getvalue()


def write_xlsx(file: IO[bytes], table: Table, about: str, facts: Sequence[tuple[str, str]]) -> None:
    """The same into an open file, row by row: it takes no more memory for more rows."""
    import xlsxwriter

    with xlsxwriter.Workbook(file, {"constant_memory": True, "strings_to_formulas": False}) as book:
        book.set_properties({"author": table.mark, "title": table.title})
        bold = book.add_format({"bold": True})
        sheet = book.add_worksheet(table.title[:31])
        sheet.set_header(f"&C{table.title}&R{_header(table.mark)}")
        sheet.set_footer(f"&L{_header(table.mark)}&R&P / &N")
        sheet.set_landscape()
        sheet.repeat_rows(0)
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, max(len(table.labels) - 1, 0), 18)
        for column, label in enumerate(table.labels):
            sheet.write_string(0, column, label, bold)
        for line, row in enumerate(table.rows, 1):
            for column, cell in enumerate(row):
                if isinstance(cell, str):
                    if cell:
                        sheet.write_string(line, column, cell)
                elif len(f"{cell:f}".replace("-", "").replace(".", "")) > 15:  # more than a spreadsheet can count
                    sheet.write_string(line, column, f"{cell:f}")
                else:
                    sheet.write_number(line, column, float(cell))
        second = book.add_worksheet(about)
        for line, (word, value) in enumerate(facts):
            second.write_string(line, 0, word, bold)
            second.write_string(line, 1, value)


def _header(text: str) -> str:
    """A text in the header of a sheet, where & begins an instruction."""
    return text.replace("&", "&&")


_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title><style>
@page {{ size: A4 landscape; margin: 12mm }}
body {{ font: 10pt/1.4 "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; color: #111; margin: 0 }}
h1 {{ font-size: 13pt; margin: 0 0 2mm }}
table {{ border-collapse: collapse; width: 100% }}
thead {{ display: table-header-group }}
th, td {{ border: 1px solid #999; padding: 1mm 2mm; text-align: left; vertical-align: top; overflow-wrap: anywhere }}
th {{ background: #eee }}
td.number {{ text-align: right }}
.mark {{ position: fixed; inset: 0; z-index: 1; pointer-events: none; background: url("{picture}");
  -webkit-print-color-adjust: exact; print-color-adjust: exact }}
footer {{ position: fixed; bottom: 0; font-size: 8pt; color: #555 }}
@media screen {{ body {{ margin: 8mm }} footer {{ display: none }} }}
</style></head><body><div class="mark"></div><h1>{title}</h1>
<table><thead><tr>{head}</tr></thead><tbody>
{body}
</tbody></table><footer>{mark}</footer></body></html>
"""


def to_html(table: Table, language: str) -> bytes:
    """A page with the mark across every sheet; it holds nothing that runs."""

    def cell(value: Cell) -> str:
        if isinstance(value, str):
            return f"<td>{html.escape(value)}</td>"
        return f'<td class="number">{value:f}</td>'

    mark = html.escape(table.mark)
    picture = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="420" height="220"><text x="20" y="190" font-size="18"'
        f' fill="#000" fill-opacity="0.13" transform="rotate(-24 20 190)">{mark}</text></svg>'
    )
    return _PAGE.format(
        language=language,
        title=html.escape(table.title),
        picture=f"data:image/svg+xml,{quote(picture)}",
        head="".join(f"<th>{html.escape(label)}</th>" for label in table.labels),
        body="\n".join(f"<tr>{''.join(cell(value) for value in row)}</tr>" for row in table.rows),
        mark=mark,
    ).encode()
