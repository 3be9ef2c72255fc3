"""What is computed of customers that are merged, and what there can be but once; and that they come apart again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from crm_kit.testing import Client, Server

pytestmark = pytest.mark.feature("CUS-05")


def two(boss: Client) -> tuple[str, str]:
    keep, goes = (boss.CreateCustomer(customer={"name": name}).id for name in ("甲公司", "乙公司"))
    return keep, goes


def merge(boss: Client, keep: str, goes: str) -> Any:
    etags = {i: boss.GetCustomer(id=i).etag for i in (keep, goes)}
    return boss.MergeCustomers(id=keep, etag=etags[keep], merged=[{"id": goes, "etag": etags[goes]}])


def months(server: Server, customer_id: str) -> list[tuple[str, str, int]]:
    query = (
        "SELECT month::text, order_amount::text, order_count FROM customer_trade_month"
        " WHERE customer_id = :id AND order_count <> 0 ORDER BY month"
    )
    return [tuple(row) for row in server.sql(query, id=customer_id)]


def test_the_sums_of_merged_customers_are_added_and_come_apart_again(
    server: Server, boss: Client, order: Callable[..., Any]
) -> None:
    keep, goes = two(boss)
    order(keep, "2026-10-01", "100.00")
    order(goes, "2026-10-02", "50.00")
    order(goes, "2026-09-02", "7.00")
    merged = merge(boss, keep, goes)
    assert months(server, keep) == [("2026-09-01", "7.00", 1), ("2026-10-01", "150.00", 2)]
    assert months(server, goes) == []
    boss.UndoAct(record_type="customer", id=merged.act_id)
    server.run_jobs()
    assert months(server, keep) == [("2026-10-01", "100.00", 1)]
    assert months(server, goes) == [("2026-09-01", "7.00", 1), ("2026-10-01", "50.00", 1)]


def test_of_two_open_churn_cases_that_of_the_customer_that_stays_goes_on(
    server: Server, boss: Client, order: Callable[..., Any], sweep: Callable[[date], int]
) -> None:
    keep, goes = two(boss)
    for customer_id in (keep, goes):
        order(customer_id, "2026-01-01", "100.00")
    sweep(date(2026, 11, 24))

    def cases() -> dict[str, tuple[str, str]]:
        return {c.id: (c.customer_id, c.state) for c in boss.ListChurnCases(fields="*").churn_cases}

    before = cases()
    assert sorted(before.values()) == sorted([(keep, "warned"), (goes, "warned")])
    merged = merge(boss, keep, goes)
    assert sorted(cases().values()) == sorted([(keep, "warned"), (keep, "closed")])
    boss.UndoAct(record_type="customer", id=merged.act_id)
    server.run_jobs()
    assert cases() == before


def test_what_the_customer_that_stays_has_already_goes_into_the_bin_and_comes_back(
    server: Server, boss: Client
) -> None:
    keep, goes = two(boss)
    third = boss.CreateCustomer(customer={"name": "丙公司"}).id
    kind = boss.ListRelationshipKinds(filter='code = "related_company"').relationship_kinds[0].code
    for end in (keep, third):
        boss.CreateRelationship(relationship={"kind": kind, "from_customer_id": goes, "to_customer_id": end})
    boss.CreateDuplicateDismissal(duplicate_dismissal={"customer_id": keep, "other_id": goes, "note": "两家店"})
    for customer_id in (keep, goes):
        boss.CreateDuplicateDismissal(duplicate_dismissal={"customer_id": customer_id, "other_id": third, "note": "x"})
    event = boss.CreateCustomerEvent(
        customer_event={"title": "答谢会", "kind": "banquet", "start_time": datetime(2026, 12, 1, 10, tzinfo=UTC)}
    )
    for customer_id in (keep, goes):
        boss.CreateCustomerEventParticipant(
            customer_event_participant={"event_id": event.id, "customer_id": customer_id}
        )

    def living() -> dict[str, list[tuple[str, ...]]]:
        tables = {
            "relationship": "from_customer_id::text, to_customer_id::text",
            "duplicate_dismissal": "customer_id::text, other_id::text",
            "customer_event_participant": "customer_id::text",
        }
        query = "SELECT {} FROM {} WHERE delete_time IS NULL ORDER BY id"
        return {t: [tuple(r) for r in server.sql(query.format(c, t))] for t, c in tables.items()}

    before = living()
    merged = merge(boss, keep, goes)
    assert living() == {
        "relationship": [(keep, third)],
        "duplicate_dismissal": [tuple(sorted((keep, third)))],
        "customer_event_participant": [(keep,)],
    }
    boss.UndoAct(record_type="customer", id=merged.act_id)
    server.run_jobs()
    assert living() == before


def test_the_open_churn_case_counts_though_a_newer_one_was_merged_into_it(
    boss: Client, order: Callable[..., Any], sweep: Callable[[date], int]
) -> None:
    keep, goes = two(boss)
    order(keep, "2026-01-01", "100.00")
    sweep(date(2026, 11, 24))
    boss.CreateChurnCase(churn_case={"customer_id": goes, "warn_note": "听说换了供应商"})
    merge(boss, keep, goes)

    sweep(date(2026, 11, 25))
    assert boss.GetCustomer(id=keep).lifecycle == "leaving"
    order(keep, "2026-11-25", "100.00")
    sweep(date(2026, 11, 26))

    assert {c.state for c in boss.ListChurnCases().churn_cases} == {"closed"}
    assert boss.GetCustomer(id=keep).lifecycle == "trading"


@pytest.mark.feature("CUS-18")
def test_a_customer_that_was_lost_twice_under_two_names_is_one_loss(server: Server, boss: Client) -> None:
    keep, goes = two(boss)
    for customer_id in (keep, goes):
        case = boss.CreateChurnCase(churn_case={"customer_id": customer_id, "warn_note": "听说换了供应商"})
        boss.ConfirmChurnCase(id=case.id, etag=case.etag, reason="competitor")

    counts = [boss.CountChurn().total]
    merged = merge(boss, keep, goes)
    counts.append(boss.CountChurn().total)
    boss.UndoAct(record_type="customer", id=merged.act_id)
    server.run_jobs()

    assert [*counts, boss.CountChurn().total] == [2, 1, 2]


@pytest.mark.feature("CUS-04")
def test_the_mark_of_a_demand_goes_back_with_the_demand(server: Server, boss: Client) -> None:
    keep, goes = two(boss)
    boss.CreateDemand(demand={"customer_id": goes, "kind": "other", "description": "版面"})
    merged = merge(boss, keep, goes)
    marks = [boss.GetCustomer(id=keep).has_valid_demand]

    boss.UndoAct(record_type="customer", id=merged.act_id)
    server.run_jobs()

    marks += [boss.GetCustomer(id=i).has_valid_demand for i in (keep, goes)]
    assert marks == [True, False, True]
