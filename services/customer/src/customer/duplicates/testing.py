"""Made-up companies and how people write them, with known truth: how good the check is, is measured by it."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from customer import names, pinyin, places
from customer.traditional import SIMPLIFIED

_TRADES = """
科技 信息技术 网络科技 贸易 实业 机械 电子 软件 物流 医药 食品 化工 建材 能源 纺织 仪器 文化传播
企业管理 建筑工程 环保科技 汽车配件 生物科技 广告传媒 服饰 餐饮管理 供应链管理 新材料 智能装备
电子商务 教育咨询
"""
TRADES = _TRADES.split()
FORMS = ("有限公司", "有限公司", "有限公司", "有限责任公司", "股份有限公司", "集团有限公司")
MUNICIPAL = ("北京", "上海", "天津", "重庆")
_TO_TRADITIONAL = {ord(simple): chr(full) for full, simple in SIMPLIFIED.items()}


@dataclass(frozen=True, slots=True)
class Company:
    """One company, and how it is registered."""

    place: str
    core: str
    trade: str
    form: str
    style: str = ""
    """What stands behind the place: 市 or nothing."""

    @property
    def name(self) -> str:
        return f"{self.place}{self.style}{self.core}{self.trade}{self.form}"


@dataclass(slots=True)
class Maker:
    """Makes companies of short names, and variants of them."""

    chance: random.Random
    alike: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Characters by their sound."""
    characters: list[str] = field(default_factory=list)

    def learn(self, cores: Iterable[str]) -> None:
        """Which characters names are written with."""
        seen = sorted({c for core in cores for c in core if names.HAN.match(c)})
        self.characters = seen
        for c in seen:
            self.alike[pinyin.of(c)[0]].append(c)

    def company(self, core: str) -> Company:
        """A company of a core, somewhere."""
        chance = self.chance
        province = chance.choice(sorted(places.BY_PROVINCE))
        cities = places.BY_PROVINCE[province].split()[:12]
        city = province if province in MUNICIPAL or not cities or chance.random() < 0.2 else chance.choice(cities)
        style = "市" if city not in places.BY_PROVINCE and chance.random() < 0.4 else ""
        return Company(city, core, chance.choice(TRADES), chance.choice(FORMS), style)

    def another_character(self, character: str, *, sounding_alike: bool) -> str:
        """Some other character, that sounds the same or does not; empty where there is none."""
        sound = pinyin.of(character)[0]
        if sounding_alike:
            others = [c for c in self.alike[sound] if c != character]
            return self.chance.choice(others) if others else ""
        while True:
            other = self.chance.choice(self.characters)
            if pinyin.of(other)[0][:2] != sound[:2]:
                return other

    def with_one_changed(self, company: Company, *, sounding_alike: bool) -> Company | None:
        """Its core with one character changed."""
        spots = [i for i, c in enumerate(company.core) if names.HAN.match(c)]
        if len(company.core) < 2 or not spots:
            return None
        i = self.chance.choice(spots)
        other = self.another_character(company.core[i], sounding_alike=sounding_alike)
        return replace(company, core=company.core[:i] + other + company.core[i + 1 :]) if other else None


Variant = Callable[[Maker, Company], str | None]


def _changed(maker: Maker, company: Company, *, sounding_alike: bool) -> str | None:
    found = maker.with_one_changed(company, sounding_alike=sounding_alike)
    return found.name if found else None


def _wrong(maker: Maker, company: Company) -> str | None:
    return _changed(maker, company, sounding_alike=False)


def _core_length(company: Company) -> int:
    """How long the core is; 0 where part of the short name is a trade or a place."""
    return len(company.core) if names.take_apart(company.name).core == company.core else 0


VARIANTS: dict[str, Variant] = {
    "as it is": lambda _, c: c.name,
    "core alone": lambda _, c: c.core,
    "core and trade": lambda _, c: c.core + c.trade,
    "place dropped": lambda _, c: c.core + c.trade + c.form,
    "place in brackets": lambda _, c: f"{c.core}{c.trade}（{c.place}）{c.form}",
    "place in front in brackets": lambda _, c: f"({c.place}){c.core}{c.trade}{c.form}",
    "other legal form": lambda _, c: c.place + c.core + c.trade + ("公司" if "股份" in c.form else "股份有限公司"),
    "full width and spaces": lambda _, c: _wide(f" {c.place} {c.core} {c.trade}{c.form}"),
    "traditional characters": lambda _, c: c.name.translate(_TO_TRADITIONAL),
    "trade dropped": lambda _, c: c.place + c.core + c.form,
    "homophone": lambda m, c: _changed(m, c, sounding_alike=True),
    "one wrong character, core of 2": lambda m, c: _wrong(m, c) if _core_length(c) == 2 else None,
    "one wrong character, core of 3": lambda m, c: _wrong(m, c) if _core_length(c) == 3 else None,
    "one wrong character, core of 4 or more": lambda m, c: _wrong(m, c) if _core_length(c) >= 4 else None,
    "one character left out, core of 3 or more": lambda _, c: (
        f"{c.place}{c.core[:1]}{c.core[2:]}{c.trade}{c.form}" if _core_length(c) >= 3 else None
    ),
    "core in pinyin": lambda _, c: pinyin.of(c.core)[0] if _core_length(c) >= 3 else None,
    "branch": lambda m, c: f"{c.name}{m.chance.choice(('北京', '杭州', '成都'))}分公司",
}
"""How a company that is there may be written: what is asked, by kind; None where the company has no such variant."""
OTHERS: dict[str, Variant] = {
    "another core, same place and trade": lambda m, c: replace(c, core=_invented(m)).name,
    "same core, another place and trade": lambda m, c: replace(m.company(c.core), trade=_other_trade(m, c)).name,
}
"""Companies that are not there, however much they look like one."""


def _wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else "\u3000" if c == " " else c for c in text)


def _invented(maker: Maker) -> str:
    return "".join(maker.chance.choices(maker.characters, k=3))


def _other_trade(maker: Maker, company: Company) -> str:
    return maker.chance.choice([t for t in TRADES if not {*t} & {*company.trade}])


@dataclass(slots=True)
class Tally:
    """What the check said of one kind of variant."""

    asked: int = 0
    first: int = 0
    """The company meant was told first."""
    likely: int = 0
    """It was told as the same or likely."""
    told: int = 0
    """It was told at all."""
    claimed: int = 0
    """Candidates that were told as the same or likely, the right one or not."""
    true: int = 0
    """Of these, those that were right."""

    def add(self, meant: str, candidates: Sequence[tuple[str, str]]) -> None:
        """Count one answer: (id, match) of the candidates, best first. `meant` is empty where nobody is."""
        self.asked += 1
        strong = [i for i, match in candidates if match in ("same", "likely")]
        self.first += bool(candidates) and candidates[0][0] == meant
        self.likely += meant in strong
        self.told += meant in [i for i, _ in candidates]
        self.claimed += len(strong)
        self.true += strong.count(meant) if meant else 0

    @property
    def recall(self) -> float:
        return self.likely / self.asked if self.asked else 0.0

    @property
    def precision(self) -> float:
        return self.true / self.claimed if self.claimed else 1.0
