"""Names of companies, people and opportunities, varied enough that a search finds few of a million.

What a record is found by is derived by the product itself for each remainder of a company's name (the name without its
place) and each name of a person; a place in front adds to it what can be put together. `test_a_million` compares some
with what the product derives from the whole.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from crm_records import search
from customer import names, pinyin, places
from customer.contacts import CONTACTS
from customer.duplicates import keys
from customer.duplicates.testing import FORMS, TRADES

REMAINDERS, PEOPLE, TITLES = 20_000, 20_000, 4_000
FREQUENT = "华东方海金新远宏天信瑞达盛联博创科泰润恒鑫德嘉美佳兴隆汇通源宝龙凤安康和平明光大中正民力诚"
RARE = "云启杭帆睿翼澜沐禾屿峻岳彦舟弘毅昊晟煜淳朗曜辰璟铭骏驰卓越擎翰墨森林溪谷川岭霖汐霁岚晗菲薇芷蓝橙青麦稻谷粟"
SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟"
)
GIVEN = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂文辉建华玉红宇浩欣怡子涵梓轩博雅晨曦思远志国"
PURPOSES = ("采购", "改造", "升级", "年度框架", "试点", "二期", "招标", "维保")
_NEUTRAL = "北京"


def grams(lines: Iterable[str]) -> frozenset[str]:
    """The pairs of these lines."""
    return frozenset(search.keys(lines)[1])


@dataclass(frozen=True)
class Place:
    """A town that has one reading, so that it stands before every spelling of a name."""

    name: str
    province: str

    @cached_property
    def pinyin(self) -> tuple[str, str]:
        return pinyin.of(self.name)

    @cached_property
    def pairs(self) -> frozenset[str]:
        found = {a + b for text in (self.name, *self.pinyin) for a, b in itertools.pairwise(text)}
        return frozenset(found | {*self.name})

    @cached_property
    def parts(self) -> names.Parts:
        return names.take_apart(f"{self.name}云启科技有限公司")


@dataclass(frozen=True)
class Remainder:
    """A company's name without its place."""

    name: str

    @cached_property
    def spellings(self) -> tuple[list[str], list[str]]:
        """(pinyin in every reading, initials in every reading)."""
        front, initials = pinyin.of(_NEUTRAL)
        every = pinyin.spellings(_NEUTRAL + self.name)
        return (
            [s.removeprefix(front) for s in every if s.startswith(front)],
            [s.removeprefix(initials) for s in every if not s.startswith(front)],
        )

    @cached_property
    def pairs(self) -> frozenset[str]:
        full, initials = self.spellings
        return grams([self.name, *full, *initials])

    @cached_property
    def parts(self) -> names.Parts:
        return names.take_apart(_NEUTRAL + self.name)

    @cached_property
    def keys(self) -> list[str]:
        return keys.of(self.parts)


@dataclass(frozen=True)
class Company:
    """A remainder behind a place."""

    place: Place
    rest: Remainder

    @property
    def name(self) -> str:
        return self.place.name + self.rest.name

    def pinyin(self) -> tuple[str, str]:
        full, initials = self.rest.spellings
        return self.place.pinyin[0] + full[0], self.place.pinyin[1] + initials[0]

    def lines(self) -> list[str]:
        """What it is found by: name and every spelling, the two that are shown first."""
        (front, letters), (full, initials) = self.place.pinyin, self.rest.spellings
        return [self.name, *self.pinyin(), *(front + s for s in full), *(letters + s for s in initials)]

    def pairs(self) -> set[str]:
        (front, letters), (full, initials) = self.place.pinyin, self.rest.spellings
        found = {*self.place.pairs, *self.rest.pairs, self.place.name[-1] + self.rest.name[0]}
        found.update(front[-1] + s[0] for s in full)
        found.update(letters[-1] + s[0] for s in initials)
        return found

    def likeness(self) -> dict[str, Any]:
        """What it is compared by."""
        parts = replace(self.rest.parts, full=names.key(self.name), places=self.place.parts.places)
        found = []
        for key in self.rest.keys:
            if key.startswith(keys.FULL):
                key = keys.FULL + parts.full
            found.append(key.replace(f"|{_NEUTRAL}", f"|{parts.province}"))
        return {
            "full_name": parts.full,
            "core": parts.core,
            "province": parts.province,
            "city": parts.city,
            "trade": parts.trade,
            "form": parts.form,
            "branch": parts.branch,
            "short_core": "",
            "domain": "",
            "keys": list(dict.fromkeys(found)),
        }


@dataclass(frozen=True)
class Found:
    """What stands in a row, and what it is found by."""

    name: str
    pinyin: str
    initials: str
    text: str
    pairs: frozenset[str]


def known_places() -> list[Place]:
    """Provinces and larger towns whose name has one reading."""
    found = []
    for province, towns in places.BY_PROVINCE.items():
        for town in (province, *towns.split()[:5]):
            place = Place(town, province)
            alone = len(pinyin.spellings(town)) == 2
            if len(town) == 2 and alone and place.parts.core == "云启" and place.parts.places == (town,):
                found.append(place)
    return found


def remainders(count: int) -> list[Remainder]:
    """Cores of two to four characters with trade and form, each once, that are one core when taken apart."""
    chance, found = random.Random(5), dict[str, Remainder]()
    while len(found) < count:
        letters = FREQUENT if chance.random() < 0.5 else FREQUENT + RARE
        core = "".join(chance.choices(letters, k=chance.choice((2, 2, 2, 3, 3, 4))))
        one = Remainder(core + chance.choice(TRADES) + chance.choice(FORMS))
        if one.parts.places == (_NEUTRAL,) and one.parts.core == core and not _joins(one.name):
            found[one.name] = one
    return list(found.values())


def _joins(name: str) -> bool:
    """Whether it may make a word with the place before it, which has a reading of its own."""
    return any(name.startswith(word[i:]) for word in pinyin.WORDS for i in range(1, len(word)))


def people(count: int) -> list[Found]:
    """Names of contacts, as the product derives them."""
    chance, found = random.Random(6), dict[str, Found]()
    while len(found) < count:
        name = chance.choice(SURNAMES) + "".join(chance.choices(GIVEN, k=chance.choice((1, 2, 2))))
        if name in found:
            continue
        full, initials = pinyin.of(name, person=True)
        row = dict.fromkeys(CONTACTS.search) | {"name": name, "pinyin": full, "pinyin_initials": initials}
        text, pairs = search.keys(CONTACTS.search_texts(None, row, None))
        found[name] = Found(name, full, initials, text, frozenset(pairs))
    return list(found.values())


def titles(count: int) -> list[Found]:
    """Titles of opportunities."""
    chance, found = random.Random(8), []
    for _ in range(count):
        core = "".join(chance.choices(FREQUENT + RARE, k=2))
        title = f"{core}{chance.choice(TRADES)}{chance.choice(PURPOSES)}项目"
        found.append(Found(title, "", "", title, grams([title])))
    return found
