"""A company with as many customers as one asks for, put into the databases directly: COPY, then indexes, then ANALYZE.

Everything that the product derives of a record is there as it would have derived it (see `templates`): search keys,
what names are compared by, sealed numbers with their blind index, the copies that other services keep. What no list
reads is left out: change log, audit trail, events, read models of reports.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psycopg
import templates
from crm_cli.folder import Folder
from crm_cli.settings import SERVICES as INSTALLED
from crm_cli.settings import Settings
from crm_cli.topology import Topology
from sqlalchemy import Connection
from suite import Suite

from crm_kit import db, sealing
from crm_records import blind, search
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
PIECE = 5000


def identifier(kind: int, n: int) -> str:
    """Ids whose order is that of the numbers, as if one record were made each millisecond of a day long ago."""
    first = f"{0x018000000000 + n:012x}"
    return f"{first[:8]}-{first[8:]}-7{kind:03x}-8000-{n:012x}"


ID_SQL = """
CREATE OR REPLACE FUNCTION pg_temp.made(kind int, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
SELECT (substr(h, 1, 8) || '-' || substr(h, 9) || '-7' || lpad(to_hex(kind), 3, '0') || '-8000-' ||
        lpad(to_hex(n), 12, '0'))::uuid FROM (SELECT lpad(to_hex(1649267441664 + n), 12, '0') AS h) AS first $$
"""


@dataclass(frozen=True)
class Place:
    """What a process that fills must know of the suite and of who is in it."""

    urls: dict[str, str]
    keys: Path
    people: tuple[tuple[str, str], ...]
    """(user, department): whose the customers are, in turn."""
    pool_id: str
    pipeline_id: str


def place_of(suite: Suite) -> tuple[dict[str, str], Path]:
    """The address of each service's database, and the key file."""
    settings = Settings.read(suite.environment)
    topology = Topology(settings, Folder(settings.data))
    return {s.package: topology.database_url(s) for s in INSTALLED}, settings.key_file


def seconds(n: int, i: int = 0) -> int:
    """When the i-th thing happened with the n-th customer: seconds behind BEGAN; SQL says the same."""
    return (n * 7919 + i * 10_104_729) % (2 * YEAR)


def grow(place: Place, old: int, new: int, derive: Callable[[Place, int, int], None]) -> None:
    """From so many customers to so many, with three contacts and interactions and one opportunity to each."""
    kept = {name: _without_indexes(place.urls[name]) for name in ("customer", "sales")}
    pieces = [(place, a, min(a + PIECE, new)) for a in range(old, new, PIECE)]
    apart = get_context("spawn")  # what gRPC and OpenSSL hold does not survive a fork
    try:
        with ProcessPoolExecutor(min(2, len(pieces)), apart, _take, (names(),)) as pool:
            for _ in pool.map(_piece, pieces):
                pass
        derive(place, old, new)
    finally:
        for name, indexes in kept.items():
            with psycopg.connect(place.urls[name], autocommit=True) as connection:
                connection.execute("SET maintenance_work_mem = '1GB'")
                connection.execute("SET max_parallel_maintenance_workers = 2")
                for statement in indexes:
                    connection.execute(statement)
    for name in ("customer", "sales", "service_desk", "workspace"):
        with psycopg.connect(place.urls[name], autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")


FILLED = {
    "customer": ("customer", "likeness", "contact", "interaction", "demand", "happening", "customer_usage",
                 "customer_opportunity", "alert"),
    "sales": ("opportunity",),
}  # fmt: skip


def _without_indexes(url: str) -> list[str]:
    """How to make them again: an index that is there makes each row ten times as dear."""
    name = "sales" if url.endswith("/sales") else "customer"
    query = (
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i"
        " WHERE NOT i.indisunique AND i.indrelid = ANY(%s::text[]::regclass[])"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(query, [list(FILLED[name])]).fetchall()
        for index, _ in found:
            connection.execute(f"DROP INDEX {index}")
    return [statement for _, statement in found]


class _Names:
    """Made once in each process."""

    kept: _Names | None = None

    def __init__(self) -> None:
        self.places, self.rests = templates.known_places(), templates.remainders(templates.REMAINDERS)
        self.people, self.titles = templates.people(templates.PEOPLE), templates.titles(templates.TITLES)

    def company(self, n: int) -> templates.Company:
        """The n-th company: each pair of place and remainder comes once."""
        rest = n * 7919 % len(self.rests)
        return templates.Company(self.places[(n // len(self.rests) + n * 31) % len(self.places)], self.rests[rest])

    def person(self, n: int, i: int) -> templates.Found:
        return self.people[(n * 3 + i) * 6037 % len(self.people)]


def names() -> _Names:
    _Names.kept = _Names.kept or _Names()
    return _Names.kept


def _take(known: _Names) -> None:
    _Names.kept = known


def _piece(what: tuple[Place, int, int]) -> None:
    place, first, last = what
    known = names()
    engine = db.engine(place.urls["customer"], "bench", size=1, read_only=True)
    keys = sealing.connect(engine, place.keys)
    with (
        engine.connect() as connection,
        psycopg.connect(place.urls["customer"]) as customers,
        psycopg.connect(place.urls["sales"]) as sales,
    ):
        sealer = _Sealer(keys, connection)
        rows = [_customer(place, known, sealer, n) for n in range(first, last)]
        _copy(customers, "customer", (row for row, _ in rows))
        _copy(customers, "likeness", (row for _, row in rows))
        people = (_contact(known, sealer, place, n, i) for n in range(first, last) for i in range(3))
        _copy(customers, "contact", people)
        _copy(sales, "opportunity", (_opportunity(place, known, n) for n in range(first, last)))
    engine.dispose()


class _Sealer:
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


def _customer(place: Place, known: _Names, seal: _Sealer, n: int) -> tuple[dict[str, Any], dict[str, Any]]:
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
        **{"id": record_id, "number": number, "create_time": made, "update_time": made, "creator_id": owner},
        **{"owner_id": None if pooled else owner, "department_id": department, "name": company.name},
        **{"pinyin": full, "pinyin_initials": initials, "kind": "organization", "type": chance.choice(TYPES)},
        **{"level": "key" if n % RARE == 2 else chance.choice(LEVELS), "relation": chance.choice(RELATIONS)},
        **{"industry": chance.choice(INDUSTRIES), "region": chance.choice(REGIONS), "scale": chance.choice(SCALES)},
        **{"source": chance.choice(SOURCES), "employees": chance.randrange(1, 5000), "country": "CN"},
        **{"province": company.place.province, "city": company.place.name, "enterer_id": owner},
        **{"address": f"中山路 {chance.randrange(1, 2000)} 号", "phone": phone, "blind_index": tokens},
        **{
            "registered_capital": chance.randrange(1, 500) * 100_000,
            "remarks": "由生成器写入",
            "external_id": f"m-{n}",
        },
        **{"founding_date": f"{chance.randrange(1985, 2024)}-0{chance.randrange(1, 10)}-15", "lifecycle": "potential"},
        **{"lifecycle_date": made.date(), "review_mark": "pending" if n % 20 == 3 else "approved"},
        **{"last_contact_time": BEGAN + timedelta(seconds=max(seconds(n, i) for i in range(3)))},
        **{"tags": [*tags, "少见"] if n % RARE == 3 else tags, "behaviour_tags": ["常看报价"] if n % 100 == 7 else []},
        **{"owner_time": None if pooled else made, "pool_id": place.pool_id if pooled else None},
        **{"pool_time": made if pooled else None, "has_valid_demand": n % VALID == 0},
        "custom": f'{{"segment_code": "S{n % 997}", "contract_days": {n % 365}}}' if n % 10 == 4 else "{}",
        "search_text": "\n".join(dict.fromkeys(lines)),
        "search_grams": sorted(pairs),
    }
    like = {"record_id": record_id, "record_type": "customer", "kind": "organization", **company.likeness()}
    return row, like


def _contact(known: _Names, seal: _Sealer, place: Place, n: int, i: int) -> dict[str, Any]:
    person, m = known.person(n, i), n * 3 + i
    record_id, made = identifier(CONTACT, m), BEGAN + timedelta(seconds=n % YEAR)
    sealed, tokens = seal(contact, "mobile", record_id, mobile(n, i))
    return {
        **{"id": record_id, "number": f"LX20240101-{m:07d}", "create_time": made, "update_time": made},
        **{"creator_id": place.people[n * 7 % len(place.people)][0], "customer_id": identifier(CUSTOMER, n)},
        **{"name": person.name, "pinyin": person.pinyin, "pinyin_initials": person.initials, "primary": i == 0},
        **{"position": POSITIONS[m % 3], "decision_role": ROLES[m % 5], "mobile": sealed, "blind_index": tokens},
        **{"review_mark": "approved", "search_text": person.text, "search_grams": sorted(person.pairs)},
    }


def customer_of(n: int) -> int:
    """Whose the n-th opportunity is."""
    return n - n % 10 + OWNED_BY[n % 10]


def _opportunity(place: Place, known: _Names, n: int) -> dict[str, Any]:
    chance, title, of = random.Random(n), known.titles[n * 31 % len(known.titles)], customer_of(n)
    owner, department = place.people[of * 7 % len(place.people)]
    number, stage = f"SJ20240101-{n:07d}", chance.choice(STAGES)
    made = BEGAN + timedelta(seconds=n * 61 % (2 * YEAR))
    amount, closed = chance.randrange(10_000, 5_000_000), stage in ("won", "lost")
    entered = made.isoformat().replace("+00:00", "Z")
    return {
        **{"id": identifier(OPPORTUNITY, n), "number": number, "create_time": made, "update_time": made},
        **{"creator_id": owner, "owner_id": owner, "department_id": department, "title": title.name},
        **{"customer_id": identifier(CUSTOMER, of), "state": stage if closed else "developing", "currency": "CNY"},
        **{"pipeline_id": place.pipeline_id, "stage": stage, "stage_enter_time": made, "assign_time": made},
        "stage_history": f'[{{"stage": "{stage}", "enterTime": "{entered}", "actorId": "{owner}"}}]',
        **{"probability": {"won": 100, "lost": 0}.get(stage, 25), "expected_amount": amount},
        **{"expected_close_date": (made + timedelta(days=90)).date(), "won_amount": amount if stage == "won" else None},
        **{"close_date": (made + timedelta(days=60)).date() if closed else None},
        **{"lost_reason": "price" if stage == "lost" else None},
        "search_text": f"{title.text}\n{number.lower()}",
        "search_grams": sorted(title.pairs | _number_pairs(number)),
    }


def _number_pairs(number: str) -> set[str]:
    low = number.lower()
    return {*(low[i : i + 2] for i in range(len(low) - 1)), low[-1]}


def _copy(connection: Any, table: str, rows: Iterable[dict[str, Any]]) -> None:
    """Rows with the same columns, as the text that COPY reads."""
    source: Iterator[dict[str, Any]] = iter(rows)
    first = next(source)
    columns = ", ".join(f'"{name}"' for name in first)
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        copy.write(_line(first))
        for row in source:
            copy.write(_line(row))


def _line(row: dict[str, Any]) -> str:
    return "\t".join([_text(value) for value in row.values()]) + "\n"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace("\n", "\\n")
    if value is None:
        return "\\N"
    if isinstance(value, list):
        return '{"' + '","'.join(value) + '"}' if value else "{}"
    return str(value)
