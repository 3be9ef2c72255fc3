"""What people look at: the requests of each kind of page over the customers that `filling` made."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlencode

import derived
import made
from made import CUSTOMER, Place, identifier, mobile
from suite import Suite

DEEP = 1000
"""Which page counts as a deep one."""
Ask = Callable[[], str]
"""The path of the next request of a kind."""


def path(where: str, **query: object) -> str:
    return f"/v1/{where}?{urlencode(query)}" if query else f"/v1/{where}"


def kinds(suite: Suite, token: str, place: Place, count: int, mine: Sequence[int]) -> dict[str, Ask]:
    """What to ask for each kind of page. Of `count` customers the person sees `mine` for certain."""
    chance, known = random.Random(9), made.names()

    def company() -> str:
        return known.company(chance.choice(mine)).name

    def seen() -> str:
        return identifier(CUSTOMER, chance.choice(mine))

    def person() -> str:
        return place.people[chance.randrange(10)][0]

    def customers(**query: object) -> str:
        return path("customers", pageSize=20, **query)

    stages = itertools.cycle(made.STAGES[:5])
    typed = _typed(company)
    deep, by_name = (_deep(suite, token, count, order) for order in ("", "name"))
    department = place.people[0][1]
    board = f'pipeline_id = "{place.pipeline_id}" AND stage = '
    return {
        "first page": lambda: customers(),
        "page 1,000": lambda: customers(pageToken=deep),
        "by name, page 1,000": lambda: customers(orderBy="name", pageToken=by_name),
        "filtered: level and town": lambda: customers(
            filter=f'level = "a" AND city = "{chance.choice(_towns(known))}"'
        ),
        "filtered, capped total": lambda: customers(
            filter=f'level = "b" AND industry = "{chance.choice(made.INDUSTRIES)}"', count="capped"
        ),
        "filtered: level, owner, department": lambda: customers(
            filter=f'level = "c" AND owner_id = "{person()}" AND department_id = "{department}"'
        ),
        "filtered: rare level": lambda: customers(filter='level = "key"'),
        "filtered: tag": lambda: customers(filter=f'tags = "{chance.choice(made.TAGS)}"'),
        "filtered: rare tag": lambda: customers(filter='tags = "少见"'),
        "filtered: behaviour tag": lambda: customers(filter='behaviour_tags = "常看报价"'),
        "filtered: custom field": lambda: customers(filter=f'custom.segment_code = "S{chance.randrange(997)}"'),
        "filtered: valid demand": lambda: customers(filter="has_valid_demand = true"),
        "pool": lambda: customers(filter=f'pool_id = "{place.pool_id}"'),
        "by last contact": lambda: customers(orderBy="last_contact_time desc"),
        "search as typed": lambda: customers(search=next(typed)),
        "search: initials": lambda: customers(search=known.company(chance.choice(mine)).rest.spellings[1][0][:4]),
        "search: contact": lambda: customers(search=known.person(chance.choice(mine), 1).name),
        "search: pinyin of a contact": lambda: customers(search=known.person(chance.choice(mine), 1).pinyin),
        "search: phone": lambda: customers(search=mobile(chance.choice(mine), 2)),
        "search: 有": lambda: customers(search="有"),
        "search: nothing there": lambda: customers(search=f"没有这家{chance.choice(made.TAGS)}"),
        "record": lambda: path(f"customers/{seen()}"),
        "360° view": lambda: path(f"customers/{seen()}/overview"),
        "timeline": lambda: path(f"customers/{seen()}/timeline"),
        "contacts of a customer": lambda: path("contacts", filter=f'customer_id = "{seen()}"', count="capped"),
        "interactions of a customer": lambda: path(
            "interactions", filter=f'customer_id = "{seen()}"', orderBy="start_time desc"
        ),
        "contacts": lambda: path("contacts", pageSize=20),
        "interactions": lambda: path("interactions", pageSize=20),
        "board column": lambda: path(
            "opportunities", filter=f'{board}"{next(stages)}"', orderBy="expected_amount desc"
        ),
        "opportunities by amount": lambda: path("opportunities", pageSize=20, orderBy="expected_amount desc"),
        "opportunities: search": lambda: path("opportunities", search=chance.choice(known.titles).name[:2]),
        "open alerts": lambda: path("alerts", filter='state = "open"'),
        "members of a segment": lambda: path(f"segments/{derived.FROZEN}/members"),
        "statistics of a result": lambda: path("customers:count", groupBy="level", search=company()[:4]),
    }


def _towns(known: made.Names) -> list[str]:
    return [place.name for place in known.places]


def _typed(company: Callable[[], str]) -> Iterator[str]:
    """A name as it is typed, one character after the other."""
    while True:
        name = company()
        yield from (name[:n] for n in range(1, 7))


def _deep(suite: Suite, token: str, count: int, order: str) -> str:
    """Where the 1,000th page of 20 begins; where there are fewer, the last one."""
    query = {"orderBy": order} if order else {}
    found = ""
    for _ in range(min(DEEP * 20, count) // 200 - 1):
        answer = suite.call("GET", path("customers", pageSize=200, fields="id", pageToken=found, **query), token=token)
        if not answer.get("nextPageToken"):
            break
        found = answer["nextPageToken"]
    return found
