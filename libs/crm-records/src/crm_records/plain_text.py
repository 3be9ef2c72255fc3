"""Texts without what nobody sees: characters that reverse what is read, or that make an empty text look like a value.

They come along unseen where one copies from a browser, a spreadsheet or an address book, so they are taken out, not
refused. What joins letters and emoji within a text stays.
"""

from __future__ import annotations

import re

_REVERSING = "\u202a-\u202e\u2066-\u2069"
_JOINING = "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff"
_BLANK = "".join(c for c in map(chr, range(0x3001)) if c.isspace())
_REVERSE = re.compile(f"[{_REVERSING}]")
_UNSEEN = re.compile(
    f"[\\s{_REVERSING}{_JOINING}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u206a-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]*"
)
"""Blanks, fillers, selectors and tags: what has no shape of its own."""


def cleaned(text: str, *, lines: bool = False) -> str:
    """A text as it is kept, empty where there is nothing to see. `lines`: of several, in which the order of foreign
    words may have to be marked."""
    if text.isascii():
        return text.strip()
    if _UNSEEN.fullmatch(text):
        return ""
    return text.strip() if lines else _REVERSE.sub("", text).strip(_BLANK + _JOINING)
