"""The files of an import: templates, rejected rows, contacts, texts that look like formulas."""

from __future__ import annotations

import csv
import io
import random
import re
import zipfile
from collections.abc import Callable

import pytest

from crm_kit.testing import Client, Server, refused
from crm_records import cells
from crm_records.imports.testing import Importer, as_csv, as_xlsx, counts, mapped
from hostile import BOOK, MAIN, sheet, workbook

pytestmark = pytest.mark.feature("CUS-07")
DATES_FROM_1904 = '<workbookPr date1904="1"/><sheets>'


@pytest.fixture
def importer(server: Server, boss: Client) -> Importer:
    return Importer(server, boss)


def test_the_rejected_rows_come_as_a_workbook_that_can_be_corrected_and_sent(importer: Importer, boss: Client) -> None:
    rows = [["甲公司", "A1", "很多"], ["乙公司", "A2", "5"], ["丙公司", "A3", "-3"]]
    made = importer.put(as_csv([["客户名称", "外部标识", "员工总数"], *rows]))
    assert counts(made) == (1, 0, 0, 0, 2)
    body = boss.ExportImportErrors(record_type="customer", id=made.id)
    assert body.content_type.endswith("spreadsheetml.sheet")
    book = zipfile.ZipFile(io.BytesIO(body.data))
    sheet, comments = (book.read(f"xl/{n}").decode() for n in ("worksheets/sheet1.xml", "comments1.xml"))
    assert "员工总数应为整数" in comments
    assert 'ref="C2"' in comments
    assert 'ref="C3"' in comments
    assert {re.search(rf'<c r="{cell}"( s="\d+")?', sheet)[1] for cell in ("B2", "C2", "C3")} == {None, ' s="2"'}

    corrected = importer.send(body.data)
    assert (corrected.state, corrected.rows) == ("ready", 2)
    assert list(mapped(corrected).values()) == ["name", "externalId", "employees", ""]
    again = importer.store(importer.set(corrected, {"员工总数": ""}))
    assert counts(again) == (2, 0, 0, 0, 0)
    with refused("FAILED_PRECONDITION", "NOTHING_REJECTED"):
        boss.ExportImportErrors(record_type="customer", id=again.id)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize("kind", ["xlsx", "csv"])
@pytest.mark.parametrize("record_type", ["customer", "contact"])
def test_a_template_is_read_as_what_it_is(
    server: Server, boss: Client, record_type: str, kind: str, language: str
) -> None:
    asked = {"accept-language": language}
    body = boss.ExportImportTemplate(record_type=record_type, format=kind, metadata=asked)
    made = Importer(server, boss, record_type).send(body.data)
    assert (made.state, made.format, made.rows) == ("ready", kind, 1)
    assert all(c.field for c in made.columns)
    assert any(c.header.endswith(" *") for c in made.columns)
    if kind == "xlsx":
        sheet = zipfile.ZipFile(io.BytesIO(body.data)).read("xl/worksheets/sheet1.xml").decode()
        assert sheet.count("<dataValidation ") >= 3


def test_contacts_find_their_customer_by_number_external_id_or_name(server: Server, boss: Client) -> None:
    one = boss.CreateCustomer(customer={"name": "甲公司", "external_id": "E1"})
    two = boss.CreateCustomer(customer={"name": "乙公司"})
    rows = [
        ["甲公司", "王芳", "13800138000", "是", "女", "采购"],
        ["E1", "李娜", "139 0013 9000", "", "", ""],
        [two.number, "王芳", "１３７００１３７０００", "√", "先生", "总经理"],
        ["没有的公司", "赵", "", "", "", ""],
    ]
    importer = Importer(server, boss, "contact")
    content = as_csv([["公司", "姓名", "手机号", "主联系人", "性别", "职务"], *rows])
    made = importer.send(content)
    assert list(mapped(made).values()) == ["customerId", "name", "mobile", "primary", "sex", "position"]
    assert made.options.key == "name"
    stored = importer.store(importer.check(made))
    assert counts(stored) == (3, 0, 0, 0, 1)
    assert importer.rows(stored, "rejected")[0].problems[0].reason == "NO_SUCH_NAME"
    found = {(c.customer_id, c.name): c for c in boss.ListContacts(fields="*").contacts}
    assert set(found) == {(one.id, "王芳"), (one.id, "李娜"), (two.id, "王芳")}
    third = found[two.id, "王芳"]
    assert (third.mobile, third.primary, third.sex, third.position) == ("13700137000", True, "male", "general_manager")
    assert counts(importer.store(importer.send(content), again=True)) == (0, 0, 3, 0, 1)


