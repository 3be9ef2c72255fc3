"""Substring search made for Chinese: every two neighbouring characters of a text are a key of a GIN index.

PostgreSQL's own full-text search knows no Chinese words and pg_trgm needs three characters, two of which a
Chinese name often is. The pairs find candidates; the text itself, compared by LIKE, decides.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Table, Text, and_, bindparam, func
from sqlalchemy.dialects.postgresql import ARRAY

_SPACES = re.compile(r"\s+")
_ALONE = re.compile("[\u3400-\u9fff]")
_SEPARATORS = re.compile(r"[\s\-()+.]+")
LONGEST = 60


def normal(text: str) -> str:
    """Full width to half width, upper to lower case, one space between words."""
    if text.isascii() and text.isalnum():  # most spellings are
        return text.lower()
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip().casefold()


def digits(phone: str) -> str:
    """A phone number as it is searched: without what people put between the digits."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", phone))


def keys(texts: Iterable[str | None]) -> tuple[str, list[str]]:
    """The text that is searched and its pairs, from the values of the searchable fields."""
    lines = list(dict.fromkeys(normal(t) for t in texts if t))
    text = "\n".join(lines)
    # Many spellings share most of their pairs: told apart first, made into texts then.
    pairs = set(itertools.pairwise(text))
    grams = {a + b for a, b in pairs if a != "\n" and b != "\n"}
    grams.update(line[-1] for line in lines if line)
    grams.update(_ALONE.findall(text))
    return text, sorted(grams)


def _stands_alone(character: str) -> bool:
    """One Chinese character means something and is searched for; one letter is not worth a key."""
    return "\u3400" <= character <= "\u9fff"


def condition(table: Table) -> ColumnElement[bool]:
    """Rows whose searched text holds the words; bind with `parameters`."""
    pairs = table.c.search_grams.contains(bindparam("search_pairs", type_=ARRAY(Text)))
    return and_(pairs, table.c.search_text.like(bindparam("search_like", type_=Text)))


def holds(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """One column holds the words; bind with `parameters`."""
    return func.lower(column).like(bindparam("search_like", type_=Text))


def exactly(table: Table) -> ColumnElement[bool]:
    """Rows with an encrypted value that the words may be; bind `search_tokens`."""
    return table.c.blind_index.op("&&", is_comparison=True)(bindparam("search_tokens", type_=ARRAY(Text)))


def parameters(words: str) -> dict[str, Any]:
    """What to bind for a search."""
    text = normal(words)[:LONGEST]
    if re.fullmatch(r"[\d\s\-()+.]{5,}", text):
        text = digits(text)
    pairs = [text[i : i + 2] for i in range(len(text) - 1)] or [c for c in text if _stands_alone(c)]
    escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return {"search_pairs": pairs, "search_like": f"%{escaped}%"}
