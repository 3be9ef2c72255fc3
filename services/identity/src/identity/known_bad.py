"""Passwords that somebody who tries would try early: common ones, names, rows of the keyboard, repetitions.

What is known of a person or a firm, and the policy's own words, count for nothing: what is left of a password beside
them must be long enough by itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cache
from itertools import islice, product
from pathlib import Path

ENOUGH = 8
"""Letters and digits beside names and the like."""
SHORTEST_WORD = 3
"""A shorter name stands in too many words."""
VARIED = 6
"""Characters left at least where runs of the keyboard count as one."""

_SWAPPED = str.maketrans("@$013457!", "asoieasti")
_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "abcdefghijklmnopqrstuvwxyz", "0123456789")
_BLOCK = re.compile(r"(.{1,4}?)\1{2,}|(.{3,8}?)\2")
_RUN = 4
"""Neighbours on the keyboard from which on they count as one."""


@cache
def common() -> frozenset[str]:
    """The list, read when the first password is set."""
    return frozenset((Path(__file__).parent / "lists" / "known_bad.txt").read_text().split())


def is_common(password: str) -> bool:
    """On the list: as it is, with letters for the digits that stand for them, without what hangs on at its ends."""
    folded = password.casefold()
    forms = {folded, _letters(folded), folded.strip("0123456789!@#$%^&*()-_=+.,?~ ")}
    forms |= {form.translate(_SWAPPED) for form in set(forms)}
    return not forms.isdisjoint(common())


def is_monotonous(password: str) -> bool:
    """Made of repetitions, or little is left when every run along the keyboard or the alphabet counts as one."""
    folded = password.casefold()
    whole = _BLOCK.fullmatch(folded)
    return bool(whole) or len(_without_runs(folded)) < VARIED or len(set(folded)) < 4


def leans_on(password: str, words: Iterable[str]) -> bool:
    """Whether too little is left of the password beside these words."""
    rest = _letters(password.casefold())
    whole = rest
    for word in sorted({_letters(w.casefold()) for w in words}, key=len, reverse=True):
        if len(word) >= SHORTEST_WORD or (len(word) == 2 and not word.isascii()):
            rest = rest.replace(word, "")
    return rest != whole and len(rest) < ENOUGH


def of_person(username: str, name: str) -> list[str]:
    """The words that a person's password must not rest on: user name, name, name in pinyin, in both orders."""
    return [username, *re.split(r"[._@-]", username), name, *spoken(name)]


def spoken(name: str) -> list[str]:
    """A Chinese name in pinyin, in every reading, family name first or last; nothing for a name in letters."""
    if name.isascii():
        return []
    # The tables weigh more than the rest of the service, so they are loaded when the first password is set.
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
    os.environ.setdefault("PYPINYIN_NO_DICT_COPY", "true")
    from pypinyin import Style, pinyin

    readings = pinyin(name[:8], style=Style.NORMAL, heteronym=True)
    found = []
    for syllables in islice(product(*(dict.fromkeys(r) for r in readings)), 16):
        found += ["".join(syllables), "".join([*syllables[1:], syllables[0]]), "".join(syllables[1:])]
    return found


def _letters(text: str) -> str:
    return "".join(c for c in text if c.isalnum())


def _without_runs(folded: str) -> str:
    """Of every run of neighbours, forwards, backwards or the same key again, only the first is kept."""
    kept, i = [], 0
    while i < len(folded):
        length = max(_run(folded[i:], step) for step in (0, 1, -1))
        kept.append(folded[i])
        i += length if length >= _RUN else 1
    return "".join(kept)


def _run(text: str, step: int) -> int:
    """How many characters from the start are neighbours in one row, `step` apart."""
    longest = 1
    for row in (text[:1],) if step == 0 else _ROWS:
        place, length = row.find(text[0]), 1
        while place >= 0 and length < len(text) and 0 <= place + step < len(row) and row[place + step] == text[length]:
            place, length = place + step, length + 1
        longest = max(longest, length)
    return longest