def test_a_contact_does_not_move_to_another_customer(server: Server, boss: Client) -> None:
    one, two = (boss.CreateCustomer(customer={"name": n}) for n in ("甲公司", "乙公司"))
    made = boss.CreateContact(contact={"customer_id": one.id, "name": "王芳", "external_id": "C1"})
    importer = Importer(server, boss, "contact")
    stored = importer.put(as_csv([["公司", "姓名", "外部标识"], ["乙公司", "王芳", "C1"]]))
    assert [(p.column, p.reason) for p in importer.rows(stored)[0].problems] == [(0, "READ_ONLY")]
    assert boss.GetContact(id=made.id).customer_id == one.id != two.id


def test_a_record_type_that_does_not_say_so_is_not_imported(boss: Client) -> None:
    with refused("NOT_FOUND"):
        boss.CreateImport(record_type="demand", file={"data": as_csv([["a"], ["b"]])})


@pytest.mark.figure("R50")
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_texts_like_formulas_come_in_go_out_harmless_and_come_in_again_as_they_were(
    importer: Importer, boss: Client, kind: str, measured: Callable[[str], None]
) -> None:
    begins = [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "=cmd|' /C calc'!A0",
        "＝1",
        "'=1",
        "''x",
        '=HYPERLINK("http://x")',
        "-2+3",
    ]
    texts = [f"{begins[i % len(begins)]}{i}" for i in range(2500)]
    head = ["客户名称", "外部标识", "备注", "地址"]
    rows = [[f"公司{t}", f"{i}", t, t] for i, t in enumerate(texts)]
    written = [[cells.safe(c) for c in row] for row in rows] if kind == "csv" else rows
    made = importer.put((as_csv if kind == "csv" else as_xlsx)([head, *written]))
    assert counts(made) == (2500, 0, 0, 0, 0)
    body = boss.ExportRecords(record_type="customer", fields="name,external_id,remarks,address", format=kind)
    if kind == "csv":
        table = list(csv.reader(io.StringIO(body.data.decode("utf-8-sig"), newline="")))
        live = [c for row in table[1:] for c in row if c.startswith(("=", "+", "-", "@", "＝", "\t", "\r"))]
    else:
        live = re.findall(r"<f>", zipfile.ZipFile(io.BytesIO(body.data)).read("xl/worksheets/sheet1.xml").decode())
    assert live == []
    again = importer.put(body.data, key="externalId")
    assert counts(again) == (0, 0, 2500, 0, 0)
    found = {c.remarks for c in boss.ListCustomers(fields="remarks", page_size=200).customers}
    assert found <= set(texts)
    measured(f"{kind}: 0 formulas in {len(rows) * 4} cells, all of them the same after a round trip")


def test_the_texts_that_cells_share_are_found_in_whatever_order_they_stand(importer: Importer) -> None:
    texts = ["客户名称", *(f"{n} 号客户{'有' * (n % 90)}公司" for n in range(1, 600))]
    chance = random.Random(7)
    order = [0, *chance.sample(range(1, 600), 599)]
    made_of = [f'<row r="{at + 1}"><c r="A{at + 1}" t="s"><v>{n}</v></c></row>' for at, n in enumerate(order)]
    strings = f'<sst xmlns="{MAIN}">{"".join(f"<si><t>{text}</t></si>" for text in texts)}</sst>'
    made = importer.send(workbook(strings=strings, sheet=sheet("".join(made_of))))
    assert [list(row.cells) for row in importer.rows(made)] == [[texts[n]] for n in order[1:]]


