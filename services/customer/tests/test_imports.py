"""Customers out of a file: read, mapped, tried, stored, sent again, taken back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from crm_kit.testing import Client, Server, refused
from crm_records.imports import reading, trying
from crm_records.imports.testing import Importer, as_csv, as_xlsx, counts, mapped

pytestmark = pytest.mark.feature("CUS-07")

HEAD = ["客户名称", "外部标识", "客户级别", "联系电话", "员工总数", "成立日期", "年营业额", "拒绝电话", "标签"]
ROW = [
    "杭州云启科技有限公司",
    "A1",
    "重点客户",
    "0571-88886666",
    120,
    date(2015, 6, 1),
    "1,234,567.80",
    "是",
    "新客、展会",
]
CODE = "91310000607234515H"


@pytest.fixture
def importer(server: Server, boss: Client) -> Importer:
    return Importer(server, boss)


def test_a_workbook_is_read_mapped_tried_and_stored(importer: Importer, boss: Client) -> None:
    rows = [ROW, ["上海远航贸易有限公司", "A2", "a", 13800138000, "", "2016年3月5日", 80, "否", ""]]
    made = importer.send(as_xlsx([HEAD, *rows]), "客户.xlsx")
    assert (made.state, made.rows, made.format, made.file_name) == ("ready", 2, "xlsx", "客户.xlsx")
    assert list(mapped(made).values()) == [
        "name", "externalId", "level", "phone", "employees", "foundingDate", "annualRevenue", "doNotCall", "tags",
    ]  # fmt: skip
    assert made.options.key == "externalId"

    tried = importer.check(made)
    assert (tried.state, counts(tried)) == ("checked", (2, 0, 0, 0, 0))
    assert boss.ListCustomers(count="exact").total == 0

    stored = importer.store(tried)
    assert (stored.state, counts(stored)) == ("done", (2, 0, 0, 0, 0))
    first, second = boss.ListCustomers(order_by="external_id", fields="*").customers
    assert (first.name, first.level, first.phone, first.employees) == (ROW[0], "key", "0571-88886666", 120)
    assert (first.founding_date, first.annual_revenue, first.do_not_call) == ("2015-06-01", "1234567.80", True)
    assert list(first.tags) == ["新客", "展会"]
    assert (second.phone, second.founding_date, second.level) == ("13800138000", "2016-03-05", "a")
    assert "" != first.number != second.number


def test_what_means_something_to_the_way_into_the_database_arrives_as_it_is(importer: Importer, boss: Client) -> None:
    texts = ["第一行\n\t第二行", "C:\\new\\test", r"\N", r"\.", '{"a","b"}', "NULL", "it's 100 %s"]
    importer.put(as_csv([["客户名称", "标签", "备注"], *([f"公司 {t!r}", '"a\\b"、{c}', t] for t in texts)]))
    stored = boss.ListCustomers(order_by="number", fields="*").customers
    assert [c.remarks for c in stored] == texts
    assert [list(c.tags) for c in stored] == [['"a\\b"', "{c}"]] * len(texts)
    assert [c.name for c in stored] == [f"公司 {t!r}" for t in texts]
    assert boss.ListCustomers(search="C:\\\\new", count="exact").total == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_csv_is_read_in_the_encodings_that_people_have(importer: Importer, boss: Client, encoding: str) -> None:
    made = importer.put(as_csv([["公司名称", "备注"], ["㐂田（上海）有限公司", "第一行\n第二行"]], encoding))
    assert counts(made) == (1, 0, 0, 0, 0)
    (found,) = boss.ListCustomers(fields="*").customers
    assert (found.name, found.remarks) == ("㐂田（上海）有限公司", "第一行\n第二行")


def test_what_is_wrong_is_told_cell_by_cell_and_stops_no_other(importer: Importer, boss: Client) -> None:
    rows = [
        ["甲公司", "1", "重点客户", "123", "很多", "2016-13-45", "", "", ""],
        ["乙公司", "2", "没有这级", "0571-88886666", "", "", "", "也许", ""],
        ["", "3", "", "", "", "", "", "", ""],
        ["丙公司", "4", "", "", "", "", "", "", ""],
        ["丁公司", "4", "", "", "", "", "", "", ""],
    ]
    made = importer.check(importer.send(as_csv([HEAD, *rows])))
    assert counts(made) == (1, 0, 0, 0, 4)
    told = {r.row: [(p.column, p.reason) for p in r.problems] for r in importer.rows(made, "rejected")}
    assert told == {
        2: [(4, "WRONG_TYPE"), (5, "WRONG_TYPE")],
        3: [(7, "WRONG_TYPE"), (2, "NOT_AN_ENTRY")],
        4: [(0, "REQUIRED")],
        6: [(1, "SAME_AS_ROW")],
    }
    stored = importer.store(made)
    assert counts(stored) == (1, 0, 0, 0, 4)
    assert [c.name for c in boss.ListCustomers().customers] == ["丙公司"]
    assert stored.created + stored.updated + stored.unchanged + stored.skipped + stored.rejected == stored.rows


def test_a_dry_run_tells_what_an_update_would_change(importer: Importer, boss: Client) -> None:
    boss.CreateCustomer(customer={"name": "旧名", "external_id": "A1", "city": "上海", "phone": "021-55556666"})
    rows = [["新名", "A1", "苏州", "0512-66667777"]]
    made = importer.check(importer.send(as_csv([["客户名称", "外部标识", "城市", "电话"], *rows])))
    assert counts(made) == (0, 1, 0, 0, 0)
    (row,) = importer.rows(made, "updated")
    assert {(c.field, c.before, c.after) for c in row.changes} >= {
        ("name", "旧名", "新名"), ("city", "上海", "苏州"), ("phone", "021-55556666", "0512-66667777"),
    }  # fmt: skip
    (now,) = boss.ListCustomers(fields="*").customers
    assert (now.name, now.city, now.etag) == ("旧名", "上海", "1")
    assert row.record_id == now.id


def test_the_same_file_twice_changes_nothing(importer: Importer, boss: Client) -> None:
    content = as_xlsx([HEAD, ROW])
    first = importer.put(content)
    again = importer.send(content)
    assert again.same_as == first.id
    with refused("FAILED_PRECONDITION", "ALREADY_IMPORTED"):
        importer.store(again)
    assert counts(importer.store(again, again=True)) == (0, 0, 1, 0, 0)
    (one,) = boss.ListCustomers(fields="*").customers
    assert one.etag == "1"


@pytest.mark.parametrize(
    ("existing", "expected", "names"),
    [
        ("update", (1, 1, 0, 0, 0), ["新名", "第二家"]),
        ("skip", (1, 0, 0, 1, 0), ["旧名", "第二家"]),
        ("create", (2, 0, 0, 0, 0), ["旧名", "新名", "第二家"]),
    ],
)
def test_what_happens_to_known_ones_is_chosen(
    importer: Importer, boss: Client, existing: str, expected: tuple[int, ...], names: list[str]
) -> None:
    number = boss.CreateCustomer(customer={"name": "旧名"}).number
    content = as_csv([["客户编号", "客户名称"], [number, "新名"], ["", "第二家"]])
    made = importer.put(content, existing=existing, key="number")
    assert counts(made) == expected
    assert sorted(c.name for c in boss.ListCustomers().customers) == sorted(names)


def test_the_key_may_be_a_credit_code_or_a_name(importer: Importer, boss: Client) -> None:
    boss.CreateCustomer(customer={"name": "旧名", "credit_code": CODE})
    by_code = importer.put(as_csv([["客户名称", "统一社会信用代码"], ["新名", f" {CODE.lower()} "]]), key="creditCode")
    assert counts(by_code) == (0, 1, 0, 0, 0)
    by_name = importer.put(as_csv([["客户名称", "城市"], ["新名", "苏州"]]), key="name")
    assert counts(by_name) == (0, 1, 0, 0, 0)
    boss.CreateCustomer(customer={"name": "新名"})
    unclear = importer.put(as_csv([["客户名称", "城市"], ["新名", "无锡"]]), key="name")
    assert counts(unclear) == (0, 0, 0, 0, 1)
    assert importer.rows(unclear)[0].problems[0].reason == "SEVERAL_MATCH"
    assert {c.city for c in boss.ListCustomers(fields="city").customers} == {"苏州", ""}


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import reads 40 rows at a time and stores 50."""
    monkeypatch.setattr(reading, "ROWS", 40)
    monkeypatch.setattr(trying, "BATCH", 50)


