"""What names two customers is seen and taken back by whoever reaches both."""

from __future__ import annotations

from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused


def customer(by: Client, name: str, **more: Any) -> Any:
    return by.CreateCustomer(customer={"name": name, **more})


@pytest.mark.feature("CUS-05")
def test_a_dismissal_is_seen_and_taken_back_by_whoever_reaches_both_customers(server: Server, boss: Client) -> None:
    rights = ["customer.*", "duplicate_dismissal.*"]
    person = server.person(rights, "self")
    pairs = [(customer(person, f"自有{n}"), customer(boss, f"他人{n}")) for n in range(2)]
    pairs[1] = (pairs[1][1], pairs[1][0])
    for one, other in pairs:
        said = boss.CreateDuplicateDismissal(duplicate_dismissal={"customer_id": one.id, "other_id": other.id})
        with refused("NOT_FOUND"):
            person.GetDuplicateDismissal(id=said.id)
        with refused("NOT_FOUND"):
            person.DeleteDuplicateDismissal(id=said.id, etag=said.etag)
    assert not person.ListDuplicateDismissals().duplicate_dismissals
    everywhere = server.person(rights)
    assert len(everywhere.ListDuplicateDismissals().duplicate_dismissals) == 2
    for mine in person.ListCustomers().customers:
        boss.DeleteCustomer(id=mine.id, etag="1")
    assert not everywhere.ListDuplicateDismissals().duplicate_dismissals
