"""The search box, as Chinese names and numbers are typed."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from crm.records.v1.records_pb2 import ListRequest
from crm_kit.rpc import Call
from crm_kit.testing import Client, Server
from crm_records import frequent, listing, search
from customer.app import REGISTRY

pytestmark = pytest.mark.feature("CUS-06")


def found(client: Client, words: str) -> list[str]:
    return [c.name for c in client.ListCustomers(search=words, order_by="name").customers]


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("单氏实业有限公司", ["shanshi", "danshi", "ssyyxgs", "SHANSHI"]),
        ("解放科技有限公司", ["jiefang", "xiefang", "jfkj", "xfkj"]),
        ("查记贸易有限公司", ["chaji", "zhaji", "zjmy", "cjmy"]),
        ("区氏食品有限公司", ["oushi", "qushi", "ossp"]),
        ("仇英文化有限公司", ["qiuying", "chouying", "qywh"]),
        ("尉迟敬德商贸有限公司", ["yuchijingde", "ycjdsm"]),
        ("重庆长江银行音乐会", ["chongqingchangjiang", "cqcj", "zhongqing", "changjiang", "yinhangyinyue"]),
        ("乐清乐购百货有限公司", ["yueqing", "leqing", "legou", "yuegou", "yqlg"]),
        ("厦门朝阳大厦有限公司", ["xiamen", "chaoyang", "dasha", "xmcy"]),
        ("单县面粉厂", ["shanxian", "danxian", "sxmfc", "dxmf"]),
        ("上海行业会计师事务所", ["hangye", "kuaiji", "shhykjs"]),
    ],
)
def test_every_reading_of_a_character_finds_the_name_and_its_initials(
    boss: Client, name: str, typed: list[str]
) -> None:
    boss.CreateCustomer(customer={"name": name})
    boss.CreateCustomer(customer={"name": "完全不同的一家"})

    assert {words: found(boss, words) for words in typed} == {words: [name] for words in typed}


def test_a_persons_name_is_spelt_by_its_surname(boss: Client) -> None:
    made = [
        boss.CreateCustomer(customer={"name": name, "kind": "individual"}).pinyin
        for name in ("单田芳", "解晓东", "查良镛", "区楚良", "仇和", "尉迟恭", "任我行", "曾国藩", "盖叫天")
    ]

    assert made == [
        "shantianfang", "xiexiaodong", "zhaliangyong", "ouchuliang", "qiuhe", "yuchigong", "renwoxing", "zengguofan",
        "gejiaotian",
    ]  # fmt: skip
    assert boss.CreateCustomer(customer={"name": "单县面粉厂"}).pinyin == "shanxianmianfenchang"


@pytest.mark.parametrize(
    "typed", ["上海jd", "JD上海", "上海ｊｄ", "京东sh", "上海jingdong", "京东 贸易"[:2], "shanghai", "shjd", "上海京东"]
)
def test_characters_and_letters_may_be_typed_together(boss: Client, typed: str) -> None:
    boss.CreateCustomer(customer={"name": "上海京东贸易有限公司"})
    boss.CreateCustomer(customer={"name": "上海天达贸易有限公司"})
    boss.CreateCustomer(customer={"name": "天津吉达贸易有限公司"})

    expected = ["上海京东贸易有限公司"] if typed != "shanghai" else ["上海京东贸易有限公司", "上海天达贸易有限公司"]
    assert sorted(found(boss, typed)) == sorted(expected)


@pytest.mark.parametrize(
    "typed",
    [
        "重庆 小面",
        "小面 重庆",
        "cq xm",
        "chong qing xiao mian",
        "重庆 xm",
        "重 面",
        "重庆 张伟",
        "zhangw 重庆",
        "重庆　13800138000",
    ],
)
def test_every_word_must_be_found_wherever_it_stands(boss: Client, typed: str) -> None:
    made = boss.CreateCustomer(customer={"name": "重庆老妈小面A食品有限公司"})
    boss.CreateContact(contact={"customer_id": made.id, "name": "张伟", "mobile": "13800138000"})
    for other in ("重庆火锅有限公司", "成都小面有限公司"):
        beside = boss.CreateCustomer(customer={"name": other})
        boss.CreateContact(contact={"customer_id": beside.id, "name": "李娜", "mobile": "13900139000"})

    assert found(boss, typed) == ["重庆老妈小面A食品有限公司"]


def test_two_words_of_a_name_are_found_in_any_view_of_it(boss: Client, server: Server) -> None:
    boss.CreateCustomer(customer={"name": "North Star Trading", "short_name": "极星"})
    boss.CreateCustomer(customer={"name": "North Sea Trading", "short_name": "北海"})
    hidden = [{"resource": "customer", "field": "phone", "rule": "hidden"}]
    narrow = server.person(["customer.*"], "all", fields=hidden)
    brief = server.person(["customer_brief.read"], "all")

    for typed in ("north star", "star north", "north 极星", "trading no star"):
        assert found(boss, typed) == found(narrow, typed) == ["North Star Trading"]
    assert [c.name for c in brief.ListCustomerBriefs(search="north star").customers] == ["North Star Trading"]
    assert found(boss, "north pole") == found(narrow, "north pole") == []
    assert found(boss, "n o r t h s t a r") == []


def test_a_part_of_a_records_number_is_not_taken_for_a_phone_number(boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "上海华信", "phone": "021-55667788"})

    assert re.fullmatch(r"KH\d{8}-\d{4}", made.number)
    for typed in (made.number[2:], made.number[6:], made.number[-5:], made.number[-4:], "021-55667788"):
        assert found(boss, typed) == ["上海华信"]
    assert found(boss, made.number[2:-1] + "9") == []


def test_letters_in_a_name_are_still_found_beside_its_characters(boss: Client) -> None:
    boss.CreateCustomer(customer={"name": "A轮资本有限公司"})

    assert found(boss, "a轮") == found(boss, "Ａ轮资") == ["A轮资本有限公司"]


@pytest.mark.parametrize("typed", ["ＡＢＣ（中国）", "abc(中国)", "Abc（中国)", "abc", "ＡＢＣ"])
def test_width_and_case_make_no_difference(boss: Client, typed: str) -> None:
    boss.CreateCustomer(customer={"name": "ABC（中国）有限公司"})

    assert found(boss, typed) == ["ABC（中国）有限公司"]


@pytest.mark.parametrize(
    "typed",
    [
        "13800138000",
        "138 0013 8000",
        "138-0013-8000",
        "+86 138 0013 8000",
        "８６-１３８００１３８０００",
        "0086 13800138000",
    ],
)
def test_a_mobile_number_is_found_however_it_is_typed(boss: Client, typed: str) -> None:
    boss.CreateCustomer(customer={"name": "上海华信", "mobile": "+86 138-0013-8000"})
    of_contact = boss.CreateCustomer(customer={"name": "上海恒瑞"})
    boss.CreateContact(contact={"customer_id": of_contact.id, "name": "李雷", "mobile": "13800138000"})

    assert sorted(found(boss, typed)) == ["上海华信", "上海恒瑞"]


@pytest.mark.parametrize(
    "typed", ["021-55667788", "02155667788", "(021) 5566 7788", "+86 21 55667788", "０２１－５５６６７７８８"]
)
def test_a_landline_is_found_however_it_is_typed(boss: Client, typed: str) -> None:
    boss.CreateCustomer(customer={"name": "上海华信", "phone": "021 5566-7788"})

    assert found(boss, typed) == ["上海华信"]


def test_contacts_are_found_by_the_reading_of_their_surname(boss: Client, server: Server) -> None:
    made = boss.CreateCustomer(customer={"name": "上海华信"})
    contact = boss.CreateContact(contact={"customer_id": made.id, "name": "单田芳"})

    assert contact.pinyin == "shantianfang"
    assert found(boss, "shantian") == found(boss, "stf") == ["上海华信"]


@pytest.mark.parametrize("sampled", [False, True])
def test_pages_of_words_that_many_may_have_are_whole_however_few_do(
    boss: Client, server: Server, monkeypatch: pytest.MonkeyPatch, sampled: bool
) -> None:
    monkeypatch.setattr(frequent, "WINDOW", 7)  # some pages lie within it, some reach beyond
    names = ["铜陵焱和" if i % 5 == 0 else "铜仁焱荷" for i in range(30)]
    made = [boss.CreateCustomer(customer={"name": f"{name}{i:02}"}).id for i, name in enumerate(names)]
    if sampled:  # of a table of unknown size some pages are looked at: of this one perhaps none
        server.sql("ANALYZE customer")

    words = {
        "tongling": "铜陵",
        "tongren": "铜仁",
        "tlyh": "铜陵",
        "tryh": "铜仁",
        "铜": "铜",
        "铜陵": "铜陵",
        "荷": "铜仁",
    }
    for word, start in words.items():
        expected = [i for i, name in zip(made, names, strict=True) if name.startswith(start)][::-1]
        pages: list[list[str]] = []
        token = ""
        while token or not pages:
            page = boss.ListCustomers(search=word, page_size=4, page_token=token, count="capped", fields="name,source")
            pages.append([c.id for c in page.customers])
            token = page.next_page_token
            assert page.total == len(expected)
        assert [i for one in pages for i in one] == expected
    for nobodys in ("tongirne", "陵铜", "鑫"):
        assert not boss.ListCustomers(search=nobodys, fields="name,source").customers


def test_every_kind_of_record_is_searched_by_letters_and_by_one_character(server: Server) -> None:
    def ask(call: Call) -> None:
        for record in (r for r in REGISTRY.records.values() if r.search):
            for word in ("a", "abc", "上", "上海", "上海abc", "上海 abc", "2026-01"):
                listing.page(call, record, ListRequest(search=word))

    server.service.act(ask)


def test_a_long_word_is_found_by_some_of_its_keys_and_all_of_its_letters(boss: Client) -> None:
    boss.CreateCustomer(customer={"name": "恒航软件有限责任公司"})
    word = "henghangruanjianyouxianzerengongsi"
    assert len(search.parameters(word)["search_keys"]) == search.MOST_THREES
    assert found(boss, word) == found(boss, word[:20]) == found(boss, word[3:]) == ["恒航软件有限责任公司"]
    assert not found(boss, word.replace("zeren", "zerem"))


def test_rows_from_before_three_letters_were_a_key_are_found_by_them(boss: Client, server: Server) -> None:
    for name in ("铜陵焱和Wang有限公司", "a b c", "ab1cd", "单氏实业"):
        boss.CreateCustomer(customer={"name": name})
    keys = "SELECT id, ARRAY(SELECT g FROM unnest(search_grams) AS g ORDER BY g) FROM customer ORDER BY id"
    expected = server.sql(keys)
    server.sql("UPDATE customer SET search_grams = ARRAY(SELECT g FROM unnest(search_grams) AS g WHERE length(g) < 3)")
    assert server.sql(keys) != expected

    migration = import_module("crm_records.migrations.versions.records_0007_three_letters_are_a_key_of_the_search")
    with server.service.writer.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        migration.upgrade()

    assert server.sql(keys) == expected
