"""Which sheet of a workbook is read and which row holds the headings, where somebody says so."""

from __future__ import annotations

from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused
from crm_records.imports import reading
from crm_records.imports.testing import Importer, as_book, as_csv, counts

pytestmark = pytest.mark.feature("CUS-07")

HEAD = ["客户名称", "城市"]
BOOK = as_book(
    {
        "说明": [["如何填写"], ["每行一个客户"]],
        "华东": [HEAD, ["甲公司", "上海"], ["乙公司", "杭州"]],
        "华南": [["截至十一月"], ["Firm", "城市"], ["丙公司", "广州"]],
        "去年": [HEAD, ["旧公司", "苏州"]],
        "Old": [HEAD, ["老公司", "无锡"]],
    },
    hidden=["去年"],
)


@pytest.fixture
def importer(server: Server, boss: Client) -> Importer:
    return Importer(server, boss)


def names(boss: Client) -> set[str]:
    return {c.name for c in boss.ListCustomers().customers}


def test_an_import_tells_the_sheets_of_its_workbook_and_which_was_taken(importer: Importer) -> None:
    made = importer.send(BOOK)

    assert (made.detail, made.header_row) == ("华东", 1)
    told = [(s.name, s.hidden) for s in made.sheets]
    assert told == [("说明", False), ("华东", False), ("华南", False), ("Old", False), ("去年", True)]
    assert list(importer.send(as_csv([HEAD, ["甲", "上海"]])).sheets) == []


@pytest.mark.parametrize(
    ("choice", "taken", "stored"),
    [
        ({"sheet": "去年"}, ("去年", 1), {"旧公司"}),
        ({"sheet": " old "}, ("Old", 1), {"老公司"}),
        ({"sheet": "华南", "header_row": 2}, ("华南", 2), {"丙公司"}),
        ({"header_row": 1}, ("华东", 1), {"甲公司", "乙公司"}),
    ],
)
def test_the_sheet_and_the_row_that_somebody_names_are_read(
    importer: Importer, boss: Client, choice: dict[str, Any], taken: tuple[str, int], stored: set[str]
) -> None:
    made = importer.send(BOOK, **choice)
    assert (made.state, made.detail, made.header_row) == ("ready", *taken)
    if made.columns[0].field == "":
        made = importer.set(made, {made.columns[0].header: "name"})

    assert importer.store(made).created == len(stored)
    assert names(boss) == stored


def test_of_a_text_file_the_row_of_the_headings_can_be_named(importer: Importer, boss: Client) -> None:
    rows = [["客户名称", "城市", "电话"], [], ["Firm", "Town"], ["甲公司", "上海"]]

    made = importer.send(as_csv(rows), header_row=3)

    assert [c.header for c in made.columns] == ["Firm", "Town"]
    assert counts(importer.store(importer.set(made, {"Firm": "name", "Town": "city"}))) == (1, 0, 0, 0, 0)
    assert names(boss) == {"甲公司"}


@pytest.mark.parametrize(
    ("choice", "reason", "field", "text"),
    [
        ({"sheet": "华北"}, "FILE_NO_SHEET", "sheet", "文件中没有工作表“华北”，有：说明、华东、华南、Old、去年"),
        ({"sheet": "华东", "header_row": 9}, "FILE_ROW_NO_HEADINGS", "headerRow", "第 9 行没有列标题"),
        ({"header_row": 1001}, "INVALID", "headerRow", "标题行不能大于 1000"),
        ({"header_row": -1}, "INVALID", "headerRow", "标题行不能小于 0"),
        ({"sheet": "华东", "header_row": 3}, "FILE_NO_ROWS", "file", "文件没有数据行"),
    ],
)
def test_a_sheet_or_row_that_there_is_not_is_refused_when_the_file_is_sent(
    importer: Importer, boss: Client, choice: dict[str, Any], reason: str, field: str, text: str
) -> None:
    with refused("INVALID_ARGUMENT", reason, field) as refusal:
        importer.send(BOOK, **choice)

    assert refusal.fields[field] == text
    assert list(boss.ListImports(record_type="customer").imports) == []


def test_a_text_file_has_no_sheet_and_an_empty_row_no_headings(importer: Importer) -> None:
    content = as_csv([HEAD, [], ["甲公司", "上海"]])

    with refused("INVALID_ARGUMENT", "FILE_NO_SHEET", "sheet") as refusal:
        importer.send(content, sheet="UTF-8")
    assert refusal.message == "文件中没有工作表“UTF-8”，有：无"
    with refused("INVALID_ARGUMENT", "FILE_ROW_NO_HEADINGS", "headerRow"):
        importer.send(content, header_row=2)


def test_another_process_goes_on_with_the_sheet_that_was_chosen(
    server: Server, boss: Client, importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "ROWS", 1)
    book = as_book({"一": [HEAD, ["别的", "上海"]], "二": [["标题"], HEAD, *([f"公司{n}", "杭州"] for n in range(4))]})
    made = boss.CreateImport(record_type="customer", file={"data": book}, sheet="二", header_row=2)
    step = reading.step

    def forgetful(*args: Any) -> Any:
        reading.close(made.id)
        return step(*args)

    monkeypatch.setattr(reading, "step", forgetful)
    server.run_jobs()

    read = importer.get(made.id)
    assert (read.state, read.detail, read.header_row, read.rows) == ("ready", "二", 2, 4)
    assert [row.cells[0] for row in importer.rows(read)] == ["公司0", "公司1", "公司2", "公司3"]


def test_the_same_file_is_sent_again_to_read_another_sheet(importer: Importer, boss: Client) -> None:
    first = importer.send(BOOK)
    assert importer.store(first).created == 2

    second = importer.send(BOOK, sheet="去年")

    assert (second.same_as, second.detail) == ("", "去年")
    assert importer.store(second).created == 1
    assert importer.send(BOOK).same_as == first.id
