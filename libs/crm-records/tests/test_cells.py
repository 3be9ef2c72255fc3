"""No cell of a file becomes a formula, and the text in it survives."""

import csv
import io
import random
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_records import cells

BEGINNINGS = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'=", "''+", "'", " =", ""]
TAILS = ["1+1", "cmd|' /C calc'!A0", 'HYPERLINK("x")', "SUM(A1:A9)", "张三", "86 138", "", 'a,"b"', "a\nb", "'"]
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def texts(count: int) -> list[str]:
    chance = random.Random(50)
    return [
        chance.choice(BEGINNINGS)
        + chance.choice(TAILS)
        + "".join(chance.choices("=+-@'\t 张a1\"", k=chance.randrange(6)))
        for _ in range(count)
    ]


@pytest.mark.figure("R50")
def test_no_text_becomes_a_formula_in_csv_and_all_of_it_is_read_back(measured):
    wanted = texts(10_000)
    out = io.StringIO()
    csv.writer(out).writerows([[cells.safe(text)] for text in wanted])
    read = [row[0] if row else "" for row in csv.reader(io.StringIO(out.getvalue(), newline=""))]

    formulas = [cell for cell in read if cell.startswith(DANGEROUS)]
    changed = [pair for pair in zip(wanted, map(cells.plain, read), strict=True) if pair[0] != pair[1]]
    measured(f"{len(formulas)} formulas and {len(changed)} changed texts of {len(wanted)} cells (CSV)")
    assert formulas == []
    assert changed == []


@pytest.mark.figure("R50")
def test_no_text_becomes_a_formula_in_a_workbook(measured):
    import xlsxwriter

    wanted, out = texts(10_000), io.BytesIO()
    with xlsxwriter.Workbook(out, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        for line, text in enumerate(wanted):
            sheet.write_string(line, 0, text)
    xml = zipfile.ZipFile(out).read("xl/worksheets/sheet1.xml").decode()

    formulas = xml.count("<f>") + xml.count("<f ")
    measured(f"{formulas} formulas of {len(wanted)} cells (XLSX)")
    assert formulas == 0
    assert xml.count("<c ") >= len([text for text in wanted if text])


@given(st.text())
def test_what_is_made_safe_is_plain_again(text):
    assert cells.plain(cells.safe(text)) == text
    assert not cells.safe(text).startswith(DANGEROUS)