@pytest.mark.usefixtures("small_steps")
def test_what_another_row_of_the_file_takes_is_told_in_the_dry_run(importer: Importer) -> None:
    rows = [[f"公司{i}", CODE if i in (3, 70) else ""] for i in range(100)]
    made = importer.send(as_csv([["客户名称", "税号"], *rows]))
    made = importer.set(made, existing="create")
    tried = importer.check(made)
    assert counts(tried) == (99, 0, 0, 0, 1)
    assert [(r.row, r.problems[0].reason) for r in importer.rows(tried, "rejected")] == [(72, "SAME_AS_ROW")]
    assert counts(importer.store(tried)) == (99, 0, 0, 0, 1)


def test_owners_departments_and_origin_come_along(importer: Importer, boss: Client, server: Server) -> None:
    li, department = server.person(name="李娜"), server.department("华东一部")
    (username,) = server.sql("SELECT username FROM org_user WHERE id = :id", id=li.user_id)[0]
    head = ["客户名称", "负责人", "所属部门", "创建时间", "创建人"]
    rows = [
        ["甲", "李娜", "", "2019/3/4 08:30", username],
        ["乙", "", "华东一部", "", ""],
        ["丙", "张三丰", "", "", ""],
        ["丁", "", "", "", ""],
    ]
    made = importer.send(as_csv([head, *rows]))
    made = importer.set(made, owner_id=boss.user_id, keep_origin=True)
    stored = importer.store(made)
    assert counts(stored) == (3, 0, 0, 0, 1)
    found = {c.name: c for c in boss.ListCustomers(fields="*").customers}
    assert (found["甲"].owner_id, found["甲"].creator_id) == (li.user_id, li.user_id)
    assert found["甲"].create_time.ToJsonString() == "2019-03-04T00:30:00Z"
    assert (found["乙"].owner_id, found["乙"].department_id) == ("", department)
    assert found["丁"].owner_id == boss.user_id
    (bad,) = importer.rows(stored, "rejected")
    assert [(p.column, p.reason) for p in bad.problems] == [(1, "NO_SUCH_NAME")]


