"""Cells of a file that people open with a spreadsheet program: a text stays a text, whatever it begins with."""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@＝＋－＠\t\r\n]")
"""What a spreadsheet program takes for a formula, or cuts off before it looks; apostrophes before it are ours or such
as would be taken for ours."""


def safe(text: str) -> str:
    """The text as a cell of a CSV file: one that could be taken for a formula gets an apostrophe before it."""
    return f"'{text}" if _FORMULA.match(text) else text


def plain(text: str) -> str:
    """The text that `safe` made a cell of."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
