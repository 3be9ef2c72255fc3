"""Nobody is given what they cannot look after: a deactivated account becomes the owner of nothing."""

from __future__ import annotations

from typing import Any

import pytest

from crm_kit.testing import Client, Server, refused
from crm_records.imports.testing import Importer, as_csv

pytestmark = pytest.mark.feature("CUS-09")


@pytest.fixture
def gone(server: Server) -> Client:
    person = server.person(name="离职者")
    server.sql("UPDATE org_user SET active = false WHERE id = :id", id=person.user_id)
    return person


def deactivate(server: Server, person: Client) -> None:
    server.sql("UPDATE org_user SET active = false WHERE id = :id", id=person.user_id)
    server.service.organisation.forget()


def test_no_way_of_giving_reaches_a_deactivated_account(server: Server, boss: Client, gone: Client) -> None:
    made = boss.CreateCustomer(customer={"name": "甲"})
    to = {"owner_id": gone.user_id}
    mask = {"paths": ["owner_id"]}

    for give in (
        lambda: boss.CreateCustomer(customer={"name": "乙", **to}),
        lambda: boss.AssignCustomer(id=made.id, etag=made.etag, **to),
        lambda: boss.UpdateCustomer(customer={"id": made.id, **to}, update_mask=mask, etag=made.etag),
        lambda: boss.BulkAssign(record_type="customer", ids=[made.id], **to),
    ):
        with refused("INVALID_ARGUMENT", "", "ownerId") as refusal:
            give()
        assert "账号已停用" in refusal.fields["ownerId"]
    told = boss.ImportCustomers(
        customers=[{"external_id": "A", "name": "丙", **to}, {"external_id": "B", "name": "丁"}]
    )
    assert [r.outcome for r in told.results] == ["failed", "created"]
    assert boss.GetCustomer(id=made.id).owner_id == boss.user_id


def test_a_file_gives_nothing_to_a_deactivated_account(server: Server, boss: Client, gone: Client) -> None:
    importer = Importer(server, boss)
    name = server.sql("SELECT username FROM org_user WHERE id = :id", id=gone.user_id)[0][0]
    made = importer.send(as_csv([["客户名称", "负责人"], ["甲", name], ["乙", ""]]))
    with refused("INVALID_ARGUMENT", "", "options.ownerId") as refusal:
        importer.set(made, owner_id=gone.user_id)
    assert "账号已停用" in refusal.fields["options.ownerId"]

    stored = importer.store(made)

    assert (stored.created, stored.rejected) == (1, 1)


def test_what_somebody_deactivated_owns_is_changed_and_comes_back_as_it_was(server: Server, boss: Client) -> None:
    leaver = server.person(name="离职者")
    kept, deleted, given = (boss.CreateCustomer(customer={"name": n, "owner_id": leaver.user_id}) for n in "甲乙丙")
    boss.DeleteCustomer(id=deleted.id, etag=deleted.etag)
    job = boss.BulkAssign(record_type="customer", ids=[given.id], owner_id=boss.user_id)
    server.run_jobs()
    deactivate(server, leaver)

    changed: Any = boss.UpdateCustomer(
        customer={"id": kept.id, "city": "苏州", "owner_id": leaver.user_id},
        update_mask={"paths": ["city", "owner_id"]},
        etag=kept.etag,
    )
    assert (changed.city, changed.owner_id) == ("苏州", leaver.user_id)
    assert boss.RestoreCustomer(id=deleted.id).owner_id == leaver.user_id
    boss.UndoAct(record_type="customer", id=job.id)
    server.run_jobs()
    assert boss.GetCustomer(id=given.id).owner_id == leaver.user_id


@pytest.mark.feature("CUS-07")
def test_a_file_is_not_proposed_again_for_somebody_who_was_deactivated_since(server: Server, boss: Client) -> None:
    importer, person = Importer(server, boss), server.person(name="将离职")
    importer.put(as_csv([["客户名称"], ["甲"]]), owner_id=person.user_id)
    assert importer.send(as_csv([["客户名称"], ["乙"]])).options.owner_id == person.user_id

    deactivate(server, person)

    assert importer.send(as_csv([["客户名称"], ["丙"]])).options.owner_id == ""