def test_an_import_is_taken_back_with_what_it_created_and_what_it_changed(importer: Importer, boss: Client) -> None:
    old = boss.CreateCustomer(customer={"name": "旧名", "external_id": "A1", "mobile": "13800138000"})
    made = importer.put(as_csv([["客户名称", "外部标识", "手机"], ["新名", "A1", "13900139000"], ["第二家", "A2", ""]]))
    assert counts(made) == (1, 1, 0, 0, 0)
    boss.UndoAct(record_type="customer", id=made.act_id)
    importer.server.run_jobs()
    (left,) = boss.ListCustomers(fields="*").customers
    assert (left.id, left.name, left.mobile) == (old.id, "旧名", "13800138000")
    assert boss.GetAct(record_type="customer", id=made.act_id).state == "undone"
    assert counts(importer.store(importer.send(as_csv([["客户名称"], ["第三家"]])))) == (1, 0, 0, 0, 0)


@pytest.mark.usefixtures("small_steps")
def test_an_import_that_was_killed_goes_on_where_it_was(importer: Importer, boss: Client, server: Server) -> None:
    rows = [[f"公司{i}", f"K{i}", "bad" if i % 50 == 0 else ""] for i in range(520)]
    made = boss.CreateImport(
        record_type="customer", file={"data": as_xlsx([["客户名称", "外部标识", "员工总数"], *rows])}
    )
    server.run_jobs(steps=1)
    forget_readers()
    server.run_jobs(steps=1)
    forget_readers()
    server.run_jobs()
    made = importer.get(made.id)
    assert (made.state, made.rows) == ("ready", 520)
    boss.StartImport(record_type="customer", id=made.id)
    server.run_jobs(steps=4)
    with refused("FAILED_PRECONDITION", "IMPORT_BUSY"):
        boss.StartImport(record_type="customer", id=made.id)
    server.run_jobs()
    made = importer.get(made.id)
    assert (made.state, counts(made)) == ("done", (509, 0, 0, 0, 11))
    assert boss.ListCustomers(count="exact").total == 509


