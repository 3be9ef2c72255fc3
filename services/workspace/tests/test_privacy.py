"""A person erased elsewhere: titles of tasks and inboxes forget the name, a user's own inbox goes."""

from __future__ import annotations

from typing import Any

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm.identity.v1.privacy_pb2 import PrivacyRequest
from crm.records.v1.privacy_pb2 import PrivacyPart
from crm_kit import ids
from crm_kit.testing import Client, Server, event
from crm_records.testing import everywhere_in

pytestmark = pytest.mark.feature("IDN-13")


def part_of(server: Server, kind: str, subject_type: str, subject_id: str, **more: Any) -> Any:
    request = PrivacyRequest(id=ids.uuid7(), kind=kind, subject_type=subject_type, subject_id=subject_id, **more)
    server.deliver("identity", event(request, "started"))
    server.deliver("identity", event(request, "emptied", 2))
    server.sweep()
    return PrivacyPart.FromString(server.events("privacy_part")[-1].record.value)


def test_titles_that_name_the_person_are_emptied(server: Server, boss: Client, task_of: Any) -> None:
    reader = server.person(name="经手人")
    person = Customer(id=ids.uuid7(), name="慕容雪", kind="individual", owner_id=reader.user_id)
    server.deliver("customer", event(person, "created"))
    made = task_of(boss, record_type="customer", record_id=person.id, record_title="慕容雪")
    assert [n.record_title for n in reader.ListNotifications().notifications] == ["慕容雪"]
    server.sql("UPDATE outbox SET sent_time = now()")

    part = part_of(server, "erasure", "customer", person.id)

    assert {(f.record_type, f.relation, f.records, f.erased) for f in part.found if f.relation == "about"} == {
        ("task", "about", 1, 1),
        ("notification", "about", 1, 1),
    }
    assert everywhere_in(server.sql, "慕容") == []
    assert [(e.action, e.version) for e in server.events("task")] == [("erased", 2)]
    left = boss.GetTask(id=made.id)
    assert (left.title, left.record_id, left.record_title) == (made.title, person.id, "")


def test_titles_of_what_went_into_the_person_by_a_merge_are_emptied_as_well(
    server: Server, boss: Client, task_of: Any
) -> None:
    reader = server.person(name="经手人")
    stays, goes = (Customer(id=ids.uuid7(), name=n, kind="individual", owner_id=reader.user_id) for n in ("甲", "慕容"))
    server.deliver("customer", event(goes, "created"))
    server.sql("UPDATE outbox SET sent_time = now()")
    asked = {"subject_type": "customer", "subject_id": stays.id}
    assert boss.ExportPersonData(**asked).records == []
    (told,) = boss.ExportPersonData(**asked, merged_ids=[goes.id]).records
    assert (told.relation, told.data["recordTitle"]) == ("about", "慕容")

    part = part_of(server, "erasure", "customer", stays.id, merged_ids=[goes.id])

    assert {(f.record_type, f.records, f.erased) for f in part.found if f.relation == "about"} == {
        ("notification", 1, 1)
    }
    assert everywhere_in(server.sql, "慕容") == []


def test_a_users_own_inbox_goes_and_their_name_in_others(server: Server, boss: Client, task_of: Any) -> None:
    person, reader = server.person(name="司马青衫"), server.person(name="经手人")
    for owner, actor in ((person, boss), (reader, person)):
        told = event(Customer(id=ids.uuid7(), name="甲公司", owner_id=owner.user_id), "assigned")
        told.actor_id, told.actor_name = actor.user_id, "司马青衫" if actor is person else "总经理"
        server.deliver("customer", told)
    task_of(person)
    assert part_of(server, "export", "user", person.user_id).data_hash

    part = part_of(server, "erasure", "user", person.user_id)

    assert server.sql("SELECT count(*) FROM notification WHERE user_id = :u", u=person.user_id)[0][0] == 0
    (kept,) = reader.ListNotifications().notifications
    assert kept.actor_name == "已抹除 (erased)"
    assert part.names == 2, "one in an inbox, one in the change log of the task"
    assert {f.record_type for f in part.found if f.relation == "own"} == {"notification"}


def test_a_name_that_was_taken_off_a_task_before_goes_from_its_events_as_well(
    server: Server, boss: Client, task_of: Any
) -> None:
    person_id = ids.uuid7()
    made = task_of(boss, record_type="customer", record_id=person_id, record_title="慕容雪")
    boss.UpdateTask(task={"id": made.id}, update_mask={"paths": ["record_title"]}, etag=made.etag)

    part_of(server, "erasure", "customer", person_id)

    assert everywhere_in(server.sql, "慕容") == []
    assert [e.action for e in server.events("task")] == ["erased"]
