"""Cells as values, or a reason why the row cannot be stored."""

import re
from datetime import date
from decimal import Decimal, InvalidOperation

from crm_cli.importers.base import Line


class Unusable(Exception):
    """Why a row is listed and not stored."""


def amount(line: Line, column: str, times: int = 1) -> str:
    """A decimal number that is not negative, as text; empty where the cell is."""
    if not (text := line[column]):
        return ""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Unusable(f"{column} {text!r} is no number") from None
    if not value.is_finite() or value < 0:
        raise Unusable(f"{column} {text!r} is no amount")
    return f"{value * times:.2f}"


def whole(line: Line, column: str) -> int | None:
    """A whole number that is not negative."""
    if not (text := line[column]):
        return None
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise Unusable(f"{column} {text!r} is no whole number")
    return int(text)


def day(line: Line, column: str) -> str:
    """A date as it is written in the file: 2017-03-01."""
    text = line[column]
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise Unusable(f"{column} {text!r} is no date") from None


def noon(day: str) -> str:
    """A moment for a day without a time: at noon it is the same day nearly everywhere."""
    return f"{day}T12:00:00Z"
