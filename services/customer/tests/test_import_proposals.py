"""What an import proposes: of its headings, of what stands below them, and of how the same file was mapped before."""

from __future__ import annotations

import io

import pytest
import xlsxwriter

from crm.records.v1 import imports_pb2 as pb
from crm_kit.testing import Client, Server, refused
from crm_records.imports import reading
from crm_records.imports.testing import Importer, as_csv, as_xlsx, counts, mapped

pytestmark = pytest.mark.feature("CUS-07")

CODE = "91310000607234515H"


@pytest.fixture
def importer(server: Server, boss: Client) -> Importer:
    return Importer(server, boss)


def why(made: pb.Import) -> list[str]:
    return [c.why for c in made.columns]


def test_rejected_rows_sent_again_are_mapped_and_found_as_the_others_were(
    importer: Importer, boss: Client, server: Server
) -> None:
    server.person(name="李娜")
    other = boss.CreateCustomer(customer={"name": "另一家", "credit_code": CODE})
    head = ["客户名称", "外部标识", "统一社会信用代码", "负责销售", "员工总数", "城市"]
    rows = [["甲公司", "E1", "", "李娜", "5", "上海"], ["乙公司", "E2", CODE, "李娜", "很多", "苏州"]]
    made = importer.send(as_csv([head, *rows]))
    assert (mapped(made)["负责销售"], made.options.key) == ("", "externalId")
    made = importer.set(made, {"负责销售": "ownerId", "城市": ""}, key="externalId", existing="skip")
    assert counts(importer.store(made)) == (1, 0, 0, 0, 1)
    errors = boss.ExportImportErrors(record_type="customer", id=made.id).data

    again = importer.send(errors)

    fields = ["name", "externalId", "creditCode", "ownerId", "employees", "", ""]
    assert list(mapped(again).values()) == fields
    assert why(again)[:6] == ["earlier"] * 6
    assert (again.options.key, again.options.existing) == ("externalId", "skip")
    assert counts(importer.store(importer.set(again, {"员工总数": ""}))) == (0, 0, 0, 0, 1)  # the code is another's
    assert boss.GetCustomer(id=other.id).name == "另一家"


def test_a_key_chosen_by_hand_is_kept_for_the_rejected_rows_of_a_dry_run_too(importer: Importer, boss: Client) -> None:
    head = ["客户名称", "统一社会信用代码", "系统内码", "员工总数"]
    made = importer.send(as_csv([head, ["乙公司", CODE, "E2", "很多"]]))
    assert (mapped(made)["系统内码"], made.options.key) == ("", "creditCode")
    made = importer.check(importer.set(made, {"系统内码": "externalId"}, key="externalId", existing="update"))
    assert made.rejected == 1
    again = importer.send(boss.ExportImportErrors(record_type="customer", id=made.id).data)
    assert (mapped(again)["系统内码"], again.options.key) == ("externalId", "externalId")


def test_the_same_headings_are_mapped_as_the_same_person_had_them_stored(
    importer: Importer, boss: Client, server: Server
) -> None:
    li = server.person(name="李娜")
    head = ["客户名称", "负责销售"]
    tried = importer.send(as_csv([head, ["甲", "李娜"]]))
    tried = importer.check(importer.set(tried, {"负责销售": "remarks"}))
    assert mapped(importer.send(as_csv([head, ["乙", "李娜"]])))["负责销售"] == ""  # it was not stored
    stored = importer.store(importer.set(importer.get(tried.id), {"负责销售": "ownerId"}, owner_id=li.user_id))

    once_more = importer.send(as_csv([head, ["丙", "李娜"]]))
    assert (mapped(once_more), why(once_more)) == ({"客户名称": "name", "负责销售": "ownerId"}, ["earlier"] * 2)
    assert once_more.options.owner_id == li.user_id
    assert mapped(importer.send(as_csv([[*head, "城市"], ["丙", "李娜", "上海"]])))["负责销售"] == ""
    stranger = Importer(server, server.person(["customer.*"], "all", name="王"))
    assert mapped(stranger.send(as_csv([head, ["丁", "李娜"]])))["负责销售"] == ""

    boss.UndoAct(record_type="customer", id=stored.act_id)
    server.run_jobs()
    assert mapped(importer.send(as_csv([head, ["戊", "李娜"]])))["负责销售"] == ""


def test_a_field_that_one_no_longer_sees_is_not_proposed_again(server: Server) -> None:
    person = server.person(["customer.*"], "all", name="李")
    importer = Importer(server, person)
    importer.put(as_csv([["客户名称", "所在地"], ["甲", "上海"]]), {"所在地": "city"})
    role = server.role(["customer.*"], "all", [{"resource": "customer", "field": "city", "rule": "hidden"}])
    server.sql("UPDATE org_user SET role_ids = CAST(:roles AS uuid[]) WHERE id = :id", roles=[role], id=person.user_id)
    server.service.organisation.forget()
    assert mapped(importer.send(as_csv([["客户名称", "所在地"], ["乙", "上海"]]))) == {"客户名称": "name", "所在地": ""}


@pytest.mark.parametrize(
    ("head", "row", "fields"),
    [
        (["客户名称", "电话", "备用电话"], ["甲", "0571-88886666", "0571-88887777"], ["name", "phone", ""]),
        (["客户名称", "联系人1手机", "联系人2手机"], ["甲", "13800138000", "13900139000"], ["name", "", ""]),
        (["Name", "Telephone", "Tel."], ["甲", "0571-88886666", "0571-88887777"], ["name", "phone", ""]),
        (["客户名称", "列一", "列二"], ["甲", "13800138000", "13900139000"], ["name", "mobile", ""]),
        (["客户名称", "", "手机 1"], ["甲", "a@b.cn", "13900139000"], ["name", "email", "mobile"]),
    ],
)
def test_what_stands_in_a_column_says_nothing_against_its_heading(
    importer: Importer, head: list[str], row: list[str], fields: list[str]
) -> None:
    assert [c.field for c in importer.send(as_csv([head, row])).columns] == fields


