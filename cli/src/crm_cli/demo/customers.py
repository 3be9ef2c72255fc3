"""Customers and the people there."""

import hashlib
from datetime import timedelta
from functools import cache
from itertools import accumulate
from random import Random

from crm_cli.client import Json
from crm_cli.demo.words import Place, industries, landline, mobile, person, places, trade_characters
from crm_cli.demo.world import World, moment

FORMS = ("有限公司", "有限公司", "有限公司", "股份有限公司", "有限责任公司")
PARKS = ("经济开发区", "高新区", "工业园区")
SIZES = (("micro", 1, 20), ("small", 20, 300), ("medium", 300, 1000), ("large", 1000, 20000))
SIZE_SHARES = (35, 45, 15, 5)
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""Of the unified social credit code (GB 32100-2015): no I, O, S, V, Z."""
STEP = 61_803_419
"""A prime: counting in steps of it visits every combination once, in no order that shows."""
POSITIONS = ("chairman", "general_manager", "purchasing", "chief_engineer", "finance", "liaison", "staff")
DECISION = {"chairman": "decider", "general_manager": "decider", "purchasing": "buyer", "chief_engineer": "influencer"}


def customer(world: World, number: int) -> Json:
    """The customer of a number. Its region decides who looks after it."""
    random = world.random("customer", number)
    place, trade, (industry, word), form = _name(world.seed, number)
    scale, least, most = random.choices(SIZES, SIZE_SHARES)[0]
    employees = int(least * (most / least) ** random.random())
    revenue = employees * random.lognormvariate(13.0, 0.5)  # some 440,000 yuan a head
    founded = world.today - timedelta(days=random.randrange(400, 11_000))
    head, _ = person(random)
    relation = {"large": "large", "medium": "medium"}.get(scale) or random.choice(("small", "new", "familiar"))
    return {
        "externalId": world.key("customer", number),
        "ownerId": world.seller(place.region, random),
        "name": f"{place.short}{trade}{word}{form}",
        "shortName": place.short + trade,
        "type": "enterprise",
        "level": random.choices(("key", "a", "b", "c"), (1, 3, 6, 10) if scale != "large" else (6, 3, 1, 0))[0],
        "relation": relation,
        "industry": industry,
        "ownershipKind": random.choices(("private", "state", "foreign", "joint_venture"), (80, 8, 7, 5))[0],
        "scale": scale,
        "employees": employees,
        "country": "CN",
        "province": place.province,
        "city": place.city,
        "address": f"{place.city}{random.choice(PARKS)}{trade}路{random.randrange(1, 999)}号",
        "region": place.region,
        "phone": landline(random, place),
        "legalRepresentative": head,
        "creditCode": credit_code(world.seed, number, place),
        "registeredCapital": f"{round(revenue / 5, -5) + 100_000:.2f}",
        "foundingDate": founded.isoformat(),
        "annualRevenue": f"{round(revenue, -4):.2f}",
        "source": random.choice(("referral", "exhibition", "advertising", "website", "cold_call", "partner")),
        "registrationTime": moment(world.past_day(random, 1500), random),
        "website": f"www.c{number:07}.example.com",
    }


def contacts(world: World, number: int, customer_id: str) -> list[Json]:
    """One to four people; the first is the primary one."""
    random = world.random("contacts", number)
    count = random.choices((1, 2, 3, 4), (45, 33, 16, 6))[0]
    return [
        _contact(world, random, number, place, customer_id, position)
        for place, position in enumerate(random.sample(POSITIONS, count))
    ]


def _contact(world: World, random: Random, number: int, place: int, customer_id: str, position: str) -> Json:
    name, sex = person(random)
    row: Json = {
        "externalId": world.key("contact", number, place),
        "customerId": customer_id,
        "name": name,
        "sex": sex,
        "position": position,
        "mobile": mobile(random),
        "email": f"p{place}@c{number:07}.example.com",
    }
    return (
        row
        | ({"primary": True} if place == 0 else {})
        | ({"decisionRole": DECISION[position]} if position in DECISION else {})
    )


def _name(seed: int, number: int) -> tuple[Place, str, tuple[str, str], str]:
    """Place, trade word, industry and legal form: each number its own combination."""
    cities, heavier = _cities()
    characters, lines = trade_characters(), industries()
    first, second = len(characters), len(characters) - 1
    rest = (number * STEP + _offset(seed)) % (heavier[-1] * first * second * len(lines) * len(FORMS))
    rest, form = divmod(rest, len(FORMS))
    rest, line = divmod(rest, len(lines))
    rest, one = divmod(rest, first)
    slot, other = divmod(rest, second)
    place = next(city for city, end in zip(cities, heavier, strict=True) if slot < end)
    trade = characters[one] + characters[(one + 1 + other) % first]
    return place, trade, lines[line], FORMS[form]


@cache
def _cities() -> tuple[tuple[Place, ...], tuple[int, ...]]:
    cities, weights = places()
    return cities, tuple(accumulate(weights))


@cache
def _offset(seed: int) -> int:
    """Where a seed begins to count."""
    return int.from_bytes(hashlib.sha256(f"demo:{seed}".encode()).digest()[:8])


def credit_code(seed: int, number: int, place: Place) -> str:
    """18 characters with both check digits. The body begins as no organisation's does."""
    rest = (number * STEP + _offset(seed)) % 31**6
    body = "YY"
    for _ in range(6):
        rest, digit = divmod(rest, 31)
        body += ALPHABET[digit]
    code = "91" + place.division + body + _organisation_check(body)
    weights = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
    total = sum(ALPHABET.index(one) * weight for one, weight in zip(code, weights, strict=True))
    return code + ALPHABET[-total % 31]


def _organisation_check(body: str) -> str:
    """The check character of the organisation code (GB 11714-1997)."""
    total = sum(int(one, 36) * weight for one, weight in zip(body, (3, 7, 9, 10, 5, 8, 4, 2), strict=True))
    return "0123456789X0"[11 - total % 11]
