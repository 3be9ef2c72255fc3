"""Numbers that hold a check of themselves: what is wrong with one, said so that the slip can be found."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import Any

from stdnum.cn import ric, uscc

from crm_kit import errors

Wrong = tuple[str, dict[str, Any]]
"""Key of the text, and its parameters. Of an identity number no text holds a part."""

_LENGTH = 18
"""Of both numbers."""
_CREDIT_CODE = re.compile(r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}", re.ASCII)
_IDENTITY_NUMBER = re.compile(r"[0-9]{17}[0-9X]", re.ASCII)

errors.texts(
    {
        "credit_code_length": (
            "{label}应为 18 位，现有 {count} 位",
            "{label} has 18 characters, not {count}",
        ),
        "credit_code_character": (
            "{label}第 {place} 位不能是“{character}”：第 3 至 8 位为数字，其余为数字或大写字母（没有 I、O、S、V、Z）",
            "{label} cannot have “{character}” in place {place}: places 3 to 8 are digits, the others digits or "
            "capital letters (without I, O, S, V, Z)",
        ),
        "credit_code_check": (
            "{label}的最后一位校验码与前 17 位不符（GB 32100-2015），请核对每一位",
            "{label} ends with a check character that does not fit the others (GB 32100-2015); compare each of them",
        ),
        "identity_number_length": (
            "{label}应为 18 位，现有 {count} 位",
            "{label} has 18 characters, not {count}",
        ),
        "identity_number_character": (
            "{label}第 {place} 位有误：前 17 位为数字，最后一位为数字或 X",
            "{label} is wrong in place {place}: there are 17 digits, then a digit or X",
        ),
        "identity_number_birthday": (
            "{label}第 7 至 14 位不是出生日期",
            "{label} holds no day of birth in places 7 to 14",
        ),
        "identity_number_check": (
            "{label}的最后一位校验码与前 17 位不符（GB 11643-1999），请核对每一位",
            "{label} ends with a check character that does not fit the others (GB 11643-1999); compare each of them",
        ),
    }
)


def credit_code(text: str) -> tuple[str, Wrong | None]:
    """A unified social credit code without spaces and hyphens, in half-width capitals; what is wrong with it."""
    value = uscc.compact(unicodedata.normalize("NFKC", text))
    if len(value) != _LENGTH:
        return value, ("credit_code_length", {"count": len(value)})
    if place := _wrong_place(_CREDIT_CODE, value, "0" * _LENGTH):
        return value, ("credit_code_character", {"place": place, "character": value[place - 1]})
    if uscc.calc_check_digit(value) != value[-1]:
        return value, ("credit_code_check", {})
    return value, None


def identity_number(text: str) -> tuple[str, Wrong | None]:
    """A resident identity number in half-width capitals; what is wrong with it. The place is not asked: its codes come
    and go."""
    value = unicodedata.normalize("NFKC", text).upper()
    if len(value) != _LENGTH:
        return value, ("identity_number_length", {"count": len(value)})
    if place := _wrong_place(_IDENTITY_NUMBER, value, "0" * _LENGTH):
        return value, ("identity_number_character", {"place": place})
    if not _is_day(value[6:14]):
        return value, ("identity_number_birthday", {})
    if ric.calc_check_digit(value) != value[-1]:
        return value, ("identity_number_check", {})
    return value, None


def _wrong_place(pattern: re.Pattern[str], value: str, good: str) -> int:
    """The first place, from 1, where a value of the right length breaks a pattern that `good` fits; 0 for none."""
    places = range(1, len(value) + 1)
    return next((n for n in places if not pattern.fullmatch(good[: n - 1] + value[n - 1] + good[n:])), 0)


def _is_day(text: str) -> bool:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])).year >= 1000
    except ValueError:
        return False
