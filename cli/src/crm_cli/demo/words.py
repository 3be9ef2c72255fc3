"""The word lists that everything is made of; they stand in small files, so that anybody can change them."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """A city as companies and telephone numbers name it."""

    region: str
    province: str
    city: str
    division: str
    """Six digits of the administrative division, as registration numbers have them."""
    area: str

    @property
    def short(self) -> str:
        """苏州市 → 苏州."""
        return self.city.removesuffix("市")


@dataclass(frozen=True, slots=True)
class Good:
    """A product of the demo company."""

    category: str
    name: str
    model: str
    unit: str
    price: int


@cache
def places() -> tuple[tuple[Place, ...], tuple[int, ...]]:
    """Cities, and how many companies each has compared with the others."""
    rows = [line.split() for line in _lines("places.txt")]
    return tuple(Place(*row[:5]) for row in rows), tuple(int(row[5]) for row in rows)


@cache
def industries() -> tuple[tuple[str, str], ...]:
    """(code, word in the name) pairs."""
    return tuple((code, word) for code, word in (line.split() for line in _lines("industries.txt")))


@cache
def goods() -> tuple[Good, ...]:
    rows = [line.split() for line in _lines("products.txt")]
    return tuple(Good(category, name, model, unit, int(price)) for category, name, model, unit, price in rows)


@cache
def trade_characters() -> str:
    return _lines("trade_characters.txt")[0]


@cache
def talk() -> dict[str, Any]:
    """What people say and write."""
    found: dict[str, Any] = json.loads(_text("talk.json"))
    return found


def person(random: Random) -> tuple[str, str]:
    """(name, sex). Frequent surnames stand first in their list and come more often."""
    surnames = _lines("surnames.txt")[0]
    sex = random.randrange(2)
    given = _lines("given.txt")[sex]
    count = 1 if random.random() < 0.35 else 2
    surname = surnames[int(len(surnames) * random.random() ** 2)]
    return surname + "".join(random.sample(given, count)), ("male", "female")[sex]


def mobile(random: Random) -> str:
    """A mobile number in a valid shape; subscribers 0000 are not given out."""
    return f"{random.choice(('135', '136', '138', '139', '150', '158', '186', '188'))}0000{random.randrange(10_000):04}"


def landline(random: Random, place: Place) -> str:
    """An area's number that begins with 0, as no real one does."""
    return f"{place.area}-0{random.randrange(10_000_000):07}"


@cache
def _lines(name: str) -> list[str]:
    return [line for line in _text(name).splitlines() if line and not line.startswith("#")]


def _text(name: str) -> str:
    return (files(__package__) / "lists" / name).read_text(encoding="utf-8")
