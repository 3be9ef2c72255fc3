"""Records leaving the house: rights of their own, limits of the roles, a mark on everything."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from crm.records.v1.exports_pb2 import FileName
from crm_kit.testing import Client, Server, refused
from crm_records import files

pytestmark = pytest.mark.feature("IDN-11")
EN = {"accept-language": "en"}


@pytest.fixture
def customers(boss: Client) -> list[Any]:
    made = [
        {"name": "杭州云启科技有限公司", "phone": "+86 571 88886666", "type": "enterprise"},
        {"name": '=HYPERLINK("http://x")', "remarks": "<script>"},
        {"name": "上海远航贸易有限公司", "registered_capital": "1234567.89"},
    ]
    return [boss.CreateCustomer(customer=c) for c in made]


@pytest.fixture
def table(boss: Client) -> Callable[..., list[list[str]]]:
    def read(client: Client | None = None, **asked: Any) -> list[list[str]]:
        body = (client or boss).ExportRecords(record_type="customer", format="csv", **asked, metadata=EN)
        assert body.content_type == "text/csv; charset=utf-8"
        return list(csv.reader(io.StringIO(body.data.decode("utf-8-sig"), newline="")))

    return read


def with_limits(server: Server, client: Client, **policy: int) -> None:
    server.sql(
        "UPDATE org_role SET policy = CAST(:policy AS jsonb)"
        " WHERE id IN (SELECT unnest(role_ids) FROM org_user WHERE id = :id)",
        policy=json.dumps(policy),
        id=client.user_id,
    )
    server.service.organisation.forget()


def name_of(body: Any) -> str:
    told = FileName()
    assert body.extensions[0].Unpack(told)
    return told.name


@pytest.mark.parametrize(
    ("zone", "begin"), [(None, "customer-20261201-002530-"), ("America/New_York", "customer-20261130-112530-")]
)
def test_a_file_is_named_by_the_clock_of_who_asks_and_like_no_other(
    server: Server, boss: Client, monkeypatch: pytest.MonkeyPatch, zone: str | None, begin: str
) -> None:
    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2026, 11, 30, 16, 25, 30, tzinfo=UTC).astimezone(tz)

    monkeypatch.setattr(files, "datetime", Then)
    server.sql("UPDATE org_user SET time_zone = :zone WHERE id = :id", zone=zone, id=boss.user_id)
    server.service.organisation.forget()

    names = [name_of(boss.ExportRecords(record_type="customer", format=f)) for f in ("csv", "csv", "xlsx")]
    names.append(name_of(boss.PrintRecords(record_type="customer")))

    assert {name[: len(begin)] for name in names} == {begin}
    assert [name.rpartition(".")[2] for name in names] == ["csv", "csv", "xlsx", "html"]
    assert len({name.rpartition(".")[0] for name in names}) == 4


def test_an_export_says_in_words_what_the_list_shows(table, boss, customers):
    head, *rows = table(fields="name,type,owner_id,phone,registered_capital,create_time", order_by="name")

    assert head[:2] == ["Name", "Type"]
    assert sorted(row[0] for row in rows) == sorted(["'" + customers[1].name, customers[0].name, customers[2].name])
    by_name = {row[0]: row for row in rows}
    assert by_name[customers[0].name][1] == "Enterprise"
    assert by_name[customers[0].name][2] == "总经理"
    assert by_name[customers[0].name][3] == "'+86 571 88886666"
    assert by_name[customers[2].name][4] == "1234567.89"


def test_a_filter_chooses_what_is_exported_and_pages_are_put_together(table, boss, server):
    boss.ImportCustomers(customers=[{"name": f"客户{n:03}", "external_id": f"e{n}"} for n in range(450)])

    assert len(table(fields="name", order_by="name")) == 451
    assert [row[0] for row in table(fields="name", filter='name = "客户007"')[1:]] == ["客户007"]


def test_a_workbook_holds_texts_as_texts_and_says_who_made_it(boss, customers):
    body = boss.ExportRecords(record_type="customer", fields="name,registered_capital")
    book = zipfile.ZipFile(io.BytesIO(body.data))
    sheet, about = (book.read(f"xl/worksheets/sheet{n}.xml").decode() for n in (1, 2))

    assert body.content_type.endswith("spreadsheetml.sheet")
    assert "<f>" not in sheet
    assert "1234567.89" in sheet
    assert "HYPERLINK" in sheet
    assert "<oddHeader>&amp;C客户&amp;R总经理" in sheet
    assert "总经理" in about


def test_a_page_to_print_is_marked_and_shows_everything_as_text(boss, customers):
    body = boss.PrintRecords(record_type="customer", fields="name,remarks")
    page = body.data.decode()

    assert body.content_type == "text/html; charset=utf-8"
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "data:image/svg+xml" in page
    assert "%E6%80%BB%E7%BB%8F%E7%90%86" in page  # the name in the watermark
    assert "总经理" in page


def test_only_what_the_caller_sees_leaves_the_house(server, boss, customers, table):
    seller = server.person(["customer.read", "customer.create", "customer.export"], "self")
    seller.CreateCustomer(customer={"name": "自己的客户"})

    assert [row[0] for row in table(seller, fields="name")[1:]] == ["自己的客户"]


def test_reading_exporting_and_printing_are_different_rights(server, customers):
    reader = server.person(["customer.read"])
    exporter = server.person(["customer.read", "customer.export"])

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        reader.ExportRecords(record_type="customer")
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        exporter.PrintRecords(record_type="customer")
    exporter.ExportRecords(record_type="customer")


def test_more_than_the_roles_allow_does_not_leave(server, customers):
    person = server.person(["customer.*"])
    with_limits(server, person, exportRows=2, printRows=3)

    with refused("PERMISSION_DENIED", "ROWS_OVER_LIMIT"):
        person.ExportRecords(record_type="customer")
    person.ExportRecords(record_type="customer", filter='name:"公司"')
    person.PrintRecords(record_type="customer")


def test_of_several_roles_the_most_generous_that_gives_the_right_counts(server, customers):
    more = server.role(["customer.export"])
    person = server.person(["customer.*"], also=[more])
    reads_only = server.person(["customer.export"], also=[server.role(["customer.read"])])
    with_limits(server, person, exportRows=2)
    with_limits(server, reads_only, exportRows=2)
    server.sql("UPDATE org_role SET policy = CAST(:p AS jsonb) WHERE id = :id", p='{"exportRows": 3}', id=more)
    server.sql("UPDATE org_role SET policy = '{}' WHERE rights = ARRAY['customer.read']")
    server.service.organisation.forget()

    person.ExportRecords(record_type="customer")
    with refused("PERMISSION_DENIED", "ROWS_OVER_LIMIT"):
        reads_only.ExportRecords(record_type="customer")


@pytest.mark.parametrize(
    ("asked", "reason"),
    [({"fields": "nonsense"}, "INVALID"), ({"filter": "name ="}, "BAD_FILTER"), ({"order_by": "x"}, "BAD_ORDER")],
)
def test_a_wrong_question_is_refused_as_the_list_refuses_it(boss, asked, reason):
    with refused("INVALID_ARGUMENT", reason):
        boss.ExportRecords(record_type="customer", **asked)


def test_what_is_no_record_cannot_be_exported(boss):
    with refused("NOT_FOUND"):
        boss.ExportRecords(record_type="nothing")


def test_custom_fields_are_exported_under_their_labels(boss, table):
    field = {"key": "floor", "kind": "number", "label_zh": "楼层", "label_en": "Floor"}
    boss.CreateCustomField(record_type="customer", custom_field=field)
    boss.CreateCustomer(customer={"name": "有楼层的客户", "custom": {"floor": 12}})

    assert table(fields="name,custom") == [["Name", "Floor"], ["有楼层的客户", "12"]]


def test_a_file_holds_no_more_of_a_field_than_the_list_shows(server, customers, table):
    rules = [
        {"resource": "customer", "field": "phone", "rule": "masked"},
        {"resource": "customer", "field": "registered_capital", "rule": "hidden"},
    ]
    person = server.person(["customer.*"], fields=rules)
    head, *rows = table(person, fields="*")
    page = person.PrintRecords(record_type="customer", fields="*").data.decode()

    assert "Registered capital" not in head
    assert not any("1234567.89" in cell or "88886666" in cell for row in rows for cell in row)
    assert "1234567.89" not in page
    assert "88886666" not in page
    with refused("INVALID_ARGUMENT", "INVALID", "fields"):
        person.ExportRecords(record_type="customer", fields="registered_capital")


def test_nothing_leaves_that_its_taker_does_not_see(boss: Client, server: Server, table: Any) -> None:
    """Rights hold on the records of the roles that give them: what is exported lies within both."""
    sees_own = server.role(["customer.read"], "self")
    taker = server.person(rights=["customer.export"], scope="all", also=[sees_own])
    blind = server.person(rights=["customer.export"], scope="all")
    boss.CreateCustomer(customer={"name": "别人的", "owner_id": boss.user_id})
    boss.CreateCustomer(customer={"name": "自己的", "owner_id": taker.user_id})

    assert [row[0] for row in table(taker, fields="name")[1:2]] == ["自己的"]
    assert "别人的" not in str(table(taker, fields="name"))
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        table(blind, fields="name")


@pytest.mark.parametrize("wrong", ["pdf", "CSV", "html"])
def test_a_format_that_there_is_not_is_refused(boss: Client, customers: Any, wrong: str) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "format") as refusal:
        boss.ExportRecords(record_type="customer", format=wrong)
    assert "csv, xlsx" in refusal.fields["format"]


@pytest.mark.feature("CUS-13")
@pytest.mark.parametrize(
    ("language", "said"),
    [("zh-CN", [["状态", "偏离"], ["计划中", "否"]]), ("en", [["State", "Off site"], ["Planned", "no"]])],
)
def test_states_and_marks_leave_in_the_words_of_who_asks(boss: Client, language: str, said: list[list[str]]) -> None:
    customer = boss.CreateCustomer(customer={"name": "甲公司"})
    boss.CreateVisit(visit={"customer_id": customer.id, "subject": "拜访", "plan_start": datetime.now(UTC)})
    asked = {"record_type": "visit", "fields": "state,off_site", "filter": 'state = "planned"'}

    body = boss.ExportRecords(**asked, format="csv", metadata={"accept-language": language})
    page = boss.PrintRecords(**asked, metadata={"accept-language": language})

    assert list(csv.reader(io.StringIO(body.data.decode("utf-8-sig"), newline=""))) == said
    assert f"<td>{said[1][0]}</td>" in page.data.decode()


def test_a_description_says_what_values_are_called(boss: Client) -> None:
    boss.CreateCustomField(
        record_type="customer",
        custom_field={"key": "ports", "kind": "choice", "label_zh": "港口", "label_en": "Port", "choices": ["宁波"]},
    )

    def described(record_type: str) -> dict[str, Any]:
        found = boss.DescribeRecord(record_type=record_type).fields
        return {f.name: [(c.value, c.label_zh, c.label_en) for c in f.choice_labels] for f in found if f.choices}

    customer = described("customer")
    assert customer["reviewMark"][0] == ("pending", "待审核", "Pending")
    assert customer["custom.ports"] == [("宁波", "宁波", "宁波")]
    assert "level" not in customer  # a dictionary, which administrators change
    assert described("visit")["state"][:2] == [("planned", "计划中", "Planned"), ("checked_in", "已签到", "Checked in")]
    table = boss.GetStates(record_type="visit").states
    assert [(s.code, s.label_zh, s.label_en) for s in table] == described("visit")["state"]
    assert described("alert_rule")["kind"] == described("alert")["kind"]
    for record_type in ("customer", "contact", "visit", "care_plan", "segment", "pool"):
        assert all(zh and en for labels in described(record_type).values() for _, zh, en in labels)