def forget_readers() -> None:
    for import_id in list(reading._open):
        reading.close(import_id)


def test_who_may_not_import_neither_sends_nor_tries(server: Server, boss: Client) -> None:
    li = server.person(["customer.read", "customer.create"], name="李")
    content = as_csv([["客户名称"], ["甲"]])
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        Importer(server, li).send(content)
    made = Importer(server, boss).send(content)
    other = server.person(["customer.*"], name="王")
    for ask in (other.GetImport, other.CheckImport, other.StartImport, other.ListImportRows):
        with refused("NOT_FOUND"):
            ask(record_type="customer", id=made.id)


def test_a_record_beyond_ones_scope_is_neither_changed_nor_shown(server: Server, boss: Client) -> None:
    boss.CreateCustomer(customer={"name": "别人的", "external_id": "A1"})
    near = Importer(server, server.person(["customer.*"], "self", name="近"))
    made = near.put(as_csv([["客户名称", "外部标识"], ["改名", "A1"]]))
    assert counts(made) == (0, 0, 0, 0, 1)
    (row,) = near.rows(made)
    assert (row.record_id, row.problems[0].reason) == ("", "MATCH_UNSEEN")
    assert boss.ListCustomers().customers[0].name == "别人的"


def test_a_field_that_one_does_not_see_is_no_target(server: Server) -> None:
    rules = [{"resource": "customer", "field": "city", "rule": "hidden"}]
    li = Importer(server, server.person(["customer.*"], name="李", fields=rules))
    made = li.send(as_csv([["客户名称", "城市"], ["甲", "上海"]]))
    assert mapped(made) == {"客户名称": "name", "城市": ""}
    with refused("INVALID_ARGUMENT"):
        li.set(made, {"城市": "city"})


def test_a_mapping_that_cannot_be_is_refused(importer: Importer) -> None:
    made = importer.send(as_csv([["名", "城市"], ["甲", "上海"]]))
    assert mapped(made) == {"名": "", "城市": "city"}
    with refused("INVALID_ARGUMENT"):
        importer.check(made)
    with refused("INVALID_ARGUMENT"):
        importer.set(made, {"没有的列": "name"})
    with refused("INVALID_ARGUMENT"):
        importer.set(made, key="phone")
    with refused("ABORTED"):
        importer.person.UpdateImport(record_type="customer", id=made.id, etag="1")
    assert counts(importer.store(importer.set(made, {"名": "name"}))) == (1, 0, 0, 0, 0)


def test_a_column_without_a_known_heading_is_known_by_what_stands_in_it(importer: Importer) -> None:
    made = importer.send(as_csv([["客户名称", "列一", "列二", "列三"], ["甲", "13800138000", "a@b.cn", CODE]]))
    assert list(mapped(made).values()) == ["name", "mobile", "email", "creditCode"]
    assert [c.why for c in made.columns] == ["label", "content", "content", "content"]


@pytest.mark.usefixtures("small_steps")
def test_a_storing_that_was_cancelled_keeps_what_it_did_until_it_is_taken_back(
    importer: Importer, boss: Client
) -> None:
    made = importer.send(as_csv([["客户名称", "外部标识"], *[[f"公司{i}", f"C{i}"] for i in range(160)]]))
    boss.StartImport(record_type="customer", id=made.id)
    importer.server.run_jobs(steps=3)
    boss.CancelImport(record_type="customer", id=made.id)
    importer.server.run_jobs()
    made = importer.get(made.id)
    assert (made.state, made.created, made.remaining, made.rows) == ("cancelled", 100, 60, 160)
    boss.UndoAct(record_type="customer", id=made.act_id)
    importer.server.run_jobs()
    assert boss.ListCustomers(count="exact").total == 0
    with refused("FAILED_PRECONDITION", "IMPORT_TAKEN_BACK"):
        boss.StartImport(record_type="customer", id=made.id)


