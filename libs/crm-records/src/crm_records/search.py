"""Substring search made for Chinese: every two neighbouring characters of a text are a key of a GIN index.

PostgreSQL's own full-text search knows no Chinese words and pg_trgm needs three characters, two of which a
Chinese name often is. Of letters, in which pinyin and initials are written, every three are a key as well: almost
every row holds each pair of them. The keys find candidates; the text itself, compared by LIKE, decides.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Table,
    Text,
    all_,
    and_,
    any_,
    bindparam,
    func,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import visitors

_SPACES = re.compile(r"\s+")
_ALONE = re.compile("[\u3400-\u9fff]")
_SEPARATORS = re.compile(r"[\s\-()+.]+")
_HAN, _LATIN = r"[\u3400-\u9fff]", r"[a-z]"
_MIXED = re.compile(f"{_HAN}{_LATIN}|{_LATIN}{_HAN}")
_PARTS = re.compile(rf"{_HAN}+|[^\u3400-\u9fff\s]+")
_LETTERS = re.compile("[a-z]{3,}")
_THREE_LETTERS = re.compile("[a-z]{3}")
CLOSED_POOLS = "search_closed_pools"
_PHONE = re.compile(r"[\d\s\-()+.]{5,}")
_BETWEEN = re.compile(r"[\s\-]+")
_DIGITS = re.compile(r"\d+")
_NUMBER = re.compile("[0-9a-z]{2}[0-9]{6}[0-9a-z]{10}")
"""A credit code or an identity number."""
LONGEST = 60
MOST_WORDS = 5
"""Words that are looked for one by one; what stands behind them is one more, with its blanks."""
MOST_THREES = 10
"""Keys of letters that one word is looked up by."""


def normal(text: str) -> str:
    """Full width to half width, upper to lower case, one space between words."""
    if text.isascii() and text.isalnum():  # most spellings are
        return text.lower()
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip().casefold()


def digits(phone: str) -> str:
    """A phone number as it is searched: without what people put between the digits."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", phone))


def words_of(typed: str) -> list[str]:
    """The words of what was typed: each is to be found. A number in groups is one word; nothing where nothing is."""
    text = normal(typed)[:LONGEST].strip()
    if " " not in text or _PHONE.fullmatch(text):
        return [text] if text else []
    if number := number_of(text):
        return [number]
    return list(dict.fromkeys(text.split(" ", MOST_WORDS - 1)))


def number_of(text: str) -> str:
    """A text in the form of a credit code or an identity number, without what people put between; else nothing."""
    together = _BETWEEN.sub("", text.lower())
    return together if _NUMBER.fullmatch(together) else ""


def keys(texts: Iterable[str | None]) -> tuple[str, list[str]]:
    """The text that is searched and its keys, from the values of the searchable fields."""
    lines = list(dict.fromkeys([normal(t) for t in texts if t]))
    text = "\n".join(lines)
    # Many spellings share most of their pairs: told apart first, made into texts then. In the order of the text, so
    # that the same text has the same keys in the same order.
    grams = dict.fromkeys([a + b for a, b in dict.fromkeys(itertools.pairwise(text)) if a != "\n" != b])
    grams |= dict.fromkeys([line[-1] for line in lines if line])
    grams |= dict.fromkeys(_ALONE.findall(text))
    for letters in _LETTERS.findall(text):
        grams |= dict.fromkeys([letters[i : i + 3] for i in range(len(letters) - 2)])
    return text, list(grams)


def _stands_alone(character: str) -> bool:
    """One Chinese character means something and is searched for; one letter is not worth a key."""
    return "\u3400" <= character <= "\u9fff"


def condition(table: Table) -> ColumnElement[bool]:
    """Rows whose searched text holds the words; bind with `parameters`."""
    keys_ = table.c.search_grams.contains(bindparam("search_keys", type_=ARRAY(Text)))
    return and_(keys_, like(table.c.search_text))


def like(text: ColumnElement[Any]) -> ColumnElement[bool]:
    """A text in the spelling that is searched holds the words; bind with `parameters`."""
    return text.like(any_(bindparam("search_likes", type_=ARRAY(Text))))


