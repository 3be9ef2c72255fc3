"""One act on many records: as a job, with reasons for what it could not do, and taken back as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from crm.records.v1 import jobs_pb2
from crm_kit.testing import Client, Server, refused

pytestmark = [pytest.mark.feature("CUS-07"), pytest.mark.feature("CUS-09")]


def named(boss: Client, count: int, **fields: Any) -> list[str]:
    return [boss.CreateCustomer(customer={"name": f"客户{i:04}", **fields}).id for i in range(count)]


def run(server: Server, person: Client, job: Any) -> jobs_pb2.Job:
    assert job.state == "queued"
    server.run_jobs()
    return person.GetJob(record_type=job.record_type, id=job.id)


def change(server: Server, person: Client, changes: dict[str, Any], **selection: Any) -> jobs_pb2.Job:
    return run(server, person, person.BulkUpdate(record_type="customer", changes=changes, **selection))


def undo(server: Server, person: Client, act_id: str) -> jobs_pb2.Job:
    return run(server, person, person.UndoAct(record_type="customer", id=act_id))


def test_a_field_of_all_that_a_filter_leaves_is_changed(server: Server, boss: Client) -> None:
    named(boss, 250, city="上海")
    other = named(boss, 1, city="北京")[0]
    job = change(server, boss, {"level": "key", "employees": 5}, filter='city = "上海"')
    assert (job.state, job.total, dict(job.result)) == ("done", 250, {"changed": 250, "unchanged": 0, "failed": 0})
    changed = boss.ListCustomers(filter='level = "key"', fields="city,employees", page_size=200, count="exact")
    assert changed.total == 250
    assert {(c.city, c.employees) for c in changed.customers} == {("上海", 5)}
    assert boss.GetCustomer(id=other).level == ""


def test_a_change_that_moves_records_out_of_its_own_filter_meets_each_once(server: Server, boss: Client) -> None:
    named(boss, 450, city="上海")
    job = change(server, boss, {"city": "苏州"}, filter='city = "上海"')
    assert dict(job.result) == {"changed": 450, "unchanged": 0, "failed": 0}


def test_what_one_record_refuses_stops_no_other_and_is_told(server: Server, boss: Client) -> None:
    east = server.person(["customer.*"], "self", name="东区")
    own, foreign = named(east, 3), named(boss, 1)[0]
    job = change(server, east, {"city": "苏州"}, ids=[own[0], foreign, own[1], own[2]])
    assert dict(job.result) == {"changed": 3, "unchanged": 0, "failed": 1}
    items = east.ListActItems(record_type="customer", id=job.id, outcome="failed").items
    assert [(i.record_id, i.change, i.reason) for i in items] == [(foreign, "", "记录不存在")]
    assert boss.GetCustomer(id=foreign).city == ""


def test_taking_back_makes_every_record_what_it_was(server: Server, boss: Client) -> None:
    ids = named(boss, 120, city="上海", mobile="13800138000", annual_revenue="1000.50", tags=["a", "b"])
    before = {i: boss.GetCustomer(id=i) for i in ids}
    changes = {"city": "苏州", "mobile": "13900139000", "annualRevenue": "7", "tags": ["c"], "remarks": "改"}
    job = change(server, boss, changes, everything=True)
    assert boss.GetAct(record_type="customer", id=job.id).undoable
    back = undo(server, boss, job.id)
    assert (back.state, back.total, dict(back.result)) == ("done", 120, {"undone": 120, "kept": 0})
    for record_id, was in before.items():
        now = boss.GetCustomer(id=record_id)
        assert (now.etag, was.etag) == ("3", "1")
        now.etag, now.update_time.seconds, now.update_time.nanos = "1", was.update_time.seconds, was.update_time.nanos
        assert now == was
    act = boss.GetAct(record_type="customer", id=job.id)
    assert (act.state, act.updated, act.undone, act.undoable, act.undo_job_id) == ("undone", 120, 120, False, back.id)
    found = boss.ListCustomers(search="13800138000", count="exact")
    assert found.total == 120


def test_what_somebody_changed_since_stays_and_is_named(server: Server, boss: Client) -> None:
    ids = named(boss, 3, city="上海")
    job = change(server, boss, {"city": "苏州"}, ids=ids)
    li = server.person(name="李")
    li.UpdateCustomer(customer={"id": ids[1], "remarks": "新"}, update_mask={"paths": ["remarks"]}, etag="2")
    back = undo(server, boss, job.id)
    assert dict(back.result) == {"undone": 2, "kept": 1}
    assert [boss.GetCustomer(id=i).city for i in ids] == ["上海", "苏州", "上海"]
    kept = boss.ListActItems(record_type="customer", id=job.id, outcome="kept").items
    assert [(i.record_id, i.reason) for i in kept] == [(ids[1], "李已在此后修改（版本 3），未撤销")]


def test_a_value_that_is_taken_since_is_not_taken_back(server: Server, boss: Client) -> None:
    first, second = named(boss, 2)
    code = "91310000607234515H"
    boss.UpdateCustomer(customer={"id": first, "credit_code": code}, update_mask={"paths": ["credit_code"]}, etag="1")
    job = change(server, boss, {"creditCode": ""}, ids=[first])
    boss.UpdateCustomer(customer={"id": second, "credit_code": code}, update_mask={"paths": ["credit_code"]}, etag="1")
    assert dict(undo(server, boss, job.id).result) == {"undone": 0, "kept": 1}
    assert (boss.GetCustomer(id=first).credit_code, boss.GetCustomer(id=second).credit_code) == ("", code)


def test_who_gave_customers_away_takes_them_back_though_they_no_longer_reach_them(server: Server) -> None:
    li = server.person(["customer.*"], "self", name="李")
    manager = server.person(["customer.*"], [{"resource": "*", "scope": "all"}], name="经理", policy=None)
    ids = named(li, 5)
    job = run(server, manager, manager.BulkAssign(record_type="customer", ids=ids, owner_id=manager.user_id))
    assert dict(job.result) == {"changed": 5, "unchanged": 0, "failed": 0}
    assert li.ListCustomers(count="exact").total == 0
    server.sql('UPDATE org_role SET scopes = \'[{"resource": "*", "scope": "chosen"}]\' WHERE true')
    undo(server, manager, job.id)
    assert li.ListCustomers(count="exact").total == 5


def test_deleted_customers_come_back(server: Server, boss: Client) -> None:
    ids = named(boss, 4)
    boss.CreateContact(contact={"customer_id": ids[0], "name": "王"})
    job = run(server, boss, boss.BulkDelete(record_type="customer", everything=True))
    assert dict(job.result) == {"changed": 3, "unchanged": 0, "failed": 1}
    assert dict(undo(server, boss, job.id).result) == {"undone": 3, "kept": 0}
    assert boss.ListCustomers(count="exact").total == 4


def test_an_act_that_was_killed_goes_on_and_is_undone_as_one(server: Server, boss: Client) -> None:
    named(boss, 250, city="上海")
    job = boss.BulkUpdate(record_type="customer", changes={"city": "苏州"}, everything=True)
    server.run_jobs(steps=2)
    with refused("FAILED_PRECONDITION", "ACT_UNDER_WAY"):
        boss.UndoAct(record_type="customer", id=job.id)
    server.run_jobs()
    assert dict(boss.GetJob(record_type="customer", id=job.id).result)["changed"] == 250
    back = boss.UndoAct(record_type="customer", id=job.id)
    server.run_jobs(steps=1)
    assert boss.GetJob(record_type="customer", id=back.id).done == 200
    server.run_jobs()
    assert boss.ListCustomers(filter='city = "上海"', count="exact").total == 250
    with refused("FAILED_PRECONDITION", "ACT_UNDONE"):
        boss.UndoAct(record_type="customer", id=job.id)


def test_a_cancelled_act_keeps_what_it_did_until_it_is_taken_back(server: Server, boss: Client) -> None:
    named(boss, 250, city="上海")
    job = boss.BulkUpdate(record_type="customer", changes={"city": "苏州"}, everything=True)
    server.run_jobs(steps=2)
    boss.CancelJob(record_type="customer", id=job.id)
    server.run_jobs()
    assert boss.GetJob(record_type="customer", id=job.id).state == "cancelled"
    assert boss.ListCustomers(filter='city = "苏州"', count="exact").total == 100
    assert dict(undo(server, boss, job.id).result) == {"undone": 100, "kept": 0}


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({}, "NOTHING_SELECTED"),
        ({"everything": True, "filter": 'city = "x"'}, "NOTHING_SELECTED"),
        ({"ids": ["x"]}, "INVALID"),
        ({"filter": "nosuch = 1"}, "BAD_FILTER"),
        ({"everything": True, "changes": {}}, "NO_CHANGES"),
        ({"everything": True, "changes": {"nosuch": 1}}, "INVALID"),
        ({"everything": True, "changes": {"number": "KH1"}}, "INVALID"),
        ({"everything": True, "changes": {"employees": -1}}, "INVALID"),
    ],
)
def test_a_wrong_request_is_refused_and_starts_nothing(boss: Client, request_: dict[str, Any], reason: str) -> None:
    with refused("INVALID_ARGUMENT") as refusal:
        boss.BulkUpdate(**{"record_type": "customer", "changes": {"city": "x"}, **request_})
    assert reason in (refusal.reason, "INVALID", "BAD_FILTER")
    assert not boss.ListJobs(record_type="customer").jobs


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"industry": "zzz"}, "industry"),
        ({"employees": -1}, "employees"),
        ({"foundingDate": "2999-01-01"}, "foundingDate"),
        ({"parentId": "01990000-0000-7000-8000-000000000000"}, "parentId"),
        ({"custom": {"ports": ["moon"]}}, "custom.ports"),
        ({"custom": {"nobodys": "x"}}, "custom.nobodys"),
    ],
)
def test_a_value_that_fits_no_record_is_refused_before_a_job_begins(
    boss: Client, changes: dict[str, Any], field: str
) -> None:
    definition = {
        "key": "ports",
        "kind": "multi_choice",
        "label_zh": "港口",
        "label_en": "Ports",
        "choices": ["sea"],
    }
    boss.CreateCustomField(record_type="customer", custom_field=definition)
    named(boss, 3)

    with refused("INVALID_ARGUMENT", "INVALID", field):
        boss.BulkUpdate(record_type="customer", changes=changes, everything=True)
    with refused("INVALID_ARGUMENT", "INVALID", "ownerId"):
        boss.BulkAssign(record_type="customer", owner_id="01990000-0000-7000-8000-000000000000", everything=True)

    assert not boss.ListActs(record_type="customer").acts


def test_nobody_else_sees_somebodys_acts_and_jobs(server: Server, boss: Client) -> None:
    li = server.person(["customer.read", "customer.update", "customer.create"], name="李")
    named(li, 2)
    job = change(server, li, {"city": "苏州"}, everything=True)
    other = server.person(["customer.read", "customer.update", "customer.delete"], name="王")
    near = server.person(["customer.*"], "self", name="近")
    for stranger in (other, near):
        for ask in (stranger.GetAct, stranger.ListActItems, stranger.UndoAct):
            with refused("NOT_FOUND"):
                ask(record_type="customer", id=job.id)
        assert not stranger.ListActs(record_type="customer").acts
    with refused("NOT_FOUND"):
        other.GetJob(record_type="customer", id=job.id)
    assert [a.id for a in boss.ListActs(record_type="customer").acts] == [job.id]
    assert [j.id for j in li.ListMyJobs().jobs] == [job.id]


def test_who_lost_the_right_takes_nothing_back(server: Server, boss: Client) -> None:
    li = server.person(["customer.read", "customer.update"], name="李")
    named(boss, 2)
    job = change(server, li, {"city": "苏州"}, everything=True)
    server.sql("UPDATE org_role SET rights = '{customer.read}' WHERE 'customer.update' = ANY(rights)")
    server.service.organisation.forget()
    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        li.UndoAct(record_type="customer", id=job.id)


def test_a_hidden_field_is_changed_by_nobody_who_does_not_see_it(server: Server, boss: Client) -> None:
    rules = [{"resource": "customer", "field": "city", "rule": "hidden"}]
    li = server.person(["customer.read", "customer.update"], name="李", fields=rules)
    named(boss, 2, city="上海")
    job = change(server, li, {"city": "苏州"}, everything=True)
    assert dict(job.result)["failed"] == 2
    assert {c.city for c in boss.ListCustomers().customers} == {"上海"}


def test_the_events_of_an_act_say_that_they_are_of_many_and_one_tells_its_end(server: Server, boss: Client) -> None:
    named(boss, 2)
    change(server, boss, {"city": "苏州"}, everything=True)
    events = server.events()
    assert [e.bulk for e in events if e.record_type == "customer" and e.action == "updated"] == [True, True]
    assert [e.action for e in events if e.record_type == "job"] == ["done"]


def set_parent(boss: Client, one: Any, parent: Any | None) -> None:
    etag = boss.GetCustomer(id=one).etag
    boss.UpdateCustomer(
        customer={"id": one, "parent_id": parent or ""}, update_mask={"paths": ["parent_id"]}, etag=etag
    )


def test_an_undo_makes_no_ring_of_parents(server: Server, boss: Client) -> None:
    one, other, third = named(boss, 3)
    set_parent(boss, one, other)
    set_parent(boss, third, other)
    job = change(server, boss, {"parentId": None}, ids=[one, third])
    set_parent(boss, other, one)

    assert dict(undo(server, boss, job.id).result) == {"undone": 1, "kept": 1}

    assert boss.GetCustomer(id=one).parent_id == ""
    assert (boss.GetCustomer(id=other).parent_id, boss.GetCustomer(id=third).parent_id) == (one, other)


def test_an_undo_leads_back_below_no_customer_that_was_deleted(server: Server, boss: Client) -> None:
    one, other = named(boss, 2)
    set_parent(boss, one, other)
    job = change(server, boss, {"parentId": None}, ids=[one])
    boss.DeleteCustomer(id=other, etag=boss.GetCustomer(id=other).etag)

    assert dict(undo(server, boss, job.id).result) == {"undone": 0, "kept": 1}
    boss.RestoreCustomer(id=other)
    assert dict(undo(server, boss, job.id).result) == {"undone": 1, "kept": 0}
    assert boss.GetCustomer(id=one).parent_id == other


def test_an_undo_puts_nothing_into_a_pool_that_was_deleted(server: Server, boss: Client, pools: Any) -> None:
    pool = pools.make()
    made = pools.put(pool)
    job = run(server, boss, boss.BulkAssign(record_type="customer", ids=[made.id], owner_id=boss.user_id))
    pool = boss.DeactivatePool(id=pool.id, etag=pool.etag)
    boss.DeletePool(id=pool.id, etag=pool.etag)

    assert dict(undo(server, boss, job.id).result) == {"undone": 0, "kept": 1}

    seen = boss.GetCustomer(id=made.id)
    assert (seen.owner_id, seen.pool_id) == (boss.user_id, "")
