"""Care when what it is for is corrected, merged or hidden, and what is left out of an item."""

from __future__ import annotations

from typing import Any

import pytest
from care_fixtures import at, changed, contact, day_id, items, plan, propose, template

from crm_kit.testing import Client, Server, refused

pytestmark = pytest.mark.feature("CUS-21")


def test_a_corrected_birthday_is_greeted_on_its_day_and_on_no_other(server: Server, boss: Client, company: Any) -> None:
    person = contact(boss, company)
    plan(boss)
    propose(server, "2026-06-08")
    boss.ConfirmCareItems(ids=[i.id for i in items(boss)])

    changed(boss, "Contact", person.id, birthday="1985-06-25")
    at(server, "2026-06-10T09:00")
    propose(server, "2026-06-23")

    found = [(i.occasion_date, i.state, i.reason) for i in items(boss)]
    assert found == [("2026-06-10", "not_sent", "date_changed"), ("2026-06-25", "proposed", "")]


def test_an_occasion_that_was_taken_away_is_not_congratulated_on(server: Server, boss: Client, company: Any) -> None:
    said = {"customer_id": company.id, "kind": "wedding", "date": "2026-06-20"}
    gone, stays = (boss.CreateOccasion(occasion={**said, "name": name}) for name in ("取消的", "照办的"))
    plan(boss, "occasion", "task", occasion_kind="wedding", audience="customers", automatic=True)
    propose(server, "2026-06-20")

    boss.DeleteOccasion(id=gone.id, etag=gone.etag)
    at(server, "2026-06-20T09:00")

    assert {i.occasion_name: i.state for i in items(boss)} == {"取消的": "not_sent", stays.name: "sent"}


def test_a_plan_that_gets_another_day_greets_on_that_too(server: Server, boss: Client, company: Any) -> None:
    contact(boss, company)
    made = plan(boss, "day", day_id=day_id(boss, "womens_day"))

    assert propose(server, "2026-03-07")["proposed"] == 1
    changed(boss, "CarePlan", made.id, day_id=day_id(boss, "national_day"))
    assert propose(server, "2026-09-30")["proposed"] == 1


@pytest.mark.parametrize("whose", ["Customer", "Contact"])
def test_an_occasion_comes_along_in_a_merge(server: Server, boss: Client, company: Any, whose: str) -> None:
    if whose == "Customer":
        keep, goes = company, boss.CreateCustomer(customer={"name": "乙公司"})
        of, audience = {"customer_id": goes.id}, "customers"
    else:
        keep, goes = contact(boss, company, "甲"), contact(boss, company, "乙")
        of, audience = {"customer_id": company.id, "contact_id": goes.id}, "contacts"
    boss.CreateOccasion(occasion={**of, "kind": "award", "name": "获奖", "date": "2026-12-20"})
    plan(boss, "occasion", "task", occasion_kind="award", audience=audience)

    etags = {i: getattr(boss, f"Get{whose}")(id=i).etag for i in (keep.id, goes.id)}
    merged = [{"id": goes.id, "etag": etags[goes.id]}]
    act = getattr(boss, f"Merge{whose}s")(id=keep.id, etag=etags[keep.id], merged=merged)
    propose(server, "2026-12-20")
    assert [i.record_id for i in items(boss)] == [keep.id]

    boss.UndoAct(record_type=whose.lower(), id=act.act_id)
    server.run_jobs()
    assert [o.record_id for o in boss.ListOccasions().occasions] == [goes.id]


@pytest.mark.parametrize(
    ("occasion", "resource", "field"),
    [
        ("birthday", "contact", "birthday"),
        ("company_anniversary", "customer", "founding_date"),
        ("first_deal", "customer", "first_order_date"),
    ],
)
def test_an_item_tells_no_day_that_is_hidden(
    server: Server, boss: Client, company: Any, order: Any, occasion: str, resource: str, field: str
) -> None:
    contact(boss, company, primary=True, birthday="1985-06-12")
    order(company.id, "2023-06-12", "100")
    plan(boss, occasion, "task", audience="primary_contacts")
    propose(server, "2026-06-12")
    near = server.person(fields=[{"resource": resource, "field": field, "rule": "hidden"}])

    (seen,) = items(near)

    assert (seen.occasion_date, seen.HasField("send_time"), "06-12" in seen.occasion_key) == ("", False, False)
    for ask in (
        lambda: items(near, filter="occasion_date > 2026-01-01"),
        lambda: near.ListCareItems(order_by="send_time"),
        lambda: near.GetCareProgress(from_date="2026-06-12"),
    ):
        with refused("INVALID_ARGUMENT"):
            ask()
    assert near.GetCareProgress().groups[0].total == 1


def test_a_plan_tells_no_founding_day_that_its_owner_does_not_see(server: Server, boss: Client, company: Any) -> None:
    owner = server.person(fields=[{"resource": "customer", "field": "founding_date", "rule": "masked"}])
    plan(owner, "company_anniversary", "task", audience="customers", template_id=template(boss, "task"))

    assert ["成立日期" in s["reason"] for s in propose(server, "2026-06-12")["stopped"]] == [True]
    assert items(boss) == []


@pytest.mark.parametrize(
    ("resource", "field", "secret"),
    [("customer", "short_name", "长江轴承"), ("customer", "name", "长江轴承"), ("contact", "sex", "女士")],
)
def test_the_text_of_an_item_tells_nothing_that_is_hidden(
    server: Server, boss: Client, company: Any, resource: str, field: str, secret: str
) -> None:
    contact(boss, company)
    plan(boss)
    propose(server, "2026-06-10")
    near = server.person(fields=[{"resource": resource, "field": field, "rule": "hidden"}])

    for asked in ("", "text", "*"):
        (seen,) = items(near, fields=asked)
        assert secret not in str(seen)
    assert items(near)[0].recipient_name == "王芳"
    changed(boss, "CareItem", seen.id, text=f"问候{secret}")
    assert secret in str(boss.ListChanges(record_type="care_item", id=seen.id))
    assert secret not in str(near.ListChanges(record_type="care_item", id=seen.id))


@pytest.mark.parametrize("field", ["text", "send_time"])
def test_an_item_that_would_say_nothing_or_never_leave_is_refused(
    server: Server, boss: Client, company: Any, field: str
) -> None:
    contact(boss, company)
    plan(boss)
    propose(server, "2026-06-10")
    (item,) = items(boss)

    with refused("INVALID_ARGUMENT", "INVALID", {"text": "text", "send_time": "sendTime"}[field]):
        boss.UpdateCareItem(care_item={"id": item.id}, update_mask={"paths": [field]}, etag=item.etag)


def test_a_text_is_no_longer_than_an_item_holds(server: Server, boss: Client, company: Any) -> None:
    contact(boss, company, "王" * 100)
    plan(boss, template_id=template(boss, text_zh="{name}" * 600, subject_zh="{name}" * 30))

    propose(server, "2026-06-10")

    assert [(len(i.subject), len(i.text)) for i in items(boss)] == [(300, 6000)]
