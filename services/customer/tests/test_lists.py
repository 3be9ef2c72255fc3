"""Pages of customers, compared with sorting and filtering the same rows in plain Python."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused

CITIES = ["", "上海", "杭州", "苏州"]
ORDERS = ["name", "name desc", "city", "city, name desc", "founding_date", "create_time"]
WITH_GAPS = ["city desc", "employees desc, city", "employees"]


@pytest.fixture
def rows(boss: Client) -> list[Any]:
    dice = random.Random(7)
    made = [
        {
            "external_id": f"row:{i}",
            "name": f"客户{dice.randrange(12):02}",
            "city": dice.choice(CITIES),
            "founding_date": dice.choice(["", "2001-02-03", "2010-01-01"]),
            **({} if dice.random() < 0.3 else {"employees": dice.randrange(5)}),
        }
        for i in range(60)
    ]
    ids = [r.id for r in boss.ImportCustomers(customers=made).results]
    return [boss.GetCustomer(id=i) for i in ids]


def all_pages(boss: Client, size: int, **query: Any) -> list[Any]:
    found, token = [], ""
    while True:
        page = boss.ListCustomers(page_size=size, page_token=token, fields="*", **query)
        found += page.customers
        token = page.next_page_token
        if not token:
            return found


def value(row: Any, name: str) -> Any:
    """A value as PostgreSQL sorts it: what is not there is larger than everything."""
    if name == "employees":
        return (0, row.employees) if row.HasField("employees") else (1, 0)
    if name == "create_time":
        return (0, row.create_time.ToNanoseconds())
    text = getattr(row, name)
    return (0, text) if text else (1, "")


@pytest.mark.feature("CUS-06")
@pytest.mark.parametrize(
    ("order", "size"),
    [(order, size) for order in [*ORDERS, *WITH_GAPS] for size in (7, 200)] + [(order, 1) for order in WITH_GAPS],
)
def test_pages_of_any_order_and_size_hold_every_row_once_and_in_order(
    boss: Client, rows: list[Any], order: str, size: int
) -> None:
    keys = [part.strip().split(" ") for part in order.split(",")]
    descending = keys[-1][-1] == "desc"
    expected = sorted(rows, key=lambda r: r.id, reverse=descending)
    for name, *direction in reversed(keys):
        expected.sort(key=lambda r, n=name: value(r, n), reverse=bool(direction))  # type: ignore[misc]

    found = all_pages(boss, size, order_by=order)

    assert [r.id for r in found] == [r.id for r in expected]


def employs(row: Any, number: int) -> bool:
    return row.HasField("employees") and row.employees == number


@pytest.mark.feature("CUS-06")
@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ('city = "上海"', lambda r: r.city == "上海"),
        ('city != "上海"', lambda r: r.city != "上海"),
        ("city = null", lambda r: not r.city),
        ("employees >= 3", lambda r: r.HasField("employees") and r.employees >= 3),
        ("employees in (0, 4)", lambda r: r.HasField("employees") and r.employees in (0, 4)),
        ('name:"客户1"', lambda r: "客户1" in r.name),
        ('city in ("上海", "杭州") AND NOT employees = 2', lambda r: r.city in ("上海", "杭州") and not employs(r, 2)),
        ('founding_date < 2005-01-01 OR city = "苏州"', lambda r: r.founding_date == "2001-02-03" or r.city == "苏州"),
    ],
)
def test_a_filter_leaves_just_the_rows_that_hold(boss: Client, rows: list[Any], condition: str, holds: Any) -> None:
    found = all_pages(boss, 50, filter=condition, count="exact")

    assert {r.id for r in found} == {r.id for r in rows if holds(r)}
    assert boss.ListCustomers(filter=condition, count="capped").total == len(found)


CONDITIONS = [
    'city = "上海"',
    'city != "上海"',
    'city:"海"',
    'city in ("上海", "苏州")',
    "city = null",
    "employees > 2",
    "employees = 2 AND city = null",
    'employees = 2 OR NOT city = "上海"',
    "founding_date < 2005-01-01",
    'tags = "重点"',
    'tags in ("重点", "老客户")',
    'custom.grade = "gold"',
    'custom.grade:"gold"',
    "custom.shops >= 2",
    "custom.shops != 2",
    'owner_id = "00000000-0000-7000-8000-000000000000"',
    'identity_number = "11010519491231002X"',
    'identity_number != "11010519491231002X"',
]


@pytest.mark.feature("CUS-06")
def test_not_leaves_all_that_the_condition_does_not_leave(boss: Client, rows: list[Any]) -> None:
    for key, kind in (("grade", "text"), ("shops", "number")):
        field = {"key": key, "kind": kind, "label_zh": key, "label_en": key}
        boss.CreateCustomField(record_type="customer", custom_field=field)
    filled = {"tags": ["重点"], "custom": {"grade": "gold", "shops": 2}, "identity_number": "11010519491231002X"}
    boss.CreateCustomer(customer={"name": "齐全", "kind": "individual", **filled})

    def found(text: str) -> set[str]:
        return {c.id for c in boss.ListCustomers(filter=text, page_size=200).customers}

    everybody = found("")
    for condition in CONDITIONS:
        those = found(condition)
        assert found(f"NOT ({condition})") == everybody - those, condition
        assert found(f"NOT NOT ({condition})") == those, condition
        assert found(f"{condition} OR NOT ({condition})") == everybody, condition


@pytest.mark.feature("CUS-06")
def test_a_page_token_of_another_query_or_of_nobody_is_refused(boss: Client, rows: list[Any]) -> None:
    token = boss.ListCustomers(page_size=5).next_page_token

    for wrong in ({"page_token": token, "order_by": "name"}, {"page_token": token[:-3] + "abc"}, {"page_token": "汉"}):
        with refused("INVALID_ARGUMENT", "BAD_PAGE_TOKEN"):
            boss.ListCustomers(page_size=5, **wrong)


@pytest.mark.feature("CUS-06")
@pytest.mark.parametrize(
    ("order_by", "forged"),
    [
        ("annual_revenue", "many"),
        ("annual_revenue", [1, 2]),
        ("annual_revenue", {}),
        ("create_time", "0001-01-01T00:00:00+23:59"),
        ("create_time", "9999-12-31T23:59:59-23:59"),
        ("create_time", "yesterday"),
        ("create_time", 7),
        ("employees", "many"),
        ("employees", [3]),
        ("name", 5),
        ("name", False),
    ],
)
def test_a_page_token_with_forged_values_is_refused(boss: Client, rows: list[Any], order_by: str, forged: Any) -> None:
    token = boss.ListCustomers(page_size=5, order_by=order_by).next_page_token
    query_hash, _, *rest = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    wrong = base64.urlsafe_b64encode(json.dumps([query_hash, forged, *rest]).encode()).decode()

    with refused("INVALID_ARGUMENT", "BAD_PAGE_TOKEN"):
        boss.ListCustomers(page_size=5, order_by=order_by, page_token=wrong)


@pytest.mark.feature("CUS-06")
@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"filter": "colour = red"}, "BAD_FILTER"),
        ({"filter": "employees = many"}, "BAD_FILTER"),
        ({"filter": "founding_date > yesterday"}, "BAD_FILTER"),
        ({"filter": "employees:3"}, "BAD_FILTER"),
        ({"filter": "city > null"}, "BAD_FILTER"),
        ({"filter": "custom.nothing = 1"}, "BAD_FILTER"),
        ({"filter": "search_text:x"}, "BAD_FILTER"),
        ({"order_by": "colour"}, "BAD_ORDER"),
        ({"order_by": "tags"}, "BAD_ORDER"),
        ({"order_by": "name sideways"}, "BAD_ORDER"),
        ({"order_by": "name, city, level, phone"}, "BAD_ORDER"),
        ({"page_size": 201}, "INVALID"),
        ({"page_size": -1}, "INVALID"),
        ({"fields": "name,colour"}, "INVALID"),
        ({"count": "all"}, "INVALID"),
    ],
)
def test_a_wrong_question_is_refused(boss: Client, query: dict[str, Any], reason: str) -> None:
    with refused("INVALID_ARGUMENT", reason):
        boss.ListCustomers(**query)


@pytest.mark.feature("CUS-06")
def test_only_the_fields_asked_for_are_told(boss: Client, rows: list[Any], server: Server) -> None:
    (row,) = boss.ListCustomers(page_size=1, fields="name,ownerId").customers

    assert {f.name for f, _ in row.ListFields()} == {"id", "etag", "name", "owner_id"}


@pytest.mark.feature("CUS-06")
def test_a_custom_field_is_found_by_its_whole_value_also_where_it_is_negated(boss: Client) -> None:
    field = {"key": "grade", "kind": "text", "label_zh": "等级", "label_en": "Grade"}
    boss.CreateCustomField(record_type="customer", custom_field=field)
    ids = {
        name: boss.CreateCustomer(customer={"name": name, "custom": custom}).id
        for name, custom in (("甲", {"grade": "gold"}), ("乙", {"grade": "silver"}), ("丙", {}))
    }

    def found(text: str) -> list[str]:
        names = {i: name for name, i in ids.items()}
        return sorted(names[c.id] for c in boss.ListCustomers(filter=text).customers if c.id in names)

    assert found('custom.grade = "gold"') == ["甲"]
    assert found('custom.grade = "gol"') == []
    assert found('custom.grade = "gold" OR custom.grade = "silver"') == ["乙", "甲"]
    assert found('NOT custom.grade = "gold"') == ["丙", "乙"]
    assert found('custom.grade != "gold"') == ["丙", "乙"]
    assert found("custom.grade = null") == ["丙"]
