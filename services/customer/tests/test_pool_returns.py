"""Every night customers come into their pools by rule: warned before, as one act, and as the simulation told."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest

from crm.sales.v1.opportunities_pb2 import Opportunity
from crm_kit import ids
from crm_kit.pool import today
from crm_kit.testing import Client, Server, event, refused
from customer.pools import returning

pytestmark = pytest.mark.feature("CUS-10")
TODAY = today()


def after(days: int) -> date:
    return TODAY + timedelta(days=days)


def made(owner: Client, count: int, **fields: Any) -> list[str]:
    return [owner.CreateCustomer(customer={"name": f"客户{i:03}", **fields}).id for i in range(count)]


def lying_in(boss: Client, pool: Any) -> set[str]:
    return {c.id for c in boss.ListCustomers(filter=f'pool_id = "{pool.id}"', page_size=200).customers}


def opportunity(server: Server, customer_id: str, version: int = 1, record_id: str = "", **fields: Any) -> str:
    """Sales tells of an opportunity of a customer."""
    record = Opportunity(id=record_id or ids.uuid7(), customer_id=customer_id, title="商机", **fields)
    server.deliver("sales", event(record, "updated", version))
    return record.id


def test_customers_not_contacted_come_into_the_pool_and_those_contacted_stay(
    server: Server, boss: Client, pools: Any
) -> None:
    pool = pools.make(return_rules=[{"no_contact_days": 30}])
    idle, busy, young = made(boss, 3)
    pools.own_since(after(-30), idle, busy)
    boss.CreateInteraction(interaction={"customer_id": busy, "kind": "call", "subject": "电话"})
    job = pools.night(TODAY)
    assert (job.state, dict(job.result)) == ("done", {"returned": 1, "warned": 0, "failed": 0})
    assert lying_in(boss, pool) == {idle}
    move = boss.ListCustomerPoolMoves(id=idle).moves[0]
    assert (move.kind, move.reason, move.reason_label, move.rule, move.pool_version, move.day) == (
        *("returned", "no_contact", "超期未联系"),
        *(1, 2, TODAY.isoformat()),
    )
    assert (move.from_user_id, move.actor_id) == (boss.user_id, "")
    assert [e.action for e in server.events("customer") if e.record_id == idle] == ["created", "returned"]
    assert young not in lying_in(boss, pool)
    assert dict(pools.night(TODAY).result) == {"returned": 0, "warned": 0, "failed": 0}


def test_levels_exemptions_protection_and_what_sales_tells_decide(server: Server, boss: Client, pools: Any) -> None:
    rules = [
        {"levels": ["key"], "no_deal_days": 60, "exempt_open_opportunity": True},
        {"no_opportunity_days": 20, "exempt_deal": True},
    ]
    pool = pools.make(return_rules=rules)
    key = dict(zip(("idle", "open", "late"), made(boss, 3, level="key"), strict=True))
    plain = dict(zip(("idle", "new", "won", "locked", "safe", "lost"), made(boss, 6, level="c"), strict=True))
    pools.own_since(after(-70))
    opportunity(server, key["open"], state="developing")
    opportunity(server, key["late"], state="won", close_date=after(-59).isoformat())
    opportunity(server, plain["new"], state="developing")
    won = opportunity(server, plain["won"], state="won", close_date=after(-300).isoformat())
    opportunity(server, plain["won"], 2, won, state="archived", close_date=after(-300).isoformat())
    lost = {"state": "archived", "lost_reason": "price", "create_time": {"seconds": 1_700_000_000}}
    opportunity(server, plain["lost"], **lost)
    boss.ProtectCustomer(id=plain["locked"], etag="1", locked=True)
    boss.ProtectCustomer(id=plain["safe"], etag="1", protected_until=TODAY.isoformat())
    pools.night(TODAY)
    assert lying_in(boss, pool) == {key["idle"], plain["idle"], plain["lost"]}
    pools.night(after(1))
    assert lying_in(boss, pool) == {key["idle"], plain["idle"], plain["lost"], plain["safe"], key["late"]}


def test_an_order_of_the_ledger_is_a_deal_like_a_won_opportunity(
    server: Server, boss: Client, pools: Any, order: Any
) -> None:
    rules = [{"levels": ["key"], "no_deal_days": 60}, {"no_contact_days": 20, "exempt_deal": True}]
    pool = pools.make(return_rules=rules)
    key = dict(zip(("old", "ordered", "both", "refund"), made(boss, 4, level="key"), strict=True))
    plain = dict(zip(("prospect", "ordered", "paid"), made(boss, 3, level="c"), strict=True))
    pools.own_since(after(-90))
    order(key["old"], after(-61).isoformat(), "10")
    order(key["ordered"], after(-59).isoformat(), "10")
    order(key["both"], after(-80).isoformat(), "10")
    opportunity(server, key["both"], state="won", close_date=after(-58).isoformat())
    order(key["refund"], after(-10).isoformat(), "-10")
    order(plain["ordered"], after(-1000).isoformat(), "10")
    order(plain["paid"], after(-5).isoformat(), "10", kind="receipt")
    pools.night(TODAY)
    gone = {key["old"], key["refund"], plain["prospect"], plain["paid"]}
    assert lying_in(boss, pool) == gone
    pools.night(after(1))
    assert lying_in(boss, pool) == gone | {key["ordered"]}
    pools.night(after(2))
    assert lying_in(boss, pool) == gone | {key["ordered"], key["both"]}


def test_an_order_entered_while_the_night_runs_keeps_the_customer(
    boss: Client, pools: Any, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pools.make(return_rules=[{"no_deal_days": 30}])
    customer = made(boss, 1)[0]
    pools.own_since(after(-40))
    judge = returning.judged

    def judged(*asked: Any) -> Any:
        found = judge(*asked)
        order(customer, TODAY.isoformat(), "10")
        return found

    monkeypatch.setattr(returning, "judged", judged)
    assert dict(pools.night(TODAY).result)["returned"] == 0
    assert lying_in(boss, pool) == set()


def test_the_end_of_the_last_contract_starts_a_term(boss: Client, pools: Any) -> None:
    pool = pools.make(return_rules=[{"contract_ended_days": 10, "exempt_open_contract": True}])
    ended = made(boss, 1, supply_contract_end=after(-3).isoformat())[0]
    running, without = made(boss, 1, supply_contract_end=after(30).isoformat())[0], made(boss, 1)[0]
    pools.own_since(after(-100))
    pools.night(after(6))
    assert lying_in(boss, pool) == set()
    pools.night(after(7))
    assert lying_in(boss, pool) == {ended}
    assert not {running, without} & lying_in(boss, pool)


def test_the_owner_is_warned_once_for_each_term(server: Server, boss: Client, pools: Any) -> None:
    pool = pools.make(return_rules=[{"no_contact_days": 30, "warning_days": 5}])
    customer = made(boss, 1)[0]
    pools.own_since(TODAY)

    def warnings() -> list[tuple[str, str]]:
        told = [e for e in server.events("customer") if e.action == "return_due"]
        return [
            (c["returnDay"], c["reason"]) for e in told for c in [{x.field: x.after.string_value for x in e.changes}]
        ]

    for day in range(24, 28):
        pools.night(after(day))
    assert warnings() == ([(after(30).isoformat(), "no_contact")])
    server.sql("UPDATE customer SET last_contact_time = now() + interval '27 days'")
    for day in range(28, 57):
        pools.night(after(day))
    assert warnings() == [(after(30).isoformat(), "no_contact"), (after(57).isoformat(), "no_contact")]
    assert boss.GetCustomer(id=customer).pool_id == ""
    assert boss.GetCustomer(id=customer).etag == "1"
    pools.night(after(57))
    assert boss.GetCustomer(id=customer).pool_id == pool.id


def test_who_switches_a_rule_on_takes_nothing_from_anybody_unwarned(boss: Client, pools: Any) -> None:
    pool = pools.make(return_rules=[{"no_contact_days": 30, "warning_days": 5}])
    made(boss, 2)
    pools.own_since(after(-300))
    assert [dict(pools.night(after(d)).result)["warned"] for d in range(5)] == [2, 0, 0, 0, 0]
    assert lying_in(boss, pool) == set()
    pools.night(after(5))
    assert len(lying_in(boss, pool)) == 2


def test_the_pool_of_the_nearest_department_whose_filter_fits_is_responsible(
    server: Server, boss: Client, pools: Any
) -> None:
    company = server.department("公司")
    east = server.department("华东", company)
    shanghai = server.department("上海", east)
    seller = server.person(["customer.*"], "self", department_id=shanghai)
    outside = server.person(["customer.*"], "self", department_id=server.department("子公司"))
    rule = [{"no_contact_days": 10}]
    every = pools.make("全部", return_rules=rule)
    software = pools.make("华东软件", department_ids=[east], filter='industry = "software"', return_rules=rule)
    whole = pools.make("公司", department_ids=[company], return_rules=rule)
    code = made(seller, 1, industry="software")[0]
    shop, other = made(seller, 1, industry="retail")[0], made(outside, 1)[0]
    pools.own_since(after(-20))
    terms = [boss.GetReturnTerms(id=i) for i in (code, shop, other)]
    assert [(t.pool_name, t.text) for t in terms] == [
        ("华东软件", "按部门“华东”适用公海“华东软件”"),
        ("公司", "按部门“公司”适用公海“公司”"),
        ("全部", "适用于所有部门的公海“全部”"),
    ]
    assert (terms[0].rule.no_contact_days, terms[0].return_day) == (10, TODAY.isoformat())
    pools.night(TODAY)
    assert [lying_in(boss, p) for p in (software, whole, every)] == [{code}, {shop}, {other}]


def test_a_night_is_one_act_and_is_taken_back_as_a_whole(server: Server, boss: Client, pools: Any) -> None:
    li = server.person(["customer.*"], "self", name="李")
    pool = pools.make(return_rules=[{"no_contact_days": 30}], member_user_ids=[li.user_id])
    mine = made(li, 5, remarks="要紧的")
    pools.own_since(after(-40))
    job = pools.night(TODAY)
    assert li.ListCustomers(filter=f'owner_id = "{li.user_id}"', count="exact").total == 0
    there = boss.GetCustomer(id=mine[0])
    li.ClaimCustomer(id=there.id, etag=there.etag)
    act = boss.GetAct(record_type="customer", id=job.id)
    assert (act.kind, act.updated, act.undoable) == ("pool_return", 5, True)
    back = boss.UndoAct(record_type="customer", id=job.id)
    server.run_jobs()
    assert dict(boss.GetJob(record_type="customer", id=back.id).result) == {"undone": 4, "kept": 1}
    assert lying_in(boss, pool) == set()
    owners = {boss.GetCustomer(id=i).owner_id for i in mine}
    assert owners == {li.user_id}
    kinds = [[m.kind for m in li.ListCustomerPoolMoves(id=i).moves] for i in mine[:2]]
    assert kinds == [["claimed", "returned"], ["undone", "returned"]]
    kept = boss.ListActItems(record_type="customer", id=job.id, outcome="kept").items
    assert [i.record_id for i in kept] == [mine[0]]
    figures = boss.GetPoolStatistics(id=pool.id)
    assert (figures.size, figures.came_in, figures.went_out) == (0, 5, 5)
    assert {(line.kind, line.count) for line in figures.outgoing} == {("undone", 4), ("claimed", 1)}


def population(server: Server, boss: Client, order: Any, rng: random.Random) -> None:
    """300 customers of six people in three departments, of every kind that rules tell apart."""
    company = server.department("公司")
    homes = [company, server.department("华东", company), None]
    owners = [server.person(["customer.*"], "self", name=f"销售{i}", department_id=homes[i % 3]) for i in range(6)]
    for i in range(300):
        end = after(rng.randint(-60, 60)).isoformat() if rng.random() < 0.4 else ""
        fields = {"level": rng.choice(["key", "a", "b", "c", ""]), "supply_contract_end": end}
        customer = rng.choice(owners).CreateCustomer(customer={"name": f"客户{i}", **fields})
        pools_since = after(-rng.randint(0, 150))
        server.sql("UPDATE customer SET owner_time = :t WHERE id = :i", t=pools_since, i=customer.id)
        if rng.random() < 0.5:
            contact = after(-rng.randint(0, 120))
            server.sql("UPDATE customer SET last_contact_time = :t WHERE id = :i", t=contact, i=customer.id)
        if rng.random() < 0.3:
            seconds = {"seconds": 1_764_000_000 - rng.randint(0, 10_000_000)}
            state = rng.choice(["developing", "won", "archived"])
            closed = after(-rng.randint(0, 200)).isoformat() if state != "developing" else ""
            opportunity(server, customer.id, state=state, close_date=closed, create_time=seconds)
        if rng.random() < 0.3:
            order(customer.id, after(-rng.randint(0, 200)).isoformat(), "10")
        if rng.random() < 0.1:
            until = after(rng.randint(0, 80)).isoformat()
            locked = rng.random() < 0.3
            boss.ProtectCustomer(id=customer.id, etag=customer.etag, protected_until=until, locked=locked)


def simulated(server: Server, boss: Client, pool: Any, first: date, last: date) -> tuple[Any, dict[str, str]]:
    """A simulation: the job, and customer → day."""
    job = boss.SimulatePool(id=pool.id, from_date=first.isoformat(), until_date=last.isoformat())
    server.run_jobs()
    job = boss.GetJob(record_type="pool", id=job.id)
    assert job.state == "done", job.reason
    found, token = {}, ""
    while True:
        page = boss.ListSimulatedReturns(id=pool.id, job_id=job.id, page_size=50, page_token=token)
        found.update({r.customer_id: r.day for r in page.returns})
        token = page.next_page_token
        if not token:
            return job, found


def happened(server: Server, pool: Any) -> dict[str, str]:
    rows = server.sql(
        "SELECT customer_id::text, day FROM pool_move WHERE kind = 'returned' AND pool_id = :p", p=pool.id
    )
    return {customer_id: day.isoformat() for customer_id, day in rows}


def test_what_a_simulation_tells_is_what_happens(
    server: Server, boss: Client, pools: Any, order: Any, measured: Any
) -> None:
    rng = random.Random(48)
    population(server, boss, order, rng)
    rules = [
        {"levels": ["key"], "no_deal_days": 120, "contract_ended_days": 20, "exempt_open_opportunity": True},
        {"levels": ["a", "b"], "no_contact_days": 60, "exempt_deal": True, "warning_days": 7},
        {"no_opportunity_days": 90, "no_contact_days": 75, "exempt_open_contract": True, "warning_days": 3},
    ]
    # Another pool is nearer to some, and takes from them.
    home = server.sql("SELECT id::text FROM org_department WHERE name = '华东'")[0][0]
    near = pools.make("近", department_ids=[home], return_rules=[{"no_contact_days": 40}])
    pool = pools.make("远", return_rules=rules)
    compared = 0
    for first, last in ((0, 45), (46, 90)):
        both = [simulated(server, boss, p, after(first), after(last))[1] for p in (pool, near)]
        before = [happened(server, p) for p in (pool, near)]
        for day in range(first, last + 1):
            pools.night(after(day))
        came = [happened(server, p) for p in (pool, near)]
        new = [{c: d for c, d in now.items() if c not in was} for now, was in zip(came, before, strict=True)]
        assert new == both
        compared += sum(len(b) for b in both)
        # Contacts happen between the two periods, to half of those that somebody still has.
        moment = after(46)
        server.sql(
            "UPDATE customer SET last_contact_time = :t WHERE owner_id IS NOT NULL AND right(number, 1) < '5'", t=moment
        )
    days = {d for p in (pool, near) for d in happened(server, p).values()}
    assert compared > 150
    assert len(days) > 30
    measured(f"91 nights over 300 customers: {compared} returns on {len(days)} days, each on the day simulated")


def test_a_simulation_of_a_draft_tells_who_would_lose_what(server: Server, boss: Client, pools: Any) -> None:
    li, wang = (server.person(["customer.*"], "self", name=n) for n in ("李", "王"))
    pool = pools.make(active=False)
    rich, poor = made(li, 1, supply_contract_end=after(400).isoformat())[0], made(li, 1)[0]
    other = made(wang, 1)[0]
    opportunity(server, rich, state="developing")
    pools.own_since(after(-25))
    pools.own_since(after(-20), other)
    rules = [{"no_contact_days": 30, "warning_days": 2}]
    job = boss.SimulatePool(id=pool.id, return_rules=rules)
    server.run_jobs()
    job = boss.GetJob(record_type="pool", id=job.id)
    assert dict(job.result) == {"customers": 3, "withOpenOpportunity": 1, "withOpenContract": 1}
    losses = boss.ListSimulatedLosses(id=pool.id, job_id=job.id).losses
    told = [(x.day, x.owner_name, x.customers, x.with_open_opportunity, x.with_open_contract) for x in losses]
    assert told == [(after(5).isoformat(), "李", 2, 1, 1), (after(10).isoformat(), "王", 1, 0, 0)]
    page = boss.ListSimulatedLosses(id=pool.id, job_id=job.id, page_size=1)
    rest = boss.ListSimulatedLosses(id=pool.id, job_id=job.id, page_size=1, page_token=page.next_page_token)
    assert [page.losses[0].owner_name, rest.losses[0].owner_name, rest.next_page_token] == ["李", "王", ""]
    returns = {r.customer_id: r for r in boss.ListSimulatedReturns(id=pool.id, job_id=job.id).returns}
    assert (returns[rich].open_contract, returns[poor].open_contract) == (True, False)
    assert (returns[poor].reason, returns[poor].warning_day) == ("no_contact", after(3).isoformat())
    assert boss.ListCustomers(filter="pool_id != null", count="exact").total == 0
    with refused("NOT_FOUND"):
        boss.ListSimulatedLosses(id=pools.make().id, job_id=job.id)
    with refused("INVALID_ARGUMENT", "INVALID", "untilDate"):
        boss.SimulatePool(id=pool.id, until_date=after(91).isoformat())
    with refused("PERMISSION_DENIED"):
        li.SimulatePool(id=pool.id)
