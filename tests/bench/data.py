"""20,000 customers and 20,000 opportunities, made through the import routes as a company would bring its own."""

from __future__ import annotations

import random
from typing import Any

from suite import Suite

CUSTOMERS = OPPORTUNITIES = 20_000
PLACES = ("上海", "北京", "广州", "深圳", "杭州", "南京", "苏州", "成都", "武汉", "西安", "青岛", "大连")
WORDS = ("华", "东", "方", "海", "金", "新", "远", "宏", "天", "信", "瑞", "达", "盛", "联", "博", "创", "科", "泰")
TRADES = ("钢铁", "机械", "电子", "软件", "物流", "医药", "食品", "化工", "建材", "能源", "纺织", "仪器")
ENDS = ("有限公司", "股份有限公司", "集团", "贸易有限公司")
LEVELS, TYPES, SOURCES = ("key", "a", "b", "c"), ("enterprise", "government", "institution"), ("website", "referral")


def name(chance: random.Random) -> str:
    middle = "".join(chance.choices(WORDS, k=2))
    return f"{chance.choice(PLACES)}{middle}{chance.choice(TRADES)}{chance.choice(ENDS)}"


def customer(chance: random.Random, number: int) -> dict[str, Any]:
    """About as many fields as people fill in."""
    return {
        "externalId": f"bench-{number}",
        "name": name(chance),
        "kind": "organization",
        "type": chance.choice(TYPES),
        "level": chance.choice(LEVELS),
        "province": chance.choice(PLACES),
        "city": chance.choice(PLACES),
        "address": f"中山路 {chance.randrange(1, 2000)} 号",
        "phone": f"021-{chance.randrange(10_000_000, 99_999_999)}",
        "employees": chance.randrange(1, 5000),
        "remarks": "由导入生成",
    }


def opportunity(chance: random.Random, number: int, customer_id: str) -> dict[str, Any]:
    return {
        "externalId": f"bench-{number}",
        "title": f"{chance.choice(TRADES)}项目 {number}",
        "customerId": customer_id,
        "expectedAmount": f"{chance.randrange(10_000, 5_000_000)}.00",
        "expectedCloseDate": f"2027-{chance.randrange(1, 13):02d}-15",
    }


def load(suite: Suite, path: str, name: str, rows: list[dict[str, Any]]) -> list[str]:
    """The ids of the imported rows."""
    ids = []
    for start in range(0, len(rows), 1000):
        answer = suite.call("POST", f"{path}:import", {name: rows[start : start + 1000]})
        failed = [r for r in answer["results"] if r["outcome"] == "failed"]
        if failed:
            raise RuntimeError(f"{path}: {failed[0]}")
        ids += [r["id"] for r in answer["results"]]
    return ids


def fill(suite: Suite) -> tuple[list[str], list[str]]:
    """Ids of the customers and of the opportunities (none where there is no sales service)."""
    chance = random.Random(7)
    customers = load(suite, "/v1/customers", "customers", [customer(chance, n) for n in range(CUSTOMERS)])
    if not suite.installed("sales"):
        return customers, []
    suite.settle()  # sales has heard of the customers then
    rows = [opportunity(chance, n, chance.choice(customers)) for n in range(OPPORTUNITIES)]
    return customers, load(suite, "/v1/opportunities", "opportunities", rows)
