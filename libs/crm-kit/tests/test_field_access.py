"""How the field rules of several roles come together, against an oracle that asks one field and one state at a time."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_kit import field_access
from crm_kit.reach import RoleAccess

pytestmark = pytest.mark.feature("IDN-07")

OPENNESS = {"hidden": 0, "masked": 1, "read_only": 2, "required": 3, "optional": 4}
STATES = ["new", "won", "lost"]
FIELDS = ["phone", "custom.size"]

rules = st.fixed_dictionaries(
    {
        "resource": st.sampled_from(["customer", "opportunity"]),
        "field": st.sampled_from(FIELDS),
        "rule": st.sampled_from(list(OPENNESS)),
        "states": st.lists(st.sampled_from(STATES), max_size=2, unique=True),
    }
)
roles = st.lists(
    st.tuples(
        st.lists(rules, max_size=5),
        st.sampled_from([["customer.read"], ["customer.*"], ["*"], ["customer.update"], []]),
    ),
    max_size=4,
)


def oracle(everybody: list[tuple[list[dict[str, Any]], list[str]]], field: str, state: str | None) -> str:
    """What a person who reads the rule book would say."""
    readers = [r for r, rights in everybody if {"customer.read", "customer.*", "*"} & set(rights)]
    opinions = []
    for role in readers or [r for r, _ in everybody]:
        about = [r for r in role if r["resource"] == "customer" and r["field"] == field]
        named = [r["rule"] for r in about if state in r["states"]]
        general = [r["rule"] for r in about if r["states"] == []]
        opinions.append(min(named or general or ["optional"], key=OPENNESS.__getitem__))
    return max(opinions or ["optional"], key=OPENNESS.__getitem__)


@settings(max_examples=300, deadline=None)
@given(roles)
def test_roles_come_together_as_the_rule_book_says(everybody):
    accesses = [RoleAccess(frozenset(rights), (), tuple(r)) for r, rights in everybody]

    found = field_access.of(accesses, "customer")

    for field, state in product(FIELDS, [*STATES, None]):
        assert field_access.NAMES[found.level(field, state)] == oracle(everybody, field, state)
    for field in FIELDS:
        every = [OPENNESS[oracle(everybody, field, s)] for s in [*STATES, None]]
        assert found.strictest(field) == min(every)


def test_who_has_no_rules_has_none_at_all():
    nobody = field_access.of([RoleAccess(frozenset({"*"}), ())], "customer")

    assert nobody is field_access.NONE
    assert not nobody


def test_rules_that_come_to_the_same_are_the_same():
    one = {"resource": "customer", "field": "phone", "rule": "masked"}
    first = field_access.of([RoleAccess(frozenset({"*"}), (), (one,))], "customer")
    second = field_access.of([RoleAccess(frozenset({"customer.read"}), (), (one, one))], "customer")

    assert first is second