def test_a_formula_without_its_result_is_refused_at_its_cell(importer: Importer, boss: Client) -> None:
    head = ["客户名称", "外部标识", "年营业额", "负责人", "城市", "备注"]
    rows = [
        "".join(f'<c t="inlineStr"><is><t>{h}</t></is></c>' for h in head),
        '<c t="inlineStr"><is><t>甲</t></is></c><c t="str"><f>"E"&amp;1</f><v>E1</v></c>'
        '<c><f>50*1000</f><v>50000</v></c><c/><c t="str"><f>IF(1,"")</f><v></v></c>',
        '<c t="inlineStr"><is><t>乙</t></is></c><c><f>"E"&amp;2</f><v></v></c><c><f>50*1000</f></c>'
        '<c><f>Z1</f><v/></c><c t="str"><f>"苏"&amp;"州"</f></c><c><f t="shared" si="0"/></c>',
    ]
    content = workbook(sheet=sheet("".join(f"<row>{row}</row>" for row in rows)))
    made = importer.store(importer.send(content))
    assert counts(made) == (1, 0, 0, 0, 1)
    (stored,) = boss.ListCustomers(fields="*").customers
    assert (stored.name, stored.external_id, stored.annual_revenue, stored.city) == ("甲", "E1", "50000.00", "")
    (bad,) = importer.rows(made, "rejected")
    assert list(bad.cells) == ["乙", '="E"&2', "=50*1000", "=Z1", '="苏"&"州"', "="]
    assert [(p.column, p.reason) for p in bad.problems] == [(n, "FORMULA_NOT_CALCULATED") for n in range(1, 6)]
    assert bad.problems[1].message.startswith("年营业额是未保存计算结果的公式")
    book = zipfile.ZipFile(io.BytesIO(boss.ExportImportErrors(record_type="customer", id=made.id).data))
    assert 'ref="C2"' in book.read("xl/comments1.xml").decode()
    assert "<f>" not in book.read("xl/worksheets/sheet1.xml").decode()


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize("record_type", ["customer", "contact"])
def test_the_example_of_a_template_is_skipped_and_right(
    server: Server, boss: Client, record_type: str, language: str
) -> None:
    asked = {"accept-language": language}
    body = boss.ExportImportTemplate(record_type=record_type, format="csv", metadata=asked).data.decode("utf-8-sig")
    assert body.isascii() == (language == "en")
    importer = Importer(server, boss, record_type)
    made = importer.check(importer.send(body.encode()))
    assert (counts(made), [r.outcome for r in importer.rows(made)]) == ((0, 0, 0, 1, 0), ["skipped"])

    mark = "（示例）" if language == "zh-CN" else "(Example) "
    if record_type == "contact":
        boss.CreateCustomer(customer={"name": next(csv.reader(body.splitlines()[1:]))[0].removeprefix(mark)})
    row = body.splitlines()[1]
    made = importer.check(importer.send(f"{body}{row.replace(mark, '')}\r\n".encode()))
    assert counts(made) == (1, 0, 0, 1, 0)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_what_is_exported_in_words_is_read_back_as_it_is(
    server: Server, boss: Client, kind: str, language: str
) -> None:
    firm = {"name": "甲公司", "kind": "organization", "supply_contract": "being_signed", "external_id": "E1"}
    one = boss.CreateCustomer(customer={**firm, "level": "key", "tags": ["新客"], "employees": 12, "do_not_call": True})
    boss.CreateCustomer(customer={"name": "李雷", "kind": "individual", "sex": "male", "external_id": "E2"})
    person = {"name": "王芳", "sex": "female", "decision_role": "decider", "marital_state": "married"}
    boss.CreateContact(contact={**person, "customer_id": one.id, "external_id": "C1", "position": "purchasing"})
    for record_type, words in (
        ("customer", {"企业", "个人", "在签", "待审核", "男"}),
        ("contact", {"女", "决策者", "已婚", "待审核"}),
    ):
        asked = {"accept-language": language}
        data = boss.ExportRecords(record_type=record_type, fields="*", format=kind, metadata=asked).data
        made = Importer(server, boss, record_type).send(data)
        samples = {text for column in made.columns for text in column.samples}
        assert samples & {"organization", "pending", "female"} == set()
        assert language == "en" or words <= samples
        stored = Importer(server, boss, record_type).store(made)
        assert counts(stored) == (0, 0, made.rows, 0, 0), Importer(server, boss, record_type).rows(stored)


