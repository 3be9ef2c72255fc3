"""When a customer was last contacted: whatever happens to the records that tell of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_kit.testing import Client, Server
from customer import last_contact

pytestmark = pytest.mark.feature("CUS-12")
NOW = datetime.now(UTC).replace(microsecond=0)
BEFORE, LATER, SOON = NOW - timedelta(days=9), NOW - timedelta(days=2), NOW + timedelta(days=3)


@pytest.fixture
def customer(boss: Client) -> str:
    return boss.CreateCustomer(customer={"name": "甲公司"}).id


@pytest.fixture
def talk(boss: Client, customer: str) -> Any:
    def make(when: datetime, of: str = "") -> Any:
        told = {"customer_id": of or customer, "kind": "call", "subject": "回访", "start_time": when}
        return boss.CreateInteraction(interaction=told)

    return make


@pytest.fixture
def last(server: Server, boss: Client) -> Any:
    """When somebody was last contacted; each time it changed since it was asked last, the customer was marked."""
    held: dict[str, Any] = {}

    def read(customer_id: str) -> datetime | None:
        found = boss.GetCustomer(id=customer_id)
        moment = found.last_contact_time.ToDatetime(UTC) if found.HasField("last_contact_time") else None
        marked = server.sql("DELETE FROM standing_mark WHERE customer_id = :id RETURNING id", id=customer_id)
        assert bool(marked) == (moment != held.get(customer_id)), (moment, held)
        held[customer_id] = moment
        return moment

    return read


def correct(boss: Client, interaction: Any, when: datetime) -> Any:
    changed = {"id": interaction.id, "start_time": when}
    return boss.UpdateInteraction(interaction=changed, update_mask={"paths": ["start_time"]}, etag=interaction.etag)


def test_deleted_corrected_and_restored_interactions_move_it(boss: Client, customer: str, talk: Any, last: Any) -> None:
    assert last(customer) is None
    talk(BEFORE)
    newest = talk(LATER)
    assert last(customer) == LATER
    talk(BEFORE)
    assert last(customer) == LATER
    boss.DeleteInteraction(id=newest.id, etag=newest.etag)
    assert last(customer) == BEFORE
    newest = boss.RestoreInteraction(id=newest.id)
    assert last(customer) == LATER
    newest = correct(boss, newest, BEFORE - timedelta(days=1))
    assert last(customer) == BEFORE
    newest = correct(boss, newest, LATER)
    assert last(customer) == LATER
    newest = correct(boss, newest, SOON)
    assert last(customer) == BEFORE
    newest = correct(boss, newest, LATER)
    assert last(customer) == LATER


def test_what_was_entered_ahead_counts_once_its_time_has_come(
    server: Server, customer: str, talk: Any, last: Any, sweep: Any
) -> None:
    ahead = talk(datetime.now(UTC) + timedelta(minutes=5))
    assert last(customer) is None
    begun = datetime.now(UTC) - timedelta(seconds=1)
    server.sql("UPDATE interaction SET start_time = :t WHERE id = :id", t=begun, id=ahead.id)
    server.service.act(last_contact.by_the_clock)
    assert last(customer) == begun
    later = datetime.now(UTC)
    server.sql("UPDATE interaction SET start_time = :t WHERE id = :id", t=later, id=ahead.id)
    sweep(later.date())
    assert last(customer) == later


def test_an_import_moves_it_and_one_that_corrects_it_moves_it_back(boss: Client, customer: str, last: Any) -> None:
    rows = [
        {"external_id": str(n), "customer_id": customer, "kind": "call", "subject": "回访", "start_time": when}
        for n, when in enumerate((LATER, BEFORE, SOON))
    ]
    done = boss.ImportInteractions(interactions=rows)
    assert last(customer) == LATER
    boss.ImportInteractions(interactions=[{**rows[0], "start_time": BEFORE}])
    assert last(customer) == BEFORE
    assert not done.failed


def test_it_goes_along_with_a_merge_and_back(server: Server, boss: Client, customer: str, talk: Any, last: Any) -> None:
    other = boss.CreateCustomer(customer={"name": "乙公司"})
    talk(BEFORE)
    newest = talk(LATER, other.id)
    assert (last(customer), last(other.id)) == (BEFORE, LATER)
    stays = boss.GetCustomer(id=customer)
    merged = boss.MergeCustomers(id=customer, etag=stays.etag, merged=[{"id": other.id, "etag": other.etag}])
    assert last(customer) == LATER
    boss.UndoAct(record_type="customer", id=merged.act_id)
    server.run_jobs()
    assert (last(customer), boss.GetCustomer(id=other.id).last_contact_time.ToDatetime(UTC)) == (BEFORE, LATER)
    boss.DeleteInteraction(id=newest.id, etag=boss.GetInteraction(id=newest.id).etag)
    assert not boss.GetCustomer(id=other.id).HasField("last_contact_time")


def test_a_visit_counts_beside_interactions(boss: Client, customer: str, talk: Any, last: Any) -> None:
    visit = boss.CreateVisit(visit={"customer_id": customer, "subject": "拜访", "plan_start": NOW})
    here = {"latitude": "31.2", "longitude": "121.4"}
    visit = boss.CheckInVisit(id=visit.id, etag=visit.etag, **here)
    assert last(customer) is None
    visit = boss.CheckOutVisit(id=visit.id, etag=visit.etag, **here)
    visited = visit.check_in_time.ToDatetime(UTC)
    assert last(customer) == visited
    newest = talk(datetime.now(UTC))
    boss.DeleteInteraction(id=newest.id, etag=newest.etag)
    assert boss.GetCustomer(id=customer).last_contact_time.ToDatetime(UTC) == visited
