"""Masks: enough of a value to recognise it, never enough to use it.

A mask depends on the head and the tail of a value only, and what is too short to have a middle is not shown at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from crm import rule_pb2

NOTHING = "***"

_AREA = re.compile(r"\(?(0\d{2,3})\)?[\s-]+")
_IDENTITY = re.compile(r"[1-9]\d{5}(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]")
_MOBILE = re.compile(r"(?:\+?86[\s-]*)?1[3-9]\d[\s-]?\d{4}[\s-]?\d{4}")
_ACCOUNT = re.compile(r"\d(?:[\s-]?\d){8,29}")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def phone(value: str) -> str:
    """138****5678, 021-****4567, +86138****5678, +141****2671."""
    text = value.strip()
    digits = _digits(text)
    if len(digits) < 8:
        return NOTHING
    area = _AREA.match(text)
    if area and len(digits) - len(area[1]) >= 7:
        return f"{area[1]}-****{digits[-4:]}"
    country = "+86" if text.startswith("+86") else "+" if text.startswith("+") else ""
    rest = digits.removeprefix("86") if country == "+86" else digits
    return f"{country}{rest[:3] if len(rest) > 10 else ''}****{rest[-4:]}"


def email(value: str) -> str:
    """a***@example.com"""
    local, at, host = value.strip().rpartition("@")
    if not at:
        return text(value)
    return f"{local[0] if len(local) > 1 else ''}***@{host}"


def identity_number(value: str) -> str:
    """110***********1234"""
    number = value.strip()
    return f"{number[:3]}{'*' * (len(number) - 7)}{number[-4:]}" if len(number) >= 15 else NOTHING


def bank_account(value: str) -> str:
    """****5678"""
    digits = _digits(value)
    return f"****{digits[-4:]}" if len(digits) > 8 else NOTHING


def text(value: str) -> str:
    """The first character and ***; nothing of a single one."""
    stripped = value.strip()
    return f"{stripped[0]}***" if len(stripped) > 1 else NOTHING


def by_form(value: str) -> str:
    """A text of no declared format by what it looks like."""
    stripped = value.strip()
    if _IDENTITY.fullmatch(stripped) and _checks(stripped):
        return identity_number(stripped)
    if _MOBILE.fullmatch(stripped):
        return phone(stripped)
    if _ACCOUNT.fullmatch(stripped):
        return bank_account(stripped)
    if stripped.count("@") == 1 and re.fullmatch(r"\S+@[^\s@]+\.[^\s@]+", stripped):
        return email(stripped)
    return text(stripped)


def of_format(format: int) -> Callable[[str], str]:
    """The mask of a text of a declared format."""
    match format:
        case rule_pb2.FORMAT_PHONE | rule_pb2.FORMAT_MOBILE:
            return phone
        case rule_pb2.FORMAT_EMAIL:
            return email
        case rule_pb2.FORMAT_TEXT:
            return text
    return by_form


def _digits(value: str) -> str:
    return "".join(c for c in value if c.isdecimal())


def _checks(number: str) -> bool:
    """The check digit of an identity number (GB 11643): without it a number of 18 digits may be an account."""
    total = sum(int(d) * w for d, w in zip(number, _WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == number[17].upper()
