"""Who is erased is in no care item, occasion or alert any more."""

from __future__ import annotations

from typing import Any

import pytest
from care_fixtures import at, contact, items, plan, propose, watch

from crm.identity.v1.privacy_pb2 import PrivacyRequest
from crm_kit import ids
from crm_kit.testing import Client, Server, event


@pytest.mark.feature("CUS-21")
@pytest.mark.feature("CUS-22")
@pytest.mark.feature("IDN-13")
def test_an_erased_contact_is_in_no_item_occasion_or_alert(server: Server, boss: Client) -> None:
    customer = boss.CreateCustomer(customer={"name": "长江轴承"})
    person = contact(boss, customer, "欧阳若兰", birthday_lunar=True)
    enter = {"customer_id": customer.id, "contact_id": person.id, "kind": "promotion"}
    boss.CreateOccasion(occasion={**enter, "name": "欧阳若兰升职", "date": "2026-12-20"})
    plan(boss)
    day = "2027-05-26"
    propose(server, day)
    watch(server, day)
    (item,) = items(boss)
    assert "欧阳若兰" in item.text
    request: Any = PrivacyRequest(id=ids.uuid7(), kind="erasure", subject_type="contact", subject_id=person.id)

    told = event(request, "started")
    told.actor_id, told.actor_name = ids.uuid7(), "隐私专员"
    server.deliver("identity", told)

    for table in ("care_item", "occasion", "alert", "contact", "change_log"):
        rows = server.sql(f"SELECT t::text FROM {table} t")
        assert rows
        assert not [row for (row,) in rows if "欧阳" in row], table
    assert server.sql("SELECT lunar_birthday, birthday FROM contact") == [(None, None)]
    assert server.sql("SELECT occasion_date FROM care_item") == [(None,)]
    assert not [row for (row,) in server.sql("SELECT unique_key FROM alert") if day[4:] in row]
    at(server, f"{day}T00:01")
    assert items(boss)[0].state == "skipped", "nobody is asked to confirm what is left of it"
