"""What an import tells of a row or a file that it does not take: in the words of the file, and what to do."""

from __future__ import annotations

import pytest

from crm_kit.testing import Client, Server, refused
from crm_records.imports.testing import Importer, as_csv

pytestmark = pytest.mark.feature("CUS-07")


@pytest.fixture
def importer(server: Server, boss: Client) -> Importer:
    return Importer(server, boss)


def told(importer: Importer, *rows: list[str]) -> list[tuple[int, str, str]]:
    """(column, field, message) of everything wrong that a dry run finds."""
    made = importer.check(importer.send(as_csv(rows)))
    return [(p.column, p.field, p.message) for row in importer.rows(made, "rejected") for p in row.problems]


def test_an_owner_that_one_may_not_choose_is_told_at_its_column(server: Server) -> None:
    server.person(name="李娜")
    clerk = Importer(server, server.person(["customer.create", "customer.read", "customer.import"], "all", name="王"))
    assert told(clerk, ["客户名称", "负责人"], ["甲", "李娜"]) == [
        (1, "ownerId", "指定负责人需要权限：customer.assign")
    ]


def test_a_name_that_several_have_is_told_with_what_tells_them_apart(
    server: Server, importer: Importer, boss: Client
) -> None:
    for _ in range(2):
        server.person(name="李娜")
        boss.CreateCustomer(customer={"name": "甲公司"})
    contacts = Importer(server, boss, "contact")
    assert told(contacts, ["客户", "姓名"], ["甲公司", "王芳"])[0][2] == "客户有多个“甲公司”，请改用编号"
    assert told(importer, ["客户名称", "负责人"], ["乙", "李娜"])[0][2] == "负责人有多个“李娜”，请改用用户名"


def test_what_is_wrong_of_the_contact_is_told_by_the_name_of_its_column(importer: Importer) -> None:
    head = ["客户名称", "联系人", "联系人手机"]
    assert told(importer, head, ["甲", "", "13800138000"]) == [(1, "primaryContact.name", "联系人姓名不能为空")]
    found = told(importer, head, ["", "", "137"])
    assert [message for _, _, message in found] == [
        "客户名称不能为空",
        "联系人姓名不能为空",
        "联系人手机应为 11 位手机号，境外号码以 + 和国家代码开头",
    ]


def test_of_several_choices_those_that_are_none_are_named(importer: Importer, boss: Client) -> None:
    ports = {
        "key": "ports",
        "kind": "multi_choice",
        "label_zh": "港口",
        "label_en": "Ports",
        "choices": ["宁波", "上海"],
    }
    boss.CreateCustomField(record_type="customer", custom_field=ports)
    assert told(importer, ["客户名称", "港口"], ["甲", "宁波、青岛、大连"])[0][2] == (
        "港口不能是“青岛, 大连”，可选：宁波, 上海"
    )


def test_a_text_that_is_called_a_workbook_is_told_to_be_none(importer: Importer) -> None:
    for content in (b"not a workbook", as_csv([["客户名称"], ["甲"]])):
        with refused("INVALID_ARGUMENT", "FILE_NO_WORKBOOK", "file"):
            importer.send(content, "bad.XLSX")
    assert importer.send(as_csv([["客户名称"], ["甲"]]), "old.xls").rows == 1


@pytest.mark.parametrize(
    ("language", "told"),
    [("zh-CN", "不能从文件导入，可导入的有：客户、联系人"), ("en", "these are: Customer, Contact")],
)
def test_a_record_type_that_is_not_imported_says_so_and_which_are(boss: Client, language: str, told: str) -> None:
    for ask in (boss.ExportImportTemplate, boss.ListImports):
        with refused("NOT_FOUND", "NOT_IMPORTED") as refusal:
            ask(record_type="demand", metadata={"accept-language": language})
        assert told in refusal.message
