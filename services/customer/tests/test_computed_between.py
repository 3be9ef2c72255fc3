"""What the suite computes of a customer stands in nobody's way: not in that of an undo, nor of who read it before."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from care_fixtures import at, contact, plan, propose, watch

from crm_kit.testing import Client, Server, refused
from crm_records.imports.testing import Importer, as_csv

pytestmark = [pytest.mark.feature("CUS-07"), pytest.mark.feature("CUS-05")]


@pytest.fixture
def trade(order: Any, recompute: Any, today: date) -> Any:
    """Lets a customer order, and what follows from that be computed."""

    def enter(customer_id: str) -> None:
        order(customer_id, today.isoformat(), "100")
        assert recompute(today) == 1

    return enter


def undo(server: Server, boss: Client, act_id: str) -> tuple[int, int]:
    job = boss.UndoAct(record_type="customer", id=act_id)
    server.run_jobs()
    result = boss.GetJob(record_type="customer", id=job.id).result
    return result["undone"], result["kept"]


def rename(boss: Client, customer_id: str, name: str, etag: str) -> Any:
    return boss.UpdateCustomer(customer={"id": customer_id, "name": name}, update_mask={"paths": ["name"]}, etag=etag)


def brought_in(server: Server, boss: Client, name: str) -> str:
    """Import one customer by its external id; the act."""
    made = Importer(server, boss).put(
        as_csv([["外部标识", "名称"], ["E-1", name]]), key="externalId", existing="update"
    )
    return str(made.act_id)


def test_imports_are_taken_back_one_after_the_other(server: Server, boss: Client, recompute: Any, trade: Any) -> None:
    first = brought_in(server, boss, "甲公司")
    (made,) = boss.ListCustomers().customers
    trade(made.id)
    second = brought_in(server, boss, "甲股份公司")
    seen = boss.GetCustomer(id=made.id)
    assert (seen.name, seen.lifecycle) == ("甲股份公司", "trading")

    assert undo(server, boss, second) == (1, 0)
    seen = boss.GetCustomer(id=made.id)
    assert (seen.name, seen.lifecycle) == ("甲公司", "trading")
    (entry,) = boss.ListTradeEntries().trade_entries
    boss.DeleteTradeEntry(id=entry.id, etag=entry.etag)
    assert undo(server, boss, first) == (1, 0)
    assert not boss.ListCustomers().customers


def test_a_merge_comes_apart_though_the_customer_that_stayed_was_computed(
    server: Server, boss: Client, trade: Any, recompute: Any, today: date
) -> None:
    keep = boss.CreateCustomer(customer={"name": "甲公司"})
    goes = boss.CreateCustomer(customer={"name": "乙公司", "external_id": "MM-2"})
    trade(goes.id)
    goes = boss.GetCustomer(id=goes.id)
    merged = boss.MergeCustomers(
        id=keep.id, etag=keep.etag, merged=[{"id": goes.id, "etag": goes.etag}], fill_empty=True
    )
    recompute(today)
    assert boss.GetCustomer(id=keep.id).lifecycle == "trading"

    assert undo(server, boss, merged.act_id)[1] == 0
    back = boss.GetCustomer(id=goes.id)
    assert (back.id, back.external_id, boss.GetCustomer(id=keep.id).external_id) == (goes.id, "MM-2", "")
    assert [e.customer_id for e in boss.ListTradeEntries().trade_entries] == [goes.id]


def test_a_merge_is_not_taken_back_in_part(server: Server, boss: Client, order: Any, today: date) -> None:
    keep = boss.CreateCustomer(customer={"name": "甲公司"})
    goes = boss.CreateCustomer(customer={"name": "乙公司", "external_id": "MM-2"})
    order(goes.id, today.isoformat(), "100")
    merged = boss.MergeCustomers(
        id=keep.id, etag=keep.etag, merged=[{"id": goes.id, "etag": goes.etag}], fill_empty=True
    )
    kept = rename(boss, keep.id, "甲乙公司", boss.GetCustomer(id=keep.id).etag)

    job = boss.UndoAct(record_type="customer", id=merged.act_id)
    server.run_jobs()
    job = boss.GetJob(record_type="customer", id=job.id)
    assert job.state == "failed"
    assert goes.number in job.reason
    assert "MM-2" in job.reason
    assert [e.customer_id for e in boss.ListTradeEntries().trade_entries] == [keep.id]
    assert boss.GetCustomer(id=goes.id).id == keep.id

    fields = {"customer": {"id": keep.id}, "update_mask": {"paths": ["external_id"]}}
    boss.UpdateCustomer(**fields, etag=kept.etag)
    assert undo(server, boss, merged.act_id)[1] == 1
    assert boss.GetCustomer(id=goes.id).external_id == "MM-2"
    assert boss.GetCustomer(id=keep.id).name == "甲乙公司"
    assert [e.customer_id for e in boss.ListTradeEntries().trade_entries] == [goes.id]


def test_what_was_kept_can_be_taken_back_later(server: Server, boss: Client) -> None:
    customer = boss.CreateCustomer(customer={"name": "甲公司"})
    boss.CreateContact(contact={"customer_id": customer.id, "name": "王芳"})
    act = boss.BulkDelete(record_type="contact", everything=True)
    server.run_jobs()
    boss.DeleteCustomer(id=customer.id, etag=boss.GetCustomer(id=customer.id).etag)

    def again() -> tuple[int, int]:
        job = boss.UndoAct(record_type="contact", id=act.id)
        server.run_jobs()
        result = boss.GetJob(record_type="contact", id=job.id).result
        return result["undone"], result["kept"]

    assert again() == (0, 1)
    assert boss.GetAct(record_type="contact", id=act.id).undoable
    boss.RestoreCustomer(id=customer.id)
    assert again() == (1, 0)
    assert not boss.GetAct(record_type="contact", id=act.id).undoable
    with refused("FAILED_PRECONDITION", "ACT_UNDONE"):
        boss.UndoAct(record_type="contact", id=act.id)
    assert [c.name for c in boss.ListContacts().contacts] == ["王芳"]


def test_who_read_a_customer_before_it_was_computed_still_changes_it(boss: Client, trade: Any) -> None:
    made = boss.CreateCustomer(customer={"name": "甲公司"})
    trade(made.id)
    assert boss.GetCustomer(id=made.id).etag != made.etag

    changed = rename(boss, made.id, "甲股份公司", made.etag)
    assert (changed.name, changed.lifecycle) == ("甲股份公司", "trading")
    for old in (made.etag, "0", "99", "-1", "x"):
        with refused("ABORTED", "STALE"):
            rename(boss, made.id, "甲集团", old)


def test_what_the_suite_did_after_a_merge_goes_back_to_its_customer(
    server: Server, boss: Client, order: Any, sweep: Any
) -> None:
    keep, goes = (
        boss.CreateCustomer(customer={"name": name, "founding_date": "1998-06-12"}) for name in ("甲公司", "乙公司")
    )
    contact(boss, goes, birthday="1985-06-20")
    plan(boss, automatic=True)
    order(goes.id, "2026-01-01", "100.00")
    sweep(date(2026, 7, 1))
    propose(server, "2026-06-20")
    watch(server, "2026-06-08")
    merged = [{"id": goes.id, "etag": boss.GetCustomer(id=goes.id).etag}]
    act = boss.MergeCustomers(id=keep.id, etag=boss.GetCustomer(id=keep.id).etag, merged=merged)

    at(server, "2026-06-20T09:00")
    watch(server, "2026-06-09")
    order(keep.id, "2026-07-02", "100.00")
    sweep(date(2026, 7, 3))

    assert undo(server, boss, act.act_id)[1] == 0
    found = {
        table: server.sql(f"SELECT state FROM {table} WHERE customer_id = :id", id=goes.id)
        for table in ("care_item", "churn_case", "alert")
    }
    assert found == {"care_item": [("sent",)], "churn_case": [("closed",)], "alert": [("done",)]}


@pytest.mark.feature("CUS-20")
def test_the_figures_of_a_pyramid_go_with_it_and_come_back_with_it(server: Server, boss: Client) -> None:
    tiers = [{"name": "塔尖", "from": "1000"}, {"name": "塔基"}]
    fields = {"name": "订货金字塔", "base": "order_total", "method": "threshold", "tiers": tiers}
    pyramid = boss.CreatePyramid(pyramid=fields)
    boss.TakePyramidSnapshot(id=pyramid.id)
    server.run_jobs()
    (one,) = boss.ListPyramidSnapshots(id=pyramid.id).snapshots
    asks = (
        lambda: boss.GetPyramidFigures(snapshot_id=one.id),
        lambda: boss.ComparePyramidSnapshots(from_snapshot_id=one.id, to_snapshot_id=one.id),
        lambda: boss.ListPyramidCustomers(snapshot_id=one.id, tier="塔基"),
    )

    boss.DeletePyramid(id=pyramid.id, etag=pyramid.etag)
    for ask in asks:
        with refused("NOT_FOUND"):
            ask()
    boss.RestorePyramid(id=pyramid.id)
    for ask in asks:
        ask()
