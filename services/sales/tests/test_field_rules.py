"""Field rules that depend on the state of an opportunity, on verbs and sums, and of the customer shown beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused

pytestmark = pytest.mark.feature("IDN-07")

ALL = ["opportunity.*", "customer.read", "pipeline.read"]
OPEN = ["unassigned", "assigned", "developing"]


def rule(field: str, level: str, *states: str, resource: str = "opportunity") -> dict[str, Any]:
    return {"resource": resource, "field": field, "rule": level, "states": list(states)}


def win(boss: Client, made: Any, amount: str = "900") -> Any:
    return boss.WinOpportunity(id=made.id, etag=made.etag, won_amount=amount)


def test_a_field_is_hidden_in_one_state_and_shown_in_the_other(
    server: Server, boss: Client, make: Callable[..., Any]
) -> None:
    clerk = server.person(
        ALL, fields=[rule("expected_amount", "hidden", "won"), rule("prospect_name", "masked", "won")]
    )
    open_one = make(boss, "甲", expected_amount="100", prospect_name="宝钢")
    won = win(boss, make(boss, "乙", expected_amount="200", prospect_name="武钢"))

    def seen(record: Any, fields: str = "") -> tuple[str, str]:
        got = clerk.GetOpportunity(id=record.id, fields=fields)
        return got.expected_amount, got.prospect_name

    for fields in ("", "expected_amount,prospect_name"):
        assert seen(open_one, fields) == ("100.00", "宝钢")
        assert seen(won, fields) == ("", "武***")
    listed = clerk.ListOpportunities(order_by="title", fields="expected_amount").opportunities
    assert sorted((o.expected_amount, o.state) for o in listed) == [("", ""), ("100.00", "")]
    # What is closed in some state is compared in none: who is left out would tell the value.
    for text in ("expected_amount > 1", 'prospect_name:"钢"'):
        with refused("INVALID_ARGUMENT", "BAD_FILTER"):
            clerk.ListOpportunities(filter=text)
    with refused("INVALID_ARGUMENT", "BAD_ORDER"):
        clerk.ListOpportunities(order_by="expected_amount")
    assert list(clerk.ListOpportunities(search="武钢").opportunities) == []
    described = {f.name: f for f in clerk.DescribeRecord(record_type="opportunity").fields}
    assert described["expectedAmount"].rule == "optional"
    assert [(s.state, s.rule) for s in described["expectedAmount"].state_rules] == [("won", "hidden")]


def test_a_rule_that_names_the_state_beats_one_for_all(server: Server, boss: Client, make: Callable[..., Any]) -> None:
    rules = [rule("expected_amount", "hidden"), rule("expected_amount", "read_only", *OPEN)]
    clerk = server.person(ALL, fields=rules)
    open_one = make(boss, "甲", expected_amount="100")
    won = win(boss, make(boss, "乙", expected_amount="200"))

    assert clerk.GetOpportunity(id=open_one.id).expected_amount == "100.00"
    assert clerk.GetOpportunity(id=won.id).expected_amount == ""


def test_the_change_log_follows_the_state_the_record_is_in(
    server: Server, boss: Client, make: Callable[..., Any]
) -> None:
    clerk = server.person(ALL, fields=[rule("expected_amount", "hidden", "won")])
    made = make(boss, "甲", expected_amount="100")

    def told() -> set[str]:
        changes = clerk.ListChanges(record_type="opportunity", id=made.id).changes
        return {c.field for change in changes for c in change.changes}

    assert "expectedAmount" in told()
    win(boss, made)
    assert "expectedAmount" not in told()
    assert "wonAmount" in told()


def test_what_may_be_changed_is_decided_by_the_state_before(
    server: Server, make: Callable[..., Any], change: Callable[..., Any]
) -> None:
    clerk = server.person(
        ALL,
        fields=[
            rule("expected_amount", "read_only", "developing"),
            rule("expected_close_date", "required", "developing"),
        ],
    )
    made = change(clerk, make(clerk, "甲", expected_amount="100"), expected_amount="150")
    moved = clerk.MoveOpportunity(id=made.id, etag=made.etag, stage="proposal")

    with refused("INVALID_ARGUMENT", "INVALID", "expectedAmount", "expectedCloseDate"):
        change(clerk, moved, expected_amount="200")
    with refused("INVALID_ARGUMENT", "INVALID", "expectedCloseDate"):
        change(clerk, moved, title="乙")
    kept = change(clerk, moved, expected_amount="150.00", expected_close_date="2030-01-01")
    assert (kept.expected_amount, kept.expected_close_date) == ("150.00", "2030-01-01")


@pytest.mark.parametrize("level", ["hidden", "masked", "read_only"])
def test_a_verb_does_not_bring_along_what_is_closed(
    server: Server, boss: Client, make: Callable[..., Any], level: str
) -> None:
    clerk = server.person(ALL, fields=[rule("won_amount", level), rule("lost_note", level)])
    made = make(clerk, "甲", expected_amount="100")

    with refused("INVALID_ARGUMENT", "INVALID", "wonAmount"):
        clerk.WinOpportunity(id=made.id, etag=made.etag, won_amount="90")
    with refused("INVALID_ARGUMENT", "INVALID", "lostNote"):
        clerk.LoseOpportunity(id=made.id, etag=made.etag, lost_reason="price", lost_note="太贵")
    won = clerk.WinOpportunity(id=made.id, etag=made.etag)

    # The amount is the service's own to fill in; the answer tells it as little as a read would.
    assert won.won_amount == ("100.00" if level == "read_only" else "")
    assert boss.GetOpportunity(id=made.id).won_amount == "100.00"


def test_who_may_not_change_the_owner_does_not_do_it_by_a_verb(
    server: Server, boss: Client, make: Callable[..., Any]
) -> None:
    clerk = server.person(ALL, fields=[rule("owner_id", "read_only")], department_id=server.department())
    made = make(clerk, "甲")

    for fields in ({"owner_id": boss.user_id}, {"department_id": server.department()}, {}):
        with refused("INVALID_ARGUMENT", "INVALID", "ownerId"):
            clerk.AssignOpportunity(id=made.id, etag=made.etag, **fields)


def test_sums_of_what_one_does_not_see_are_left_out(server: Server, boss: Client, make: Callable[..., Any]) -> None:
    make(boss, "甲", expected_amount="100", probability=50)

    def summary(*rules: dict[str, Any], by: str = "state") -> tuple[int, str, str]:
        clerk = server.person(ALL, fields=rules)
        (group,) = clerk.SummarizeOpportunities(group_by=by).groups
        return group.count, group.expected_amount, group.weighted_amount

    assert summary() == (1, "100.00", "50.00")
    assert summary(rule("expected_amount", "masked")) == (1, "", "")
    assert summary(rule("expected_amount", "hidden", "won")) == (1, "", "")
    assert summary(rule("probability", "hidden")) == (1, "100.00", "")
    with refused("INVALID_ARGUMENT", "INVALID", "groupBy"):
        summary(rule("stage", "hidden"), by="stage")


def test_a_customers_name_is_shown_as_the_customer_would_show_it(
    server: Server, boss: Client, make: Callable[..., Any], customer: Callable[..., str]
) -> None:
    made = make(boss, "甲", customer_id=customer("宝山钢铁"))

    def name(*rules: dict[str, Any]) -> str:
        clerk = server.person(ALL, fields=rules)
        shown = clerk.GetOpportunity(id=made.id).customer_name
        assert [o.customer_name for o in clerk.ListOpportunities().opportunities] == [shown]
        return str(shown)

    assert name() == "宝山钢铁"
    assert name(rule("name", "masked", resource="customer")) == "宝***"
    assert name(rule("name", "hidden", resource="customer")) == ""
    assert name(rule("customer_id", "hidden")) == ""


def test_a_computed_field_obeys_by_state_however_it_is_asked_for(
    server: Server, boss: Client, make: Callable[..., Any], customer: Callable[..., str]
) -> None:
    clerk = server.person(ALL, fields=[rule("customer_name", "hidden", "won"), rule("owner_name", "masked", "won")])
    open_one = make(boss, "甲", customer_id=customer("宝山钢铁"))
    won = win(boss, make(boss, "乙", customer_id=open_one.customer_id))

    for fields in ("", "customer_name,owner_name"):
        shown = [clerk.GetOpportunity(id=o.id, fields=fields) for o in (open_one, won)]
        assert [(o.customer_name, o.owner_name) for o in shown] == [("宝山钢铁", "总经理"), ("", "总***")]
    listed = clerk.ListOpportunities(fields="customer_name", order_by="title").opportunities
    assert sorted(o.customer_name for o in listed) == ["", "宝山钢铁"]
    assert {o.state for o in listed} == {""}


@pytest.mark.feature("IDN-10")
def test_a_copy_of_a_name_is_revealed_by_who_may_reveal_the_name(
    server: Server, boss: Client, make: Callable[..., Any], customer: Callable[..., str]
) -> None:
    masked = [rule("name", "masked", resource="customer")]
    made = make(boss, "甲", customer_id=customer("宝山钢铁"))

    def reveal(*rights: str) -> str:
        clerk = server.person([*ALL, *rights], fields=masked)
        answer = clerk.RevealField(record_type="opportunity", id=made.id, field="customer_name")
        return str(answer.value.string_value)

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        reveal()
    assert reveal("customer.reveal") == "宝山钢铁"


def test_actions_are_told_whatever_is_hidden(server: Server, boss: Client, make: Callable[..., Any]) -> None:
    clerk = server.person(ALL, fields=[rule("state", "hidden"), rule("lost_reason", "hidden")])
    made = make(boss, "甲")

    actions = {a.action: a.allowed for a in clerk.ListActions(record_type="opportunity", id=made.id).actions}

    assert actions["win"]
    assert not actions["reopen"]
    assert clerk.GetOpportunity(id=made.id).state == ""
    # What is made of the state goes with it.
    assert not clerk.GetOpportunity(id=made.id, fields="title").overdue
    with refused("INVALID_ARGUMENT", "INVALID", "fields"):
        clerk.GetOpportunity(id=made.id, fields="overdue")


def test_an_import_row_is_judged_by_the_state_it_brings(server: Server, make: Callable[..., Any]) -> None:
    clerk = server.person(ALL, fields=[rule("expected_amount", "read_only", "won")])
    rows = [
        {"title": "甲", "external_id": "1", "state": "won", "close_date": "2020-01-01", "expected_amount": "5"},
        {"title": "乙", "external_id": "2", "expected_amount": "5"},
    ]

    results = clerk.ImportOpportunities(opportunities=rows).results

    assert [r.outcome for r in results] == ["failed", "created"]
    assert [p.field for p in results[0].problems] == ["expectedAmount"]


@pytest.mark.feature("IDN-10")
def test_a_field_masked_in_one_state_is_revealed_in_that_state_only(
    server: Server, boss: Client, make: Callable[..., Any]
) -> None:
    clerk = server.person(ALL, fields=[rule("expected_amount", "masked", "won")])
    open_one, won = make(boss, "甲", expected_amount="100"), win(boss, make(boss, "乙", expected_amount="200"))

    shown = clerk.RevealField(record_type="opportunity", id=won.id, field="expectedAmount")

    assert (shown.field, shown.value.string_value) == ("expectedAmount", "200.00")
    with refused("FAILED_PRECONDITION", "NOT_MASKED"):
        clerk.RevealField(record_type="opportunity", id=open_one.id, field="expectedAmount")
