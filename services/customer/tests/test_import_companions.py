"""A first contact in the row of its customer: both come, or neither."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused
from crm_records.imports.testing import Importer, as_csv, counts, mapped

pytestmark = pytest.mark.feature("CUS-07")

HEAD = ["客户名称", "外部标识", "联系人姓名", "联系人职位", "联系人手机", "联系人邮箱", "联系人微信"]
ROW = ["杭州云启科技有限公司", "A1", "王芳", "采购", "13800138000", "wang@example.com", "wangfang"]


@pytest.fixture
def importer(server: Server, boss: Client) -> Importer:
    return Importer(server, boss)


def contacts(boss: Client) -> list[Any]:
    return list(boss.ListContacts(fields="*").contacts)


def test_a_row_brings_its_customer_and_the_primary_contact(importer: Importer, boss: Client) -> None:
    made = importer.send(as_csv([HEAD, ROW]))
    assert list(mapped(made).values())[2:5] == [
        "primaryContact.name", "primaryContact.position", "primaryContact.mobile",
    ]  # fmt: skip
    assert counts(importer.check(made)) == (1, 0, 0, 0, 0)
    assert (contacts(boss), list(boss.ListCustomers().customers)) == ([], [])

    made = importer.store(made)

    (customer,), (contact,) = boss.ListCustomers().customers, contacts(boss)
    assert (contact.customer_id, contact.name, contact.primary) == (customer.id, "王芳", True)
    assert (contact.mobile, contact.email, contact.wechat) == ("13800138000", "wang@example.com", "wangfang")
    assert contact.number.startswith("LX")
    assert [e.action for e in importer.server.events("contact")] == ["created"]

    again = importer.send(as_csv([HEAD, ROW]))
    assert counts(importer.store(again, again=True)) == (0, 0, 1, 0, 0)
    assert [c.etag for c in contacts(boss)] == [contact.etag]

    boss.UndoAct(record_type="customer", id=made.act_id)
    importer.server.run_jobs()
    assert (contacts(boss), list(boss.ListCustomers().customers)) == ([], [])


def test_wrong_cells_of_the_contact_are_marked_and_the_customer_waits_for_them(
    importer: Importer, boss: Client
) -> None:
    rows = [
        ROW,
        ["乙公司", "A2", "李雷", "", "137", "no address", ""],
        ["丙公司", "A3", "", "", "13800138001", "", ""],
        ["丁公司", "A4", "", "", "", "", ""],
    ]
    made = importer.put(as_csv([HEAD, *rows]))
    assert counts(made) == (2, 0, 0, 0, 2)
    told = {r.row: [(p.column, p.reason) for p in r.problems] for r in importer.rows(made, "rejected")}
    assert told == {3: [(5, "BAD_FORMAT"), (4, "BAD_MOBILE")], 4: [(2, "REQUIRED")]}
    assert sorted(c.name for c in boss.ListCustomers().customers) == ["丁公司", "杭州云启科技有限公司"]
    assert [c.name for c in contacts(boss)] == ["王芳"]


def test_a_row_tells_all_its_wrong_cells_at_once_the_contacts_too(importer: Importer) -> None:
    head = [*HEAD, "行业"]
    rows = [
        ["甲公司", "A1", "王芳", "", "137", "no address", "", "纺织"],
        ["", "A2", "", "", "13800138001", "", "", ""],
    ]
    made = importer.check(importer.send(as_csv([head, *rows])))
    told = {r.row: {(p.column, p.reason) for p in r.problems} for r in importer.rows(made, "rejected")}
    assert told == {
        2: {(7, "NOT_AN_ENTRY"), (4, "BAD_MOBILE"), (5, "BAD_FORMAT")},
        3: {(0, "REQUIRED"), (2, "REQUIRED")},
    }


def test_a_contact_of_that_name_is_changed_and_another_one_is_added_beside_the_primary(
    importer: Importer, boss: Client
) -> None:
    importer.put(as_csv([HEAD, ROW]))
    changed = [*ROW[:4], "13900139000", *ROW[5:]]
    made = importer.check(importer.send(as_csv([HEAD, changed])))
    (row,) = importer.rows(made, "updated")
    assert [(c.field, c.before, c.after) for c in row.changes] == [
        ("primaryContact.mobile", "13800138000", "13900139000")
    ]
    importer.store(made)
    assert [c.mobile for c in contacts(boss)] == ["13900139000"]

    made = importer.put(as_csv([HEAD, [*ROW[:2], "李雷", "", "", "", ""]]))
    assert counts(made) == (0, 1, 0, 0, 0)
    assert {c.name: c.primary for c in contacts(boss)} == {"王芳": True, "李雷": False}


def test_contacts_take_the_right_to_create_them(server: Server, boss: Client) -> None:
    clerk = Importer(server, server.person(["customer.*", "contact.read"], "all"))
    made = clerk.send(as_csv([HEAD, ROW]))
    for begin in (clerk.check, clerk.store):
        with refused("INVALID_ARGUMENT", "INVALID", "columns") as told:
            begin(made)
        assert told.fields["columns"] == "导入“联系人”各列需要权限：contact.create"
    made = clerk.set(made, dict.fromkeys(HEAD[2:], ""))
    assert counts(clerk.store(made)) == (1, 0, 0, 0, 0)

    head = HEAD[:1] + HEAD[4:5]
    with refused("INVALID_ARGUMENT", "INVALID", "columns"):
        Importer(server, boss).check(Importer(server, boss).send(as_csv([head, ["甲公司", "13800138000"]])))


def test_who_may_not_change_contacts_adds_new_ones_only(server: Server, importer: Importer, boss: Client) -> None:
    importer.put(as_csv([HEAD, ROW]))
    clerk = Importer(server, server.person(["customer.*", "contact.read", "contact.create"], "all"))
    made = clerk.put(as_csv([HEAD, [*ROW[:4], "13900139000", *ROW[5:]]]))
    assert counts(made) == (0, 0, 0, 0, 1)
    assert [c.mobile for c in contacts(boss)] == ["13800138000"]


def test_the_template_has_the_columns_and_its_own_example_is_right(
    server: Server, importer: Importer, boss: Client
) -> None:
    sheet = boss.ExportImportTemplate(record_type="customer", format="csv").data
    head = next(csv.reader(io.StringIO(sheet.decode("utf-8-sig"))))
    assert {"联系人姓名", "联系人手机", "联系人职位", "联系人邮箱", "联系人微信"} <= set(head)
    assert counts(importer.put(sheet.replace("（示例）".encode(), b""))) == (1, 0, 0, 0, 0)
    assert [c.name for c in contacts(boss)] == ["王芳"]

    reader = server.person(["customer.*"], "all")
    assert "联系人姓名" not in reader.ExportImportTemplate(record_type="customer", format="csv").data.decode()


def test_rows_and_differences_show_what_their_reader_sees_of_each_field(server: Server, boss: Client) -> None:
    head = ["客户名称", "外部标识", "电话", "备注", "联系人姓名", "联系人手机"]
    rights = ["customer.*", "contact.*"]
    person = server.person(rights, "all")
    importer = Importer(server, person)
    importer.put(as_csv([head, ["甲", "A1", "021-55556666", "一", "王芳", "13800138000"]]))
    row = ["甲", "A1", "021-55557777", "二", "王芳", "13900139000"]
    made = importer.check(importer.send(as_csv([head, row])))

    def seen() -> tuple[list[str], dict[str, tuple[str, str]]]:
        (found,) = importer.rows(made)
        return list(found.cells), {c.field: (c.before, c.after) for c in found.changes}

    assert seen() == (
        row,
        {
            "phone": ("021-55556666", "021-55557777"),
            "remarks": ("一", "二"),
            "primaryContact.mobile": ("13800138000", "13900139000"),
        },
    )

    closed = [
        {"resource": "customer", "field": "phone", "rule": "masked"},
        {"resource": "customer", "field": "remarks", "rule": "hidden"},
        {"resource": "contact", "field": "mobile", "rule": "masked"},
    ]
    role = server.role(rights, "all", closed)
    server.sql("UPDATE org_user SET role_ids = CAST(:roles AS uuid[]) WHERE id = :id", roles=[role], id=person.user_id)
    server.service.organisation.forget()

    assert seen() == (
        ["甲", "A1", "***", "", "王芳", "***"],
        {"phone": ("***", "***"), "primaryContact.mobile": ("***", "***")},
    )
    columns = {c.header: list(c.samples) for c in importer.get(made.id).columns}
    assert (columns["电话"], columns["备注"]) == (["***"], [])


def test_a_dry_run_names_no_record_that_is_not_there(importer: Importer) -> None:
    made = importer.check(importer.send(as_csv([HEAD, ROW])))
    assert [(r.outcome, r.record_id) for r in importer.rows(made)] == [("created", "")]
    (row,) = importer.rows(importer.store(made))
    assert row.record_id