@pytest.mark.usefixtures("small_steps")
def test_a_storing_that_was_cancelled_goes_on_with_the_rows_that_remain(importer: Importer, boss: Client) -> None:
    rows = [[f"公司{i}", f"C{i}", "" if i % 30 else "x"] for i in range(120)]
    made = importer.send(as_csv([["客户名称", "外部标识", "员工总数"], *rows]))
    assert (made.rows, made.remaining) == (120, 120)
    boss.StartImport(record_type="customer", id=made.id)
    importer.server.run_jobs(steps=2)
    boss.CancelImport(record_type="customer", id=made.id)
    importer.server.run_jobs()
    assert (importer.get(made.id).created, importer.get(made.id).remaining) == (48, 70)

    going = boss.StartImport(record_type="customer", id=made.id)
    assert (going.state, going.act_id) == ("storing", importer.get(made.id).act_id)
    boss.CancelImport(record_type="customer", id=made.id)  # before its first step
    importer.server.run_jobs()
    assert (importer.get(made.id).created, importer.get(made.id).remaining) == (48, 70)
    boss.StartImport(record_type="customer", id=made.id)
    importer.server.run_jobs()

    done = importer.get(made.id)
    assert (done.state, counts(done), done.remaining) == ("done", (116, 0, 0, 0, 4), 0)
    assert (done.job.done, done.job.total) == (120, 120)
    assert boss.ListCustomers(count="exact").total == 116
    with refused("FAILED_PRECONDITION", "IMPORT_OVER"):
        boss.StartImport(record_type="customer", id=made.id)
    boss.UndoAct(record_type="customer", id=done.act_id)
    importer.server.run_jobs()
    assert boss.ListCustomers(count="exact").total == 0


@pytest.mark.long
def test_ten_thousand_updated_rows_are_taken_back(
    importer: Importer, boss: Client, measured: Callable[[str], None]
) -> None:
    head = ["客户名称", "外部标识", "城市", "手机"]
    count = 10_000
    importer.put(as_csv([head, *[[f"公司{i}", f"T{i}", "上海", "13800138000"] for i in range(count)]]))
    rows = [[f"新公司{i}", f"T{i}", "苏州", "13900139000"] for i in range(count + 500)]
    made = importer.put(as_csv([head, *rows]))
    assert counts(made) == (500, count, 0, 0, 0)
    boss.UndoAct(record_type="customer", id=made.act_id)
    importer.server.run_jobs()
    act = boss.GetAct(record_type="customer", id=made.act_id)
    assert (act.state, act.undone, act.kept) == ("undone", count + 500, 0)
    left = importer.server.sql(
        "SELECT count(*), count(DISTINCT name), min(version), max(version) FROM customer"
        " WHERE delete_time IS NULL AND city = '上海'"
    )
    assert [tuple(r) for r in left] == [(count, count, 3, 3)]
    (one,) = boss.ListCustomers(filter='external_id = "T77"', fields="*").customers
    assert (one.name, one.mobile) == ("公司77", "13800138000")
    measured(f"{act.undone} of {count + 500} records taken back: {act.updated} changed, {act.created} made")


@pytest.mark.usefixtures("small_steps")
def test_what_an_import_brought_is_known_to_the_planner_when_it_ends(importer: Importer) -> None:
    known = "SELECT reltuples FROM pg_class WHERE oid = 'customer'::regclass"
    importer.server.sql("ANALYZE customer")
    importer.put(as_csv([["客户名称"], *([f"公司{n}"] for n in range(70))]))
    assert importer.server.sql(known) == [(70,)]
    importer.put(as_csv([["客户名称"], *([f"又一家{n}"] for n in range(20))]))  # few of many: that can wait
    assert importer.server.sql(known) == [(70,)]


def test_rows_of_a_month_ago_are_dropped(importer: Importer) -> None:
    old = importer.put(as_csv([["客户名称"], ["甲"]]))
    importer.server.sql("UPDATE record_import SET create_time = now() - interval '31 days'")
    new = importer.put(as_csv([["客户名称"], ["乙"]]))
    assert (len(importer.rows(old)), len(importer.rows(new))) == (0, 1)
    assert importer.get(old.id).created == 1
