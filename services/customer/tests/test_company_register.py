"""Company register lookup: a file that nobody vouches for, candidates by name, facts, and taking them over."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from stdnum.cn import uscc

from crm.customer.v1 import company_register_pb2 as pb
from crm_kit.settings import SettingsError
from crm_kit.testing import Client, Server, refused
from customer.app import import_register
from customer.register import importing
from customer.register.provider import Found
from customer.register.reading import NoRegister

pytestmark = pytest.mark.feature("CUS-25")


def code(number: int) -> str:
    """A credit code with its check digit (GB 32100-2015)."""
    body = f"91500000{number:09}"
    return body + uscc.calc_check_digit(body)


def company(number: int, **more: Any) -> dict[str, Any]:
    return {"name": f"重庆第{number}轴承有限公司", "creditCode": code(number), **more}


@pytest.fixture
def register(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes a register file, sets it up and imports it."""

    def write(content: str | bytes | list[dict[str, Any]], name: str = "register.jsonl") -> importing.Report:
        path = tmp_path / name
        if isinstance(content, list):
            content = "\n".join(json.dumps(one, ensure_ascii=False) for one in content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        monkeypatch.setenv("COMPANY_REGISTER_FILE", str(path))
        return importing.run(server.service.writer, path)

    return write


FACTS = company(
    1,
    legalRepresentative="李雷",
    registeredCapital="1,000万元人民币",
    foundingDate="2001年3月5日",
    status="存续",
    address="重庆市渝北区临江路 1 号",
    scope="轴承制造；轴承销售。",
    risks=[{"kind": "被执行人", "date": "2026-02-03", "text": "(2026)渝01执12号"}],
)


def test_without_a_register_lookup_says_so(
    boss: Client, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("COMPANY_REGISTER_FILE", raising=False)
    monkeypatch.delenv("COMPANY_REGISTER", raising=False)
    customer = boss.CreateCustomer(customer={"name": "轴承"})
    asked = [
        lambda: boss.SearchRegisteredCompanies(name="轴承"),
        lambda: boss.GetRegisteredCompany(credit_code=code(1)),
        lambda: boss.TakeOverRegisteredCompany(
            id=customer.id, etag=customer.etag, credit_code=code(1), fields=["name"]
        ),
    ]
    for ask in asked:
        with refused("FAILED_PRECONDITION", "REGISTER_NOT_SET"):
            ask()
    with pytest.raises(SettingsError, match="COMPANY_REGISTER_FILE"):
        import_register(server.service)

    monkeypatch.setenv("COMPANY_REGISTER_FILE", str(tmp_path / "none.csv"))
    with refused("FAILED_PRECONDITION", "REGISTER_EMPTY"):
        asked[0]()
    with pytest.raises(SettingsError, match="No such file"):
        import_register(server.service)


def test_the_facts_of_a_company_are_told_with_their_source_and_time(boss: Client, register: Any) -> None:
    report = register([FACTS, company(2)])

    assert (report.lines, report.stored, sum(report.skipped.values())) == (2, 2, 0)
    told = boss.GetRegisteredCompany(credit_code=code(1).lower())
    assert (told.name, told.legal_representative, told.status) == ("重庆第1轴承有限公司", "李雷", "存续")
    assert (told.registered_capital, told.founding_date) == ("10000000.00", "2001-03-05")
    assert [(r.kind, r.date, r.text) for r in told.risks] == [("被执行人", "2026-02-03", "(2026)渝01执12号")]
    assert (told.id, told.provider) == (code(1), "file")
    assert told.HasField("facts_time")
    with refused("NOT_FOUND"):
        boss.GetRegisteredCompany(credit_code=code(3))
    with refused("INVALID_ARGUMENT", "INVALID", "creditCode"):
        boss.GetRegisteredCompany(credit_code="91500000000000000X")


def test_a_csv_with_chinese_head_is_read_alike(boss: Client, register: Any) -> None:
    risks = '"[{""kind"": ""行政处罚"", ""date"": ""2026/1/9"", ""text"": ""罚款""}]"'
    lines = [
        "\ufeff企业名称,统一社会信用代码,法定代表人,注册资本,成立日期,内部编号,风险",
        f'"重庆""第一"",轴承有限公司",{code(1)},李雷,500万,2001/3/5,x,{risks}',
        f"成都齿轮厂,{code(2)},,--,,,",
    ]
    report = register("\r\n".join(lines), "register.csv")

    assert (report.stored, report.skipped) == (2, {})
    first = boss.GetRegisteredCompany(credit_code=code(1))
    assert (first.name, first.registered_capital) == ('重庆"第一",轴承有限公司', "5000000.00")
    assert first.risks[0].date == "2026-01-09"
    assert boss.GetRegisteredCompany(credit_code=code(2)).registered_capital == ""


def test_hostile_and_broken_lines_are_told_and_skipped(boss: Client, register: Any) -> None:
    good = [json.dumps(company(n)).encode() for n in (1, 2, 3)]
    lines = [
        good[0],
        b"{",
        b"[1, 2]",
        b"\xff\xfe\x00",
        b'{"name": "' + b"x" * 200_000 + b'"}',
        json.dumps({"name": "无码公司"}).encode(),
        json.dumps({**company(4), "creditCode": "91500000000000000X"}).encode(),
        json.dumps({**company(5), "name": ["x"]}).encode(),
        json.dumps({**company(6), "name": "换\u0000行"}).encode(),
        json.dumps({**company(7), "foundingDate": "2001-02-30"}).encode(),
        json.dumps({**company(8), "risks": "昨天"}).encode(),
        json.dumps({**company(9), "risks": [{"kind": "x"}] * 201}).encode(),
        json.dumps({**company(10), "name": "长" * 201}).encode(),
        b'{"name": "\\ud800", "creditCode": "' + code(11).encode() + b'"}',
        b"[" * 5000,
        b"",
        good[1],
        good[1],
        good[2],
    ]
    report = register(b"\n".join(lines))

    assert report.lines == len(lines) - 1
    assert report.stored + report.replaced + sum(report.skipped.values()) == report.lines
    assert (report.stored, report.replaced) == (3, 1)
    assert report.skipped == {
        "LINE_NOT_JSON": 4,
        "LINE_NOT_UTF8": 1,
        "LINE_TOO_LONG": 1,
        "REQUIRED": 1,
        "CREDIT_CODE_CHECK": 1,
        "WRONG_TYPE": 2,
        "BAD_CONTROL_CHARACTER": 1,
        "BAD_RISKS": 2,
        "TOO_LONG": 1,
    }
    assert [number for number, _ in report.told] == list(range(2, 16))
    assert "line 5:" in str(report)
    assert len(boss.SearchRegisteredCompanies(name="轴承").registered_companies) == 3


def test_a_broken_csv_line_spoils_only_itself(boss: Client, register: Any) -> None:
    lines = ["name,credit_code", f'"开着的引号,{code(1)}', f"一二,{code(2)},多余", f"好公司,{code(3)}"]
    report = register("\n".join(lines), "register.csv")

    assert (report.stored, report.skipped) == (1, {"LINE_NOT_CSV": 1, "LINE_COLUMNS": 1})


def test_a_file_that_is_no_register_leaves_the_one_before(boss: Client, register: Any) -> None:
    register([FACTS])
    with pytest.raises(NoRegister):
        register("a,b\n1,2\n", "other.csv")
    with pytest.raises(NoRegister):
        register(b"\x00\x01\x02" * 1000)

    assert boss.GetRegisteredCompany(credit_code=code(1)).name == "重庆第1轴承有限公司"


def test_a_newer_file_replaces_the_one_before(boss: Client, register: Any) -> None:
    register([company(n) for n in range(1, 6)])
    report = register([company(1, name="改了名的公司"), company(2)])

    assert (report.stored, report.removed) == (2, 3)
    assert boss.GetRegisteredCompany(credit_code=code(1)).name == "改了名的公司"
    with refused("NOT_FOUND"):
        boss.GetRegisteredCompany(credit_code=code(5))


def test_an_import_that_broke_off_is_finished_by_the_next(
    boss: Client, register: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "PIECE", 10)
    store, calls = importing._store, []

    def break_off(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        store(*arguments)

    monkeypatch.setattr(importing, "_store", break_off)
    with pytest.raises(KeyboardInterrupt):
        register([company(n) for n in range(35)])
    with refused("FAILED_PRECONDITION", "REGISTER_EMPTY"):
        boss.SearchRegisteredCompanies(name="轴承")

    report = register([company(n) for n in range(35)])
    assert (report.stored, report.replaced, report.removed) == (35, 0, 0)
    assert len(boss.SearchRegisteredCompanies(name="轴承", page_size=200).registered_companies) == 35


def test_candidates_come_best_first_and_by_pages(boss: Client, register: Any) -> None:
    names = ["长江", "长江轴承", "重庆长江轴承有限公司", "长江轴承重庆有限公司", "南京长 江 轴承", "黄河轴承"]
    register([company(n, name=name) for n, name in enumerate(names)])

    def search(name: str, **more: Any) -> list[str]:
        return [c.name for c in boss.SearchRegisteredCompanies(name=name, **more).registered_companies]

    assert search("长江轴承") == ["长江轴承", "长江轴承重庆有限公司", "南京长 江 轴承", "重庆长江轴承有限公司"]
    assert search("长江") == ["长江", "长江轴承", "长江轴承重庆有限公司", "南京长 江 轴承", "重庆长江轴承有限公司"]
    assert search("有限公司") == [], "what is in every name is looked for at the beginning only"
    assert search("100%") == []
    assert search(code(5)) == ["黄河轴承"]
    first = boss.SearchRegisteredCompanies(name="轴承", page_size=3)
    second = boss.SearchRegisteredCompanies(name="轴承", page_size=3, page_token=first.next_page_token)
    assert len({c.name for c in (*first.registered_companies, *second.registered_companies)}) == 5
    assert second.next_page_token == ""
    with refused("INVALID_ARGUMENT", "BAD_PAGE_TOKEN"):
        boss.SearchRegisteredCompanies(name="长江", page_token=first.next_page_token)
    with refused("INVALID_ARGUMENT", "INVALID", "name"):
        boss.SearchRegisteredCompanies(name="长")


def test_too_many_candidates_are_said_to_be_capped(boss: Client, register: Any) -> None:
    register([company(n) for n in range(1005)])

    answer = boss.SearchRegisteredCompanies(name="轴承", page_size=5)
    assert (len(answer.registered_companies), answer.capped) == (5, True)
    assert not boss.SearchRegisteredCompanies(name="第17轴承").capped


def test_chosen_facts_are_taken_over_and_where_they_are_from_is_kept(
    boss: Client, register: Any, server: Server
) -> None:
    register([FACTS])
    customer = boss.CreateCustomer(customer={"name": "长江轴承", "address": "自己记的"})

    answer = boss.TakeOverRegisteredCompany(
        id=customer.id,
        etag=customer.etag,
        credit_code=code(1),
        fields=["credit_code", "legalRepresentative", "registered_capital", "founding_date"],
    )

    now = boss.GetCustomer(id=customer.id)
    assert (now.name, now.address) == ("长江轴承", "自己记的"), "only what was chosen"
    assert (now.credit_code, now.legal_representative, now.founding_date) == (code(1), "李雷", "2001-03-05")
    assert now.registered_capital == "10000000.00"
    assert (answer.customer.etag, now.etag) == ("2", "2")
    (kept,) = boss.ListRegisterTakeovers(customer_id=customer.id).takeovers
    assert kept == answer.takeover
    assert (kept.facts.provider, kept.facts.status, kept.facts.risks[0].kind) == ("file", "存续", "被执行人")
    assert list(kept.fields) == ["credit_code", "legal_representative", "registered_capital", "founding_date"]
    assert kept.actor_id == boss.user_id
    assert [e.action for e in server.events("customer")] == ["created", "updated"]


def test_what_cannot_be_taken_over_is_refused_and_changes_nothing(boss: Client, register: Any) -> None:
    register([company(1)])
    customer = boss.CreateCustomer(customer={"name": "长江轴承"})
    take = {"id": customer.id, "etag": customer.etag, "credit_code": code(1)}

    with refused("INVALID_ARGUMENT", "INVALID", "fields[0]", "fields[2]"):
        boss.TakeOverRegisteredCompany(**take, fields=["scope", "name", "owner_id"])
    with refused("INVALID_ARGUMENT", "INVALID", "fields[1]"):
        boss.TakeOverRegisteredCompany(**take, fields=["name", "address"])
    with refused("INVALID_ARGUMENT", "INVALID", "fields"):
        boss.TakeOverRegisteredCompany(**take, fields=[])
    with refused("ABORTED", "STALE"):
        boss.TakeOverRegisteredCompany(**{**take, "etag": "7"}, fields=["name"])
    with refused("NOT_FOUND"):
        boss.TakeOverRegisteredCompany(**{**take, "credit_code": code(2)}, fields=["name"])
    assert boss.GetCustomer(id=customer.id).etag == "1"
    assert boss.ListRegisterTakeovers(customer_id=customer.id).takeovers == []


def test_taking_over_takes_the_right_to_change_that_customer(boss: Client, register: Any, server: Server) -> None:
    register([FACTS])
    customer = boss.CreateCustomer(customer={"name": "长江轴承"})
    take: dict[str, Any] = {"id": customer.id, "etag": "1", "credit_code": code(1), "fields": ["name"]}

    with refused("PERMISSION_DENIED"):
        server.person(["customer.read", "registered_company.read"]).TakeOverRegisteredCompany(**take)
    with refused("PERMISSION_DENIED"):
        server.person(["customer.update"]).TakeOverRegisteredCompany(**take)
    with refused("PERMISSION_DENIED"):
        server.person(["customer.read"]).SearchRegisteredCompanies(name="轴承")
    outside = server.person(["customer.*", "registered_company.read"], scope="self")
    with refused("NOT_FOUND"):
        outside.TakeOverRegisteredCompany(**take)
    with refused("NOT_FOUND"):
        outside.ListRegisterTakeovers(customer_id=customer.id)
    closed = [{"resource": "customer", "field": "name", "rule": "read_only"}]
    with refused("INVALID_ARGUMENT", "INVALID", "name"):
        server.person(fields=closed).TakeOverRegisteredCompany(**take)


class Elsewhere:
    """Somebody's own provider."""

    def search(self, call: Any, name: str, size: int, token: str) -> Found:
        return Found([pb.RegisteredCompany(name=f"{name}公司", credit_code=code(77), provider="elsewhere")])

    def facts(self, call: Any, credit_code: str) -> pb.RegisteredCompany | None:
        return pb.RegisteredCompany(name="别处公司", credit_code=credit_code, provider="elsewhere")


def test_another_register_can_be_set_up(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPANY_REGISTER", f"{__name__}:Elsewhere")
    customer = boss.CreateCustomer(customer={"name": "长江轴承"})

    (found,) = boss.SearchRegisteredCompanies(name="甲").registered_companies
    assert (found.name, found.provider) == ("甲公司", "elsewhere")
    answer = boss.TakeOverRegisteredCompany(
        id=customer.id, etag="1", credit_code=found.credit_code, fields=["name", "credit_code"]
    )
    assert (answer.customer.name, answer.takeover.facts.provider) == ("别处公司", "elsewhere")


def test_memory_does_not_grow_with_the_file(register: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "PIECE", 100)

    def peak(lines: int) -> int:
        file = "\n".join(json.dumps(company(n, scope="x" * 1000)) for n in range(lines)).encode()
        tracemalloc.start()
        assert register(file).stored == lines
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(100)  # what is loaded once
    assert peak(2000) < 1.5 * peak(200)


def test_what_was_taken_over_is_listed_page_by_page(boss: Client, register: Any) -> None:
    register([FACTS])
    customer = boss.CreateCustomer(customer={"name": "长江轴承"})
    taken = []
    for fields in (["credit_code"], ["registered_capital"], ["founding_date"]):
        etag = boss.GetCustomer(id=customer.id).etag
        made = boss.TakeOverRegisteredCompany(id=customer.id, etag=etag, credit_code=code(1), fields=fields)
        taken.append(made.takeover.id)
    seen, token = list[str](), ""
    while len(seen) < 4:
        page = boss.ListRegisterTakeovers(customer_id=customer.id, page_size=1, page_token=token)
        seen += [t.id for t in page.takeovers]
        token = page.next_page_token
        if not token:
            break
    assert seen == taken[::-1]


@pytest.mark.figure("R40")
def test_a_fact_that_became_a_hidden_field_is_not_told_by_what_was_taken_over(
    server: Server, boss: Client, register: Any
) -> None:
    register([FACTS])
    one = boss.CreateCustomer(customer={"name": "甲公司"})
    fields = ["credit_code", "legal_representative", "address"]
    boss.TakeOverRegisteredCompany(id=one.id, etag=one.etag, credit_code=FACTS["creditCode"], fields=fields)
    rules = [
        {"resource": "customer", "field": "credit_code", "rule": "hidden"},
        {"resource": "customer", "field": "legal_representative", "rule": "masked"},
    ]

    (told,) = server.person(["customer.read"], fields=rules).ListRegisterTakeovers(customer_id=one.id).takeovers

    assert (told.facts.id, told.facts.credit_code, told.facts.legal_representative) == ("", "", "")
    assert told.facts.address == "重庆市渝北区临江路 1 号"
