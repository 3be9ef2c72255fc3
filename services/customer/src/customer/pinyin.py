"""Pinyin of names, loaded when the first name is written: the tables weigh more than the rest of the service."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, cast

# One reading for each character is enough to find a name by; the phrase table alone would take 40 MiB.
os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
os.environ.setdefault("PYPINYIN_NO_DICT_COPY", "true")


@lru_cache(maxsize=10_000)
def of(text: str) -> tuple[str, str]:
    """(full pinyin without tones, initials); letters and digits stand for themselves."""
    from pypinyin import Style, lazy_pinyin

    syllables = lazy_pinyin(text, style=Style.NORMAL, errors=cast(Any, list))
    kept = [s for s in syllables if s.strip() and s.isalnum()]
    return "".join(kept).lower()[:500], "".join(s[0] for s in kept).lower()[:200]
