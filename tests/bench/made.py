"""The rows of a company that does not exist: the n-th customer, its contacts, the n-th opportunity.

Everything that the product derives of a record is there as it would have derived it (see `templates`): search keys,
what names are compared by, sealed numbers with their blind index. The same number always makes the same row.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import templates
from sqlalchemy import Connection

from crm_kit import sealing
from crm_records import blind
from customer.tables import contact, customer

USERS, DEPARTMENTS = 1000, 100
POOLED, VALID, TAGGED, RARE = 50, 20, 10, 5000
"""One customer in so many lies in the pool, has a valid demand, has tags, has a tag and a level that few have."""
BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
YEAR = 365 * 86400
LEVELS, TYPES = ("c",) * 6 + ("b",) * 3 + ("a",), ("enterprise",) * 8 + ("government", "institution", "distributor")
RELATIONS = ("to_develop", "developing", "small", "medium", "large", "new", "familiar")
INDUSTRIES = ("manufacturing", "software", "finance", "retail", "construction", "transport", "energy", "medical")
REGIONS, SCALES = ("north", "east", "south", "central", "southwest"), ("large", "medium", "small", "micro")
SOURCES = ("referral", "exhibition", "website", "cold_call", "partner")
TAGS = ("重点", "展会", "老客户", "有意向", "待回访", "上市公司")
ROLES, POSITIONS = ("decider", "influencer", "user", "buyer", "gatekeeper"), ("general_manager", "purchasing", "staff")
STAGES = ("qualification", "analysis", "proposal", "negotiation", "won", "won", "won", "lost", "lost", "lost")
OWNED_BY = (0, 0, 0, 1, 1, 2, 3, 4, 6, 8)
"""Of ten opportunities, whose each is among ten customers: some have several, some none."""
CUSTOMER, CONTACT, OPPORTUNITY, INTERACTION, DEMAND, USER, DEPARTMENT, OTHER = range(1, 9)


def identifier(kind: int, n: int) -> str:
    """Ids whose order is that of the numbers, as if one record were made each millisecond of a day long ago."""
    first = f"{0x018000000000 + n:012x}"
    return f"{first[:8]}-{first[8:]}-7{kind:03x}-8000-{n:012x}"


@dataclass(frozen=True)
class Place:
    """What a process that fills must know of the suite and of who is in it."""

    urls: dict[str, str]
    keys: Path
    people: tuple[tuple[str, str], ...]
    """(user, department): whose the customers are, in turn."""
    pool_id: str
    pipeline_id: str


def seconds(n: int, i: int = 0) -> int:
    """When the i-th thing happened with the n-th customer: seconds behind BEGAN; SQL says the same."""
    return (n * 7919 + i * 10_104_729) % (2 * YEAR)


class Names:
    """Made once in each process."""

    kept: Names | None = None

    def __init__(self) -> None:
        self.places, self.rests = templates.known_places(), templates.remainders(templates.REMAINDERS)
        self.people, self.titles = templates.people(templates.PEOPLE), templates.titles(templates.TITLES)

    def company(self, n: int) -> templates.Company:
        """The n-th company: each pair of place and remainder comes once."""
        rest = n * 7919 % len(self.rests)
        return templates.Company(self.places[(n // len(self.rests) + n * 31) % len(self.places)], self.rests[rest])

    def person(self, n: int, i: int) -> templates.Found:
        return self.people[(n * 3 + i) * 6037 % len(self.people)]


def names() -> Names:
    Names.kept = Names.kept or Names()
    return Names.kept


class Sealer:
    """Seals as `rows.driver` does, without a look at the other columns."""

    def __init__(self, keys: sealing.Keyring, connection: Connection) -> None:
        self._keys, self._connection = keys, connection

    def __call__(self, table: Any, column: str, row_id: str, value: str) -> tuple[str, list[str]]:
        sealed = self._keys.seal(self._connection, sealing.place(table.name, column, row_id), value.encode())
        tokens = blind.of(table).tokens(self._keys, self._connection, {column: value})
        return "\\x" + sealed.hex(), tokens


def mobile(n: int, i: int) -> str:
    """The number of a contact: about three of a million people share one."""
    return f"1{3_000_000_000 + (n * 3 + i) * 1_000_003 % 999_999_937}"


def customer_row(place: Place, known: Names, seal: Sealer, n: int) -> tuple[dict[str, Any], dict[str, Any]]:
    chance, company, record_id = random.Random(n), known.company(n), identifier(CUSTOMER, n)
    owner, department = place.people[n * 7 % len(place.people)]
    pooled, number = n % POOLED == 1, f"KH20240101-{n:07d}"
    shown, *spelt = company.lines()
    contacts = [known.person(n, i) for i in range(3)]
    lines = [shown, *spelt[:2], number.lower(), *spelt[2:], *(x for c in contacts for x in c.text.split("\n"))]
    pairs = company.pairs().union(_number_pairs(number), *(c.pairs for c in contacts))
    phone, tokens = seal(customer, "phone", record_id, f"021-{(n * 1_000_003) % 90_000_000 + 10_000_000}")
    made = BEGAN + timedelta(seconds=n % YEAR)
    full, initials = company.pinyin()
    tags = list({chance.choice(TAGS), chance.choice(TAGS)}) if n % TAGGED == 0 else []
    row = {
        "id": record_id,
        "number": number,
        "create_time": made,
        "update_time": made,
        "creator_id": owner,
        "owner_id": None if pooled else owner,
        "department_id": department,
        "name": company.name,
        "pinyin": full,
        "pinyin_initials": initials,
        "kind": "organization",
        "type": chance.choice(TYPES),
        "level": "key" if n % RARE == 2 else chance.choice(LEVELS),
        "relation": chance.choice(RELATIONS),
        "industry": chance.choice(INDUSTRIES),
        "region": chance.choice(REGIONS),
        "scale": chance.choice(SCALES),
        "source": chance.choice(SOURCES),
        "employees": chance.randrange(1, 5000),
        "country": "CN",
        "province": company.place.province,
        "city": company.place.name,
        "enterer_id": owner,
        "address": f"中山路 {chance.randrange(1, 2000)} 号",
        "phone": phone,
        "blind_index": tokens,
        "registered_capital": chance.randrange(1, 500) * 100_000,
        "remarks": "由生成器写入",
        "external_id": f"m-{n}",
        "founding_date": f"{chance.randrange(1985, 2024)}-0{chance.randrange(1, 10)}-15",
        "lifecycle": "potential",
        "lifecycle_date": made.date(),
        "review_mark": "pending" if n % 20 == 3 else "approved",
        "last_contact_time": BEGAN + timedelta(seconds=max(seconds(n, i) for i in range(3))),
        "tags": [*tags, "少见"] if n % RARE == 3 else tags,
        "behaviour_tags": ["常看报价"] if n % 100 == 7 else [],
        "owner_time": None if pooled else made,
        "pool_id": place.pool_id if pooled else None,
        "pool_time": made if pooled else None,
        "has_valid_demand": n % VALID == 0,
        "custom": f'{{"segment_code": "S{n % 997}", "contract_days": {n % 365}}}' if n % 10 == 4 else "{}",
        "search_text": "\n".join(dict.fromkeys(lines)),
        "search_grams": sorted(pairs),
    }
    like = {"record_id": record_id, "record_type": "customer", "kind": "organization", **company.likeness()}
    return row, like


def contact_row(known: Names, seal: Sealer, place: Place, n: int, i: int) -> dict[str, Any]:
    person, m = known.person(n, i), n * 3 + i
    record_id, made = identifier(CONTACT, m), BEGAN + timedelta(seconds=n % YEAR)
    sealed, tokens = seal(contact, "mobile", record_id, mobile(n, i))
    return {
        "id": record_id,
        "number": f"LX20240101-{m:07d}",
        "create_time": made,
        "update_time": made,
        "creator_id": place.people[n * 7 % len(place.people)][0],
        "customer_id": identifier(CUSTOMER, n),
        "name": person.name,
        "pinyin": person.pinyin,
        "pinyin_initials": person.initials,
        "primary": i == 0,
        "position": POSITIONS[m % 3],
        "decision_role": ROLES[m % 5],
        "mobile": sealed,
        "blind_index": tokens,
        "review_mark": "approved",
        "search_text": person.text,
        "search_grams": sorted(person.pairs),
    }


def customer_of(n: int) -> int:
    """Whose the n-th opportunity is."""
    return n - n % 10 + OWNED_BY[n % 10]


def opportunity_row(place: Place, known: Names, n: int) -> dict[str, Any]:
    chance, title, of = random.Random(n), known.titles[n * 31 % len(known.titles)], customer_of(n)
    owner, department = place.people[of * 7 % len(place.people)]
    number, stage = f"SJ20240101-{n:07d}", chance.choice(STAGES)
    made = BEGAN + timedelta(seconds=n * 61 % (2 * YEAR))
    amount, closed = chance.randrange(10_000, 5_000_000), stage in ("won", "lost")
    entered = made.isoformat().replace("+00:00", "Z")
    return {
        "id": identifier(OPPORTUNITY, n),
        "number": number,
        "create_time": made,
        "update_time": made,
        "creator_id": owner,
        "owner_id": owner,
        "department_id": department,
        "title": title.name,
        "customer_id": identifier(CUSTOMER, of),
        "state": stage if closed else "developing",
        "currency": "CNY",
        "pipeline_id": place.pipeline_id,
        "stage": stage,
        "stage_enter_time": made,
        "assign_time": made,
        "stage_history": f'[{{"stage": "{stage}", "enterTime": "{entered}", "actorId": "{owner}"}}]',
        "probability": {"won": 100, "lost": 0}.get(stage, 25),
        "expected_amount": amount,
        "expected_close_date": (made + timedelta(days=90)).date(),
        "won_amount": amount if stage == "won" else None,
        "close_date": (made + timedelta(days=60)).date() if closed else None,
        "lost_reason": "price" if stage == "lost" else None,
        "search_text": f"{title.text}\n{number.lower()}",
        "search_grams": sorted(title.pairs | _number_pairs(number)),
    }


def _number_pairs(number: str) -> set[str]:
    low = number.lower()
    return {*(low[i : i + 2] for i in range(len(low) - 1)), low[-1]}
