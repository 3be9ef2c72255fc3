"""Masks: what they look like, and that nothing of the middle of a value is left in them."""

from __future__ import annotations

import string

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crm import rule_pb2
from crm_kit import masking

pytestmark = pytest.mark.feature("IDN-10")

digits = st.text("0123456789")


def numbers(least, most):
    return st.text("0123456789", min_size=least, max_size=most)


@pytest.mark.parametrize(
    ("mask", "value", "shown"),
    [
        (masking.phone, "13812345678", "138****5678"),
        (masking.phone, "138 1234 5678", "138****5678"),
        (masking.phone, "+8613812345678", "+86138****5678"),
        (masking.phone, "+1 415 555 2671", "+141****2671"),
        (masking.phone, "021-61234567", "021-****4567"),
        (masking.phone, "(0571) 88886666", "0571-****6666"),
        (masking.phone, "61234567", "****4567"),
        (masking.phone, "12345", "***"),
        (masking.email, "anna.li@example.com", "a***@example.com"),
        (masking.email, "a@example.com", "***@example.com"),
        (masking.identity_number, "110101199003071234", "110***********1234"),
        (masking.bank_account, "6222 0200 1234 5678", "****5678"),
        (masking.text, "上海宝山", "上***"),
        (masking.text, "王", "***"),
        (masking.by_form, "11010119900307803X", "110***********803X"),
        (masking.by_form, "6222020012345678", "****5678"),
        (masking.by_form, "13812345678", "138****5678"),
        (masking.by_form, "li@example.com", "l***@example.com"),
        (masking.by_form, "wxid_anna", "w***"),
    ],
)
def test_a_value_is_recognised_and_not_told(mask, value, shown):
    assert mask(value) == shown


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([masking.phone, masking.bank_account, masking.identity_number]), numbers(3, 30), digits)
def test_a_mask_of_digits_does_not_depend_on_the_middle(mask, value, noise):
    """What lies between the first three and the last four digits may be anything: the mask is the same."""
    assume(len(value) > 7)
    middle = (noise + "0" * len(value))[: len(value) - 7]
    other = value[:3] + middle + value[-4:]

    assert mask(value) == mask(other)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["0571-", "(021) ", "+86 138 ", "+8613", "+49 30 "]), numbers(8, 12), digits)
def test_a_mask_of_a_phone_does_not_depend_on_the_middle(head, rest, noise):
    other = (noise + "0" * len(rest))[: len(rest) - 4] + rest[-4:]
    shown = 3 - sum(c.isdigit() for c in head.removeprefix("+86"))
    same = "" if head.startswith(("0", "(")) else rest[: max(shown, 0)]

    assert masking.phone(head + rest) == masking.phone(head + same + other[len(same) :])


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([*rule_pb2.Format.values()]), st.text(string.ascii_letters + "张宝山.- ", min_size=1), st.booleans()
)
def test_of_a_text_only_the_first_character_is_left(form, rest, is_address):
    assume("x" not in rest and rest[-1] != ".")
    value = "x" + rest + ("@example.com" if is_address else "")

    mask = masking.of_format(form)(value)

    assert set(mask.removesuffix("@example.com")) <= {"x", "*"}
