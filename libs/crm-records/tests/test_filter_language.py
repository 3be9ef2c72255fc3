"""The filter language: what it understands, what it refuses, and that its shape does not depend on values."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_kit import errors
from crm_records import filter_language, search
from crm_records.filter_language import Comparison, Group


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('name = "上海"', Comparison("name", "=", ("上海",))),
        ("amount >= 1000.50", Comparison("amount", ">=", ("1000.50",))),
        ("city:上海", Comparison("city", ":", ("上海",))),
        ("city = null", Comparison("city", "=", (None,))),
        ('city = "null"', Comparison("city", "=", ("null",))),
        ('level in ("a", b)', Comparison("level", "in", ("a", "b"))),
        ("custom.grade = gold", Comparison("custom.grade", "=", ("gold",))),
        ('name = "a \\"quoted\\" word"', Comparison("name", "=", ('a "quoted" word',))),
        ("NOT a = 1", Group("not", (Comparison("a", "=", ("1",)),))),
        ("a = 1 AND b = 2", Group("and", (Comparison("a", "=", ("1",)), Comparison("b", "=", ("2",))))),
        ('create_time >= "2026-01-31T08:00:00Z"', Comparison("create_time", ">=", ("2026-01-31T08:00:00Z",))),
        ("create_time >= 2026-01-31", Comparison("create_time", ">=", ("2026-01-31",))),
        ("(a = 1 OR b = 2) AND c = 3", None),
        ("order_by = x AND android = y AND inner = z", None),
    ],
)
def test_a_condition_is_understood(text: str, tree: object) -> None:
    found = filter_language.parse(text)

    assert tree is None or found == tree


def test_and_binds_tighter_than_or() -> None:
    found = filter_language.parse("a = 1 OR b = 2 AND c = 3")

    assert found.kind == "or"
    assert found.parts[1].kind == "and"


@pytest.mark.parametrize(
    "text",
    [
        "name =",
        "= 1",
        "name",
        'name = "open',
        "(a = 1",
        "a = 1)",
        "a = 1 b = 2",
        "a === 1",
        "; drop table",
        "a in ()",
        "AND",
    ],
)
def test_what_is_not_in_the_language_is_refused(text: str) -> None:
    with pytest.raises(errors.Invalid):
        filter_language.parse(text)


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused_and_nothing_else(text: str) -> None:
    with suppress(errors.Invalid):
        filter_language.parse(text)


@given(st.text(alphabet="上海北京abc\\\"'%_ ", max_size=12), st.text(max_size=12))
def test_a_quoted_value_is_read_as_it_was_meant_and_leaves_the_shape_alone(first: str, second: str) -> None:
    def written(value: str) -> str:
        return 'name:"' + value.replace("\\", "\\\\").replace('"', '\\"') + '" AND amount > 1'

    one, two = filter_language.parse(written(first)), filter_language.parse(written(second))

    assert one.parts[0].values == (first,)
    assert filter_language.shape(one) == filter_language.shape(two)


def test_a_filter_that_is_too_long_is_refused_before_anybody_reads_it() -> None:
    with pytest.raises(errors.Invalid) as refused:
        filter_language.parse("a" * 1_000_000)
    assert len(str(refused.value.params)) < 200


@pytest.mark.parametrize("count", [51, 400])
def test_too_many_conditions_are_refused(count: int) -> None:
    with pytest.raises(errors.Invalid):
        filter_language.parse(" OR ".join(f"a = {i}" for i in range(count)))


@given(st.text(alphabet="上海轴承有限公司ABcd 12（）", min_size=1, max_size=20), st.data())
def test_every_part_of_a_text_is_found_by_its_keys(text: str, data: st.DataObject) -> None:
    searched, grams = search.keys([text])
    if not searched:
        return
    start = data.draw(st.integers(0, len(searched) - 1))
    part = searched[start : data.draw(st.integers(start + 1, len(searched)))]
    asked = search.parameters(part)

    assert set(asked["search_keys"]) <= set(grams)