def of_word(condition: ColumnElement[bool], place: int) -> ColumnElement[bool]:
    """The condition of a search for another word; bind with `named`. That of the first is the condition itself."""

    def renamed(element: Any, **_: Any) -> Any:
        if isinstance(element, BindParameter) and element.key.startswith("search_"):
            return bindparam(_named(element.key, place), type_=element.type)
        return None

    return visitors.replacement_traverse(condition, {}, renamed) if place else condition


def named(parameters: Mapping[str, Any], place: int) -> dict[str, Any]:
    """What to bind for the word at this place."""
    return {_named(name, place): value for name, value in parameters.items()}


def _named(name: str, place: int) -> str:
    return f"{name}_{place}" if place else name


def holds(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """One column holds the words; bind with `parameters`."""
    return like(func.lower(column))


def exactly(
    table: Table, *, tokens: str = "search_tokens", wholes: Sequence[str] = (), pooled: str = ""
) -> ColumnElement[bool]:
    """Rows with an encrypted value that is asked for, where `tokens` names what is bound, or with one of the `wholes`,
    columns whose whole value is: bind `whole` of each, and the pools in which they do not count, if one is `pooled`.

    Their ids are looked up first: PostgreSQL believes that many rows hold a token, and would rather walk through the
    whole table in the order of a page than ask the index for the few that do.
    """
    same = table.alias()
    held: list[ColumnElement[bool]] = []
    if tokens:
        held.append(same.c.blind_index.op("&&", is_comparison=True)(bindparam(tokens, type_=ARRAY(Text))))
    for name in wholes:
        there = [same.c[name] == any_(bindparam(whole(name), type_=ARRAY(Text))), same.c.delete_time.is_(None)]
        if pooled:
            closed = bindparam(CLOSED_POOLS, type_=ARRAY(same.c[pooled].type))
            there.append(or_(same.c[pooled].is_(None), same.c[pooled] != all_(closed)))
        held.append(and_(*there))
    found = [select(same.c.id).where(one) for one in held]
    chosen = found[0].scalar_subquery() if len(found) == 1 else union_all(*found).scalar_subquery()
    ids = func.array(chosen, type_=ARRAY(table.c.id.type))
    return table.c.id == any_(ids)


def whole(name: str) -> str:
    """What the values of a column that is found by its whole value are bound by."""
    return f"search_whole_{name}"


def parameters(words: str) -> dict[str, Any]:
    """What to bind for one word. Words in Chinese and in letters run together may also stand apart: 上海jd finds what
    has 上海 in its name and jd among its initials, which are searched behind the name. Digits with hyphens are a phone
    number, which is searched without them, or the number of a record, which has them: their keys are those of both."""
    text = normal(words)[:LONGEST]
    likes, parts = [text], [text]
    if _PHONE.fullmatch(text):
        number = digits(text)
        likes = [text, number] if re.fullmatch(r"[\d\-]+", text) else [number]
        parts = _DIGITS.findall(text) if len(likes) > 1 else likes
    elif _MIXED.search(text):
        apart = sorted(_PARTS.findall(text), key=lambda part: not _stands_alone(part[0]))
        # One letter is among the initials of almost everything.
        parts = apart if all(len(part) > 1 or _stands_alone(part) for part in apart) else parts
    asked = [key for part in parts for key in _keys_of(part)]
    asked = asked or [c for part in parts for c in part if _stands_alone(c)]
    patterns = [f"%{_escaped(like)}%" for like in likes]
    if len(likes) == 1:
        patterns.append(f"%{'%'.join(map(_escaped, parts))}%")
    return {"search_keys": asked, "search_like": patterns[0], "search_likes": list(dict.fromkeys(patterns))}


def _keys_of(part: str) -> list[str]:
    """The fewest keys that say the most: three letters where there are, a pair where none of its threes is letters. Of
    a long word some from its beginning to its end: each is a list that the index reads, of up to every second row."""
    threes = [i for i in range(len(part) - 2) if _THREE_LETTERS.match(part, i)]
    pairs = [part[i : i + 2] for i in range(len(part) - 1) if {i - 1, i}.isdisjoint(threes)]
    if len(threes) > MOST_THREES:
        threes = [threes[round(n * (len(threes) - 1) / (MOST_THREES - 1))] for n in range(MOST_THREES)]
    return [*(part[i : i + 3] for i in threes), *pairs]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
