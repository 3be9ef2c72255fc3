"""A person erased elsewhere: opportunities keep their links, the copied name follows the event."""

from __future__ import annotations

import pytest

from crm.customer.v1.customers_pb2 import Customer
from crm.identity.v1.privacy_pb2 import PrivacyRequest
from crm.records.v1.privacy_pb2 import PrivacyPart
from crm_kit import ids
from crm_kit.testing import Client, Server, event, refused
from crm_records.testing import everywhere_in

pytestmark = pytest.mark.feature("IDN-13")


def test_what_points_at_a_contact_is_exported_and_kept(server: Server, boss: Client) -> None:
    contact_id = ids.uuid7()
    made = boss.CreateOpportunity(opportunity={"title": "龙井礼盒", "contact_ids": [contact_id]})
    boss.CreateOpportunity(opportunity={"title": "别的"})

    (found,) = boss.ExportPersonData(subject_type="contact", subject_id=contact_id).records
    assert (found.id, found.relation, found.data["title"]) == (made.id, "reference", "龙井礼盒")
    request = PrivacyRequest(id=ids.uuid7(), kind="erasure", subject_type="contact", subject_id=contact_id)
    server.deliver("identity", event(request, "started"))

    part = PrivacyPart.FromString(server.events("privacy_part")[-1].record.value)
    assert [(f.record_type, f.records, f.erased, bool(f.kept_en)) for f in part.found] == [("opportunity", 1, 0, True)]
    assert boss.GetOpportunity(id=made.id).contact_ids == [contact_id]


def test_the_copied_name_of_an_erased_customer_is_forgotten(server: Server, boss: Client) -> None:
    person = Customer(id=ids.uuid7(), name="慕容雪", kind="individual", owner_id=boss.user_id)
    server.deliver("customer", event(person, "created"))
    made = boss.CreateOpportunity(opportunity={"title": "茶具", "customer_id": person.id})
    assert boss.GetOpportunity(id=made.id).customer_name == "慕容雪"

    person.name = "已抹除 (erased)"
    server.deliver("customer", event(person, "erased", 2))

    assert boss.GetOpportunity(id=made.id).customer_name == "已抹除 (erased)"
    assert everywhere_in(server.sql, "慕容") == []


def test_a_record_type_that_is_no_person_is_found_nowhere(boss: Client) -> None:
    for kind in ("nothing", "opportunity", "interaction"):
        with refused("NOT_FOUND"):
            boss.ExportPersonData(subject_type=kind, subject_id=ids.uuid7())
