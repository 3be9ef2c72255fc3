"""A number that holds a check of itself is refused with what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from crm_kit.testing import Client, refused

CODE, IDENTITY = "91310000607234515H", "11010519491231002X"
CREDIT_CODES = {
    "9131000060723451": ("应为 18 位，现有 16 位", "has 18 characters, not 16"),
    "9131O000607234515H": ("第 5 位不能是“O”", "“O” in place 5"),
    "9131000060723451OH": ("第 17 位不能是“O”", "“O” in place 17"),
    "91310000607234516H": ("校验码与前 17 位不符", "check character that does not fit"),
}
IDENTITY_NUMBERS = {
    "110105491231002": ("应为 18 位，现有 15 位", "has 18 characters, not 15"),
    "1101051949123100XX": ("第 17 位有误", "wrong in place 17"),
    "11010519491331002X": ("第 7 至 14 位不是出生日期", "no day of birth"),
    "110105194912310021": ("校验码与前 17 位不符", "check character that does not fit"),
}
OTHERS = {
    "phone": ("12", "0571-88886666", "0571-88886666"),
    "annual_revenue": ("1.234", "最多 2 位小数", "at most 2 decimal places"),
}


def refusals(boss: Client, **customer: str) -> tuple[str, str]:
    said = []
    for language in ("zh", "en"):
        with refused("INVALID_ARGUMENT", "INVALID") as refusal:
            boss.CreateCustomer(customer={"name": "甲公司", **customer}, metadata={"accept-language": language})
        said += refusal.fields.values()
    zh, en = said
    return zh, en


@pytest.mark.feature("CUS-01")
@pytest.mark.parametrize(
    ("field", "given", "told"),
    [
        *(("credit_code", given, told) for given, told in CREDIT_CODES.items()),
        *(("identity_number", given, told) for given, told in IDENTITY_NUMBERS.items()),
        *((field, given, tuple(told)) for field, (given, *told) in OTHERS.items()),
    ],
)
def test_what_is_wrong_with_a_number_is_told(boss: Client, field: str, given: str, told: tuple[str, str]) -> None:
    zh, en = refusals(boss, **{field: given})

    assert told[0] in zh
    assert told[1] in en
    if field == "identity_number":
        assert given not in zh + en


@pytest.mark.feature("CUS-01")
@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        ("credit_code", "9131 0000 6072-34515h", CODE),
        ("credit_code", "９１３１００００６０７２３４５１５Ｈ", CODE),
        ("credit_code", "N2330106MF3U0000XY", "N2330106MF3U0000XY"),
        ("identity_number", "11010519491231002x", IDENTITY),
    ],
)
def test_one_that_is_right_is_kept_in_one_spelling(boss: Client, field: str, given: str, kept: str) -> None:
    made: Any = boss.CreateCustomer(customer={"name": "甲公司", field: given})

    assert getattr(made, field) == kept