def test_labels_of_both_languages_and_codes_are_read_however_wide_they_are(importer: Importer, boss: Client) -> None:
    given = ["being_signed", "BEING SIGNED", "Ｂｅｉｎｇ　ｓｉｇｎｅｄ", "在签", " 在 签 ", "在前"]
    rows = [[f"公司{n}", text, "是" if n % 2 else "ＹＥＳ"] for n, text in enumerate(given)]

    made = importer.put(as_csv([["客户名称", "供货合同", "拒绝电话"], *rows]))

    assert counts(made) == (5, 0, 0, 0, 1)
    stored = boss.ListCustomers(fields="*", filter='supplyContract = "being_signed"').customers
    assert [c.do_not_call for c in stored] == [True] * 5
    (refused_row,) = importer.rows(made, "rejected")
    assert refused_row.problems[0].message == (
        "供货合同不能是“在前”，可选：signed（已签）、being_signed（在签）、not_yet（未签）"
    )


def text(value: str) -> str:
    return f'<c t="inlineStr"><is><t>{value}</t></is></c>'


def test_a_number_in_a_column_of_days_counts_from_where_the_workbook_counts(importer: Importer, boss: Client) -> None:
    rows = "".join(
        f"<row>{row}</row>"
        for row in (
            text("客户名称") + text("成立日期") + text("员工总数"),
            text("甲") + "<c><v>40000</v></c><c><v>40000</v></c>",
            text("乙") + "<c><v>40000</v></c>" + text("很多"),
        )
    )
    # 1904-01-01 is day 0 there.
    made = importer.store(importer.send(workbook(sheet=sheet(rows), book=BOOK.replace("<sheets>", DATES_FROM_1904))))

    (stored,) = boss.ListCustomers(fields="*").customers
    assert (stored.founding_date, stored.employees) == ("2013-07-07", 40000)
    rejected = boss.ExportImportErrors(record_type="customer", id=made.id).data
    again = importer.store(importer.set(importer.send(rejected), {"员工总数": ""}))
    assert counts(again) == (1, 0, 0, 0, 0)
    assert {c.founding_date for c in boss.ListCustomers(fields="*").customers} == {"2013-07-07"}
    from_1900 = importer.store(importer.send(workbook(sheet=sheet(rows.replace("甲", "丙")))))
    assert from_1900.created == 1
    (stored,) = boss.ListCustomers(fields="*", filter='name = "丙"').customers
    assert stored.founding_date == "2009-07-06"


@pytest.mark.parametrize("error", ["#REF!", "#N/A", "#DIV/0!"])
def test_a_cell_that_holds_an_error_is_refused_at_its_cell(importer: Importer, boss: Client, error: str) -> None:
    rows = "".join(
        f"<row>{row}</row>"
        for row in (
            text("客户名称") + text("城市") + text("备注"),
            f'<c t="e"><v>{error}</v></c>' + text("苏州"),
            text("甲") + f'<c t="e"><f>Z1</f><v>{error}</v></c>',
            text("乙") + text("苏州") + text(error),
        )
    )

    made = importer.store(importer.send(workbook(sheet=sheet(rows))))

    assert [(c.name, c.remarks) for c in boss.ListCustomers(fields="*").customers] == [("乙", error)]
    bad = importer.rows(made, "rejected")
    told = [[(p.column, p.reason) for p in row.problems if p.reason == "CELL_IS_ERROR"] for row in bad]
    assert told == [[(0, "CELL_IS_ERROR")], [(1, "CELL_IS_ERROR")]]
    assert (list(bad[0].cells), error in bad[0].problems[0].message) == ([error, "苏州"], True)
