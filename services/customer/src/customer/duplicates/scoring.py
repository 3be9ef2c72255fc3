"""How alike two are, from 0 to 1, and why.

The core of a company's name decides first: equal, sounding alike, or differing by one character. Place and trade that
are the same speak for it, those that differ against it; one that is not said is neither. Further signs are put together
as independent ones: what is left of the doubt is the product of what each leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from crm_kit import errors
from customer import names, places
from customer.duplicates import keys

SAME, LIKELY, POSSIBLE = 0.85, 0.70, 0.50
"""From where a candidate counts as the same, as likely and as possible; below, it is not told."""

EQUAL_CORE = 0.80
SOUND_CORE, SHORT_SOUND_CORE = 0.68, 0.62
NEAR_CORE, SHORT_NEAR_CORE, SHORTEST_NEAR_CORE = 0.60, 0.55, 0.45
"""Of cores of four characters or more, of three, of two: the shorter, the more companies are so by chance."""
SAME_PLACE, OTHER_CITY, OTHER_PLACE = 0.10, -0.20, -0.25
SAME_TRADE, OTHER_TRADE = 0.08, -0.22
BRANCH = 0.80
"""A branch or a group is another legal person: at most likely."""
OTHER_CODE = 0.60
"""So are two with different credit codes: at most possible."""
EQUAL_NAME, EQUAL_PERSON = 1.0, 0.55
PHONE, EMAIL, DOMAIN, ADDRESS, CODE = 0.72, 0.75, 0.45, 0.35, 1.0

REASONS: dict[str, tuple[str, str]] = {
    "same_credit_code": ("统一社会信用代码相同", "Same credit code"),
    "other_credit_code": ("统一社会信用代码不同", "Another credit code"),
    "same_name": ("名称相同", "Same name"),
    "same_core": ("字号相同", "Same core of the name"),
    "same_sound": ("字号读音相同", "The core of the name sounds the same"),
    "similar_core": ("字号差一个字", "The core of the name differs by one character"),
    "same_place": ("地区相同", "Same place"),
    "other_place": ("地区不同", "Another place"),
    "same_trade": ("行业相同", "Same trade"),
    "other_trade": ("行业不同", "Another trade"),
    "branch": ("总公司与分公司或集团", "Parent and branch, or a group"),
    "same_phone": ("电话相同", "Same phone number"),
    "same_number": ("电话、邮箱或账号相同", "A number, address or account in common"),
    "same_email": ("邮箱相同", "Same email address"),
    "same_domain": ("网站或邮箱域名相同", "Same domain of website or email"),
    "same_address": ("地址相同", "Same address"),
}
errors.texts({f"duplicate_{code}": texts for code, texts in REASONS.items()})


class Named(Protocol):
    """A name taken apart: `names.Parts`, or a row of `likeness`."""

    @property
    def core(self) -> str: ...
    @property
    def province(self) -> str: ...
    @property
    def city(self) -> str: ...
    @property
    def trade(self) -> str: ...
    @property
    def form(self) -> str: ...
    @property
    def branch(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike, and the codes of the reasons."""

    score: float
    reasons: tuple[str, ...]
    by: frozenset[str] = frozenset()
    """The fields that were found equal, where a reader may not see them: any of these is enough."""


NONE = Likeness(0.0, ())


def of_names(one: Named, other: Named, full: str, other_full: str, short_core: str = "") -> Likeness:
    """How alike two companies' names are. `short_core` is that of the other's short name."""
    if full and full == other_full:
        return Likeness(EQUAL_NAME, ("same_name",))
    core, reason = _cores(one.core, other.core)
    if short_core and core < EQUAL_CORE:
        core, reason = max((core, reason), _cores(one.core, short_core))
    if not core:
        return NONE
    reasons = [reason]
    if place := _place(one, other):
        reasons.append("same_place" if place > 0 else "other_place")
    if trade := _trade(one.trade, other.trade):
        reasons.append("same_trade" if trade > 0 else "other_trade")
    score = core + place + trade
    if one.branch != other.branch or ("集团" in one.form) != ("集团" in other.form):
        reasons.append("branch")
        score = min(score - 0.05, BRANCH)
    return Likeness(max(0.0, min(score, 0.99)), tuple(reasons))


def together(found: Sequence[Likeness]) -> Likeness:
    """Several signs put together."""
    doubt = 1.0
    for one in found:
        doubt *= 1.0 - one.score
    return Likeness(1.0 - doubt, tuple(dict.fromkeys(r for one in found for r in one.reasons)))


def match(score: float) -> str:
    """The score as a word; empty below what is told."""
    return "same" if score >= SAME else "likely" if score >= LIKELY else "possible" if score >= POSSIBLE else ""


def _cores(one: str, other: str) -> tuple[float, str]:
    if not one or not other:
        return 0.0, ""
    if one == other:
        return EQUAL_CORE, "same_core"
    shorter = min(len(one), len(other))
    if _sounds(one) & _sounds(other):
        return (SOUND_CORE if shorter > 2 else SHORT_SOUND_CORE), "same_sound"
    if shorter >= 2 and _one_apart(one, other):
        return {2: SHORTEST_NEAR_CORE, 3: SHORT_NEAR_CORE}.get(shorter, NEAR_CORE), "similar_core"
    return 0.0, ""


@lru_cache(maxsize=10_000)
def _sounds(core: str) -> frozenset[str]:
    return frozenset(keys.sounds(core))


def _one_apart(one: str, other: str) -> bool:
    """Whether one character was put in, left out or changed."""
    if len(one) > len(other):
        one, other = other, one
    if len(other) - len(one) > 1:
        return False
    i = 0
    while i < len(one) and one[i] == other[i]:
        i += 1
    return one[i + 1 :] == other[i + 1 :] if len(one) == len(other) else one[i:] == other[i + 1 :]


def _place(one: Named, other: Named) -> float:
    if not one.province or not other.province:
        return 0.0
    if one.province != other.province:
        return OTHER_PLACE
    differs = one.city and other.city and one.city != other.city
    return SAME_PLACE if not differs or _large(one.province) else OTHER_CITY


def _large(province: str) -> bool:
    """One of the four cities that are a province: its districts are one place."""
    return province in ("北京", "上海", "天津", "重庆", "香港", "澳门")


def _trade(one: str, other: str) -> float:
    if not one or not other:
        return 0.0
    if one == other or one in other or other in one:
        return SAME_TRADE
    return 0.0 if {*_pairs(one)} & {*_pairs(other)} else OTHER_TRADE


def _pairs(text: str) -> list[str]:
    return [text[i : i + 2] for i in range(len(text) - 1)]


def labels(language: str, codes: Sequence[str]) -> list[tuple[str, str]]:
    """(code, what people read)"""
    return [(code, errors.text(f"duplicate_{code}", language, {})) for code in codes]


def same_address(one: str, other: str) -> bool:
    """Whether two addresses are one: width, brackets, spaces and the names of places in front do not count."""
    return bool(one) and _bare_address(one) == _bare_address(other)


@lru_cache(maxsize=10_000)
def _bare_address(text: str) -> str:
    bare = names.key(text)
    while (found := places.at_start(bare))[0]:
        bare = bare[found[1] :]
    return bare