def test_what_a_field_that_one_does_not_see_is_called_is_not_taken_for_another(server: Server) -> None:
    rules = [{"resource": "customer", "field": "mobile", "rule": "hidden"}]
    li = Importer(server, server.person(["customer.*"], name="李", fields=rules))
    made = li.send(as_csv([["客户名称", "手机", "列三"], ["甲", "13800138000", "13900139000"]]))
    assert list(mapped(made).values()) == ["name", "", ""]


def test_numbers_of_the_system_before_are_external_ids_and_ours_are_numbers(importer: Importer, boss: Client) -> None:
    made = importer.send(as_csv([["客户编号", "客户名称"], ["C0001", "甲"], ["C0002", "乙"]]))
    assert list(mapped(made).values()) == ["externalId", "name"]
    assert (made.columns[0].why, made.options.key) == ("content", "externalId")
    assert counts(importer.store(made)) == (2, 0, 0, 0, 0)

    one, _ = boss.ListCustomers(order_by="external_id", fields="*").customers
    ours = importer.send(as_csv([["客户编码", "客户名称"], [one.number, "甲"], ["", "丙"]]))
    assert (list(mapped(ours).values()), ours.options.key) == (["number", "name"], "number")
    importer.server.sql("UPDATE customer SET number = 'OLD-7' WHERE id = :id", id=one.id)  # by an older pattern
    assert mapped(importer.send(as_csv([["客户号", "客户名称"], ["OLD-7", "甲"]])))["客户号"] == "number"

    both = importer.send(as_csv([["客户编号", "外部标识", "客户名称"], ["C0001", "E1", "甲"]]))
    assert list(mapped(both).values()) == ["", "externalId", "name"]


@pytest.mark.parametrize(
    ("heading", "field"),
    {
        "客户编码": "externalId", "客户代码": "externalId", "纳税人识别号": "creditCode", "税号": "creditCode",
        "信用代码": "creditCode", "Tax ID": "creditCode", "销售员": "ownerId", "业务员": "ownerId", "销售": "ownerId",
        "Salesperson": "ownerId", "Owner": "ownerId", "客户全称": "name", "公司全称": "name", "Customer name": "name",
        "Company": "name",
    }.items(),
)  # fmt: skip
def test_headings_of_other_systems_are_known(importer: Importer, heading: str, field: str) -> None:
    assert mapped(importer.send(as_csv([[heading], ["A-1"]]))) == {heading: field}


def of_sheets(*sheets: list[list[str]]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        for rows in sheets:
            sheet = book.add_worksheet()
            for line, row in enumerate(rows):
                sheet.write_row(line, 0, row)
    return out.getvalue()


TABLE = [["客户名称", "外部标识", "城市"], ["甲", "E1", "上海"], ["乙", "E2", "苏州"]]
ABOUT = [["填写说明"], ["1. 客户名称必填"], ["2. 城市写全称"], ["联系人", "张三", "电话", "0571-88886666"]]


@pytest.mark.parametrize(
    ("content", "detail", "row"),
    [
        (as_xlsx([["2026 年客户清单"], [], *TABLE]), "Sheet1", 3),
        (as_csv([["客户"], *TABLE]), "utf-8", 2),
        (b"\xe5\xae\xa2\xe6\x88\xb7\xe8\xa1\xa8\n" + "\n".join(map(";".join, TABLE)).encode(), "utf-8", 2),
        (of_sheets(ABOUT, [["客户清单"], *TABLE]), "Sheet2", 2),
        (of_sheets([["封面"]], TABLE), "Sheet2", 1),
    ],
    ids=["a title", "a title that is a heading", "a title without delimiters", "explained before", "a cover"],
)
def test_the_headings_are_found_below_a_title_and_on_a_later_sheet(
    importer: Importer, content: bytes, detail: str, row: int
) -> None:
    made = importer.send(content)
    assert (list(mapped(made).values()), made.rows) == (["name", "externalId", "city"], 2)
    assert (made.detail, made.header_row) == (detail, row)
    assert counts(importer.store(made)) == (2, 0, 0, 0, 0)
    assert [r.row for r in importer.rows(made)] == [row + 1, row + 2]


def test_rows_that_hold_words_of_headings_stay_rows(importer: Importer) -> None:
    made = importer.send(as_csv([["名", "性质"], ["甲", "企业"], ["乙", "单位"]]))
    assert (made.header_row, made.rows, mapped(made)) == (1, 2, {"名": "", "性质": ""})
    nothing = of_sheets([["客户名称", "城市"]], [["客户名称", "电话"], ["甲", "1"]])  # a template that nobody filled in
    with refused("INVALID_ARGUMENT", "FILE_NO_ROWS"):
        importer.send(nothing)


def test_a_reading_that_was_killed_goes_on_in_the_sheet_that_was_chosen(importer: Importer, boss: Client) -> None:
    many = [["客户清单"], ["客户名称", "外部标识"], *([f"公司{n}", f"K{n}"] for n in range(4500))]
    made = boss.CreateImport(record_type="customer", file={"data": of_sheets(ABOUT, many)})
    for _ in range(3):
        importer.server.run_jobs(steps=1)
        for import_id in list(reading._open):
            reading.close(import_id)
    importer.server.run_jobs()
    found = importer.get(made.id)
    assert (found.state, found.detail, found.rows) == ("ready", "Sheet2", 4500)
