"""Characters that nobody sees: they make no name, turn none round, and are no reason to refuse one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_kit.testing import Client, refused
from crm_records import plain_text

pytestmark = pytest.mark.feature("CUS-01")
ZERO_WIDTH, OVERRIDE, POP, ISOLATE, MARK = "\u200b", "\u202e", "\u202c", "\u2066", "\u200e"


@pytest.mark.parametrize(
    "nothing",
    [ZERO_WIDTH * 3, "\ufeff", "\u2060\u200d", OVERRIDE, f" {MARK}\u3000", "\u3164", "\u2800", "\ufe0f", "\U000e0041"],
)
def test_a_name_of_nothing_to_see_is_none(boss: Client, nothing: str) -> None:
    with refused("INVALID_ARGUMENT", "INVALID", "name"):
        boss.CreateCustomer(customer={"name": nothing})
    made = boss.CreateCustomer(
        customer={"name": "甲公司", "short_name": nothing, "remarks": nothing, "tags": [nothing]}
    )
    assert (made.short_name, made.remarks, list(made.tags)) == ("", "", [])


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        (f"{OVERRIDE}司公海上{POP}", "司公海上"),
        (f"上海{ISOLATE}ABC\u2069公司", "上海ABC公司"),
        (f"{ZERO_WIDTH}\ufeff 甲公司\u200d{MARK}", "甲公司"),
        ("爱心❤\ufe0f", "爱心❤\ufe0f"),
        ("一家👨\u200d👩\u200d👧", "一家👨\u200d👩\u200d👧"),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_what_turns_a_name_round_or_stands_unseen_at_its_ends_is_taken_out(
    boss: Client, given_: str, kept: str
) -> None:
    assert boss.CreateCustomer(customer={"name": given_}).name == kept


def test_a_number_copied_from_an_address_book_is_taken(boss: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "甲", "phone": "\u202a0571-88886666\u202c"})
    assert made.phone == "0571-88886666"


def test_several_lines_keep_the_marks_of_foreign_words(boss: Client) -> None:
    remarks = "地址：\u2067شارع\u2069\n第二行"
    assert boss.CreateCustomer(customer={"name": "甲", "remarks": remarks}).remarks == remarks


def test_a_custom_text_of_nothing_to_see_is_empty(boss: Client) -> None:
    field = {"key": "line", "kind": "text", "label_zh": "业务", "label_en": "Line", "required": True}
    boss.CreateCustomField(record_type="customer", custom_field=field)
    for nothing in (ZERO_WIDTH, " ", ""):
        with refused("INVALID_ARGUMENT", "INVALID", "custom.line"):
            boss.CreateCustomer(customer={"name": "甲", "custom": {"line": nothing}})


@pytest.mark.parametrize("path", ["name.x", "custom", "city.name", "name."])
def test_a_mask_names_fields_and_nothing_within_them(boss: Client, path: str) -> None:
    made = boss.CreateCustomer(customer={"name": "甲", "city": "上海"})
    asked: dict[str, Any] = {"customer": {"id": made.id, "name": "乙"}, "etag": made.etag}
    if path == "custom":
        assert boss.UpdateCustomer(update_mask={"paths": [path, "name"]}, **asked).name == "乙"
        return
    with refused("INVALID_ARGUMENT", "INVALID", path):
        boss.UpdateCustomer(update_mask={"paths": [path]}, **asked)
    assert boss.GetCustomer(id=made.id).name == "甲"


@given(st.text(max_size=20), st.booleans())
def test_what_was_cleaned_stays_as_it_is(text: str, lines: bool) -> None:
    once = plain_text.cleaned(text, lines=lines)
    assert plain_text.cleaned(once, lines=lines) == once
    assert len(once) <= len(text)


@pytest.mark.feature("CUS-24")
def test_a_visitor_of_nothing_to_see_is_nobody_and_one_is_known_by_what_is_seen_of_the_key(boss: Client) -> None:
    customer = boss.CreateCustomer(customer={"name": "甲公司"})
    visitors = (" ", ZERO_WIDTH, "\u3000", f" v{ZERO_WIDTH}")
    events = [
        {"event_id": f"e{n}", "time": datetime.now(UTC), "kind": "view", "visitor": visitor}
        for n, visitor in enumerate(visitors)
    ]
    events.append({**events[-1], "event_id": "e9", "properties": {"page": "a\x07"}})

    told = boss.RecordBehaviour(source="shop", events=events)
    boss.IdentifyVisitor(source="shop", visitor=f"v{ZERO_WIDTH}", customer_id=customer.id)

    assert [(p.index, p.reason) for p in told.problems] == [
        *((n, "BEHAVIOUR_OF_NOBODY") for n in range(3)),
        (4, "BAD_CONTROL_CHARACTER"),
    ]
    assert [e.event_id for e in boss.ListBehaviourEvents(customer_id=customer.id).events] == ["e3"]
