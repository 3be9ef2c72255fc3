"""Care: what plans propose, to whom and on which day."""

from __future__ import annotations

from typing import Any

import pytest
from care_fixtures import contact, day_id, items, plan, propose, queue, result, template

from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit.testing import Client, Server, event, refused

pytestmark = pytest.mark.feature("CUS-21")


def test_there_is_one_item_for_each_plan_person_and_occasion(server: Server, boss: Client, company: Any) -> None:
    for n in range(5):
        contact(boss, company, f"王{n}")
    plan(boss)
    plan(boss, channel="mail", name="另一方案")

    first = [propose(server, f"2026-06-{day:02}")["proposed"] for day in range(7, 11)]
    again = propose(server, "2026-06-08")["proposed"]

    assert (first, again) == ([10, 0, 0, 0], 0)
    assert propose(server, "2027-06-10")["proposed"] == 10
    with pytest.raises(Exception, match="uq_care_item_occasion"):
        server.sql(
            "INSERT INTO care_item (id, create_time, update_time, plan_id, record_id, occasion_key, occasion_date)"
            " SELECT gen_random_uuid(), now(), now(), plan_id, record_id, occasion_key, occasion_date"
            " FROM care_item LIMIT 1"
        )


def test_a_killed_job_goes_on_without_doubles_and_without_gaps(
    server: Server, boss: Client, company: Any, measured: Any
) -> None:
    boss.ImportCustomers(customers=[{"name": f"客户{n}", "external_id": f"k{n}"} for n in range(90)])
    ids = [i for (i,) in server.sql("SELECT id::text FROM customer WHERE external_id IS NOT NULL")]
    for part in range(3):
        rows = [{"customer_id": i, "name": f"人{n}", "birthday": "1980-06-10", "mobile": "13800001234"}
                for i in ids[part::3] for n in range(10)]  # fmt: skip
        boss.ImportContacts(contacts=rows)
    plan(boss, automatic=True, name="一")
    plan(boss, name="二")

    job = queue(server, "care_propose", "2026-06-10")
    kills = 0
    while True:
        runner = server.service.runner()
        broken = _break_once(runner, kills)
        if not broken and not runner.step():
            break
        kills += broken
    again = propose(server, "2026-06-10")

    assert result(server, job) == {"proposed": 1800}
    assert again == {"proposed": 0}
    ((made, persons),) = server.sql("SELECT count(*), count(DISTINCT record_id) FROM care_item")
    measured(f"{made} items of {persons} people over {kills} kills")
    assert (made, persons, kills) == (1800, 900, 5)


def _break_once(runner: Any, kills: int) -> bool:
    """A step that dies just before its end: its transaction is lost, as with the process."""
    if kills >= 5:
        return False
    advance = runner._advance

    def die(call: Any, row: Any) -> None:
        advance(call, row)
        raise KeyboardInterrupt

    runner._advance = die
    with pytest.raises(KeyboardInterrupt):
        runner.step()
    return True


def test_a_lunar_birthday_and_a_lunar_festival(server: Server, boss: Client, company: Any) -> None:
    born_on_mid_autumn = contact(boss, company, "秋月", birthday="1985-09-29", birthday_lunar=True)
    contact(boss, company, "国庆", birthday="1985-09-29")
    plan(boss)
    plan(boss, "day", day_id=day_id(boss, "mid_autumn"), name="中秋")

    propose(server, "2026-09-25")

    found = sorted((i.record_id == born_on_mid_autumn.id, i.occasion_name, i.occasion_date) for i in items(boss))
    assert found == [(False, "中秋节", "2026-09-25"), (True, "中秋节", "2026-09-25"), (True, "生日", "2026-09-25")]


def test_company_anniversaries_and_first_deals_go_to_the_primary_contact_or_the_company(
    server: Server, boss: Client, company: Any
) -> None:
    primary = contact(boss, company, "李总", primary=True)
    contact(boss, company, "其他人")
    deal = Opportunity(id="01890000-0000-7000-8000-000000000001", title="轴承", state="won")
    deal.customer_id, deal.close_date = company.id, "2024-06-12"
    server.deliver("sales", event(deal, "won"))
    plan(boss, "company_anniversary", audience="primary_contacts", name="周年")
    plan(boss, "first_deal", "task", audience="customers", name="首单")

    propose(server, "2026-06-12")

    found = {(i.occasion, i.record_type, i.record_id, i.occasion_date) for i in items(boss)}
    assert found == {
        ("company_anniversary", "contact", primary.id, "2026-06-12"),
        ("first_deal", "customer", company.id, "2026-06-12"),
    }


def test_the_first_deal_is_the_first_order_where_that_is_earlier(
    server: Server, boss: Client, company: Any, order: Any
) -> None:
    ordered = boss.CreateCustomer(customer={"name": "老主顾"})
    boss.CreateCustomer(customer={"name": "潜在客户"})
    for day in ("2023-06-13", "2024-06-12"):
        order(ordered.id, day, "100")
    order(company.id, "2023-06-12", "100")
    deal = Opportunity(id="01890000-0000-7000-8000-000000000001", customer_id=company.id, state="won")
    deal.close_date = "2024-06-13"
    server.deliver("sales", event(deal, "won"))
    plan(boss, "first_deal", "task", audience="customers")

    propose(server, "2026-06-12")

    found = {(i.record_id, i.occasion_date) for i in items(boss)}
    assert found == {(ordered.id, "2026-06-13"), (company.id, "2026-06-12")}


def test_a_plan_tells_no_day_of_orders_that_its_owner_does_not_see(
    server: Server, boss: Client, company: Any, order: Any
) -> None:
    order(company.id, "2023-06-12", "100")
    hidden = [{"resource": "customer", "field": "first_order_date", "rule": "hidden"}]
    owner = server.person(fields=hidden)
    plan(owner, "first_deal", "task", audience="customers", template_id=template(boss, "task"))

    said = propose(server, "2026-06-12")

    assert ["首次订货日期" in s["reason"] for s in said["stopped"]] == [True]
    assert items(boss) == []


def test_occasions_that_people_enter_come_once_or_every_year(server: Server, boss: Client, company: Any) -> None:
    person = contact(boss, company)
    enter = {"customer_id": company.id, "contact_id": person.id}
    boss.CreateOccasion(occasion={**enter, "kind": "promotion", "name": "升任总经理", "date": "2026-06-20"})
    boss.CreateOccasion(
        occasion={**enter, "kind": "promotion", "name": "入职纪念", "date": "2020-06-20", "yearly": True}
    )
    boss.CreateOccasion(occasion={**enter, "kind": "wedding", "name": "结婚纪念", "date": "2010-06-20", "yearly": True})
    plan(boss, "occasion", occasion_kind="promotion")

    assert propose(server, "2026-06-20") == {"proposed": 2}
    assert propose(server, "2027-06-20") == {"proposed": 1}
    assert sorted(i.occasion_name for i in items(boss)) == ["入职纪念", "入职纪念", "升任总经理"]


def test_an_occasion_is_of_a_contact_of_the_same_customer(boss: Client, company: Any) -> None:
    other = contact(boss, boss.CreateCustomer(customer={"name": "别家"}))

    with refused("INVALID_ARGUMENT", "INVALID", "contactId"):
        boss.CreateOccasion(
            occasion={
                "customer_id": company.id,
                "contact_id": other.id,
                "kind": "other",
                "name": "某",
                "date": "2026-01-01",
            }
        )
