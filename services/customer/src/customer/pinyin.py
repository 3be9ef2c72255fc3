"""Pinyin of names, loaded when the first name is written: the tables weigh more than the rest of the service.

The table of phrases would take 40 MiB more and still not know every name, so a name is found by each reading that
its characters may have (长江: changjiang and zhangjiang); the reading shown is right for the common words below.
"""

from __future__ import annotations

import os
from functools import lru_cache
from itertools import islice, product
from typing import Any

os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
os.environ.setdefault("PYPINYIN_NO_DICT_COPY", "true")

WORDS = {
    "重庆": ["chong", "qing"],
    "长江": ["chang", "jiang"],
    "长春": ["chang", "chun"],
    "长沙": ["chang", "sha"],
    "长城": ["chang", "cheng"],
    "长安": ["chang", "an"],
    "长虹": ["chang", "hong"],
    "长治": ["chang", "zhi"],
    "厦门": ["xia", "men"],
    "银行": ["yin", "hang"],
    "行业": ["hang", "ye"],
    "乐清": ["yue", "qing"],
    "音乐": ["yin", "yue"],
    "六安": ["lu", "an"],
    "蚌埠": ["beng", "bu"],
    "台州": ["tai", "zhou"],
    "朝阳": ["chao", "yang"],
    "会计": ["kuai", "ji"],
    "番禺": ["pan", "yu"],
    "东莞": ["dong", "guan"],
    "调味": ["tiao", "wei"],
    "单县": ["shan", "xian"],
    "大厦": ["da", "sha"],
    "重工": ["zhong", "gong"],
    "传奇": ["chuan", "qi"],
    "曾": ["zeng"],
    "欧阳": ["ou", "yang"],
}
"""Words of company and personal names whose characters have several readings, with the right one."""
_BY_FIRST: dict[str, list[str]] = {}
for _word in WORDS:
    _BY_FIRST.setdefault(_word[0], []).append(_word)
MOST_READINGS = 16
"""Spellings of one name that are searched for."""


@lru_cache(maxsize=1_000)
def of(text: str) -> tuple[str, str]:
    """(full pinyin without tones, initials) as it is read; letters and digits stand for themselves."""
    first = [syllables[0] for syllables in _syllables(text)]
    return "".join(first)[:500], "".join(s[0] for s in first)[:200]


def spellings(text: str) -> list[str]:
    """Every pinyin and every row of initials that somebody may type for a name."""
    ways = list(islice(product(*_syllables(text)), MOST_READINGS))
    return list(dict.fromkeys(["".join(w) for w in ways] + ["".join(s[0] for s in w) for w in ways]))


@lru_cache(maxsize=1_000)
def _syllables(text: str) -> tuple[tuple[str, ...], ...]:
    """The readings of each character, the likeliest first."""
    found: list[tuple[str, ...]] = []
    place = 0
    while place < len(text):
        character = text[place]
        word = next((w for w in _BY_FIRST.get(character, ()) if text.startswith(w, place)), None)
        if word:
            found += [(s,) for s in WORDS[word]]
            place += len(word)
            continue
        if readings := _readings(character):
            found.append(readings)
        place += 1
    return tuple(found)


@lru_cache(maxsize=8_000)
def _readings(character: str) -> tuple[str, ...]:
    """How one character may be read, the likeliest first. Beyond the second, readings are those of dictionaries."""
    from pypinyin import Style, pinyin

    readings: list[Any] = pinyin(character, style=Style.NORMAL, heteronym=True, errors="ignore")
    if readings:
        return tuple(dict.fromkeys(r.lower() for r in readings[0][:2]))
    return (character.lower(),) if character.isalnum() else ()
