"""The first answer of a job tells of it what reading it tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm_kit.testing import Client, Server

Start = Callable[[Client, str], Any]
MANY = {"record_type": "customer", "everything": True}
STARTS: dict[str, Start] = {
    "bulk_update": lambda boss, _id: boss.BulkUpdate(**MANY, changes={"city": "苏州"}),
    "bulk_assign": lambda boss, _id: boss.BulkAssign(**MANY, owner_id=boss.user_id),
    "bulk_delete": lambda boss, _id: boss.BulkDelete(**MANY),
    "bulk_approve": lambda boss, _id: boss.BulkApprove(**MANY, review_reason="好"),
    "allocate": lambda boss, _id: boss.AllocateCustomers(everything=True),
    "export": lambda boss, _id: boss.StartExport(record_type="customer"),
    "duplicates": lambda boss, _id: boss.FindDuplicateClusters(),
    "nightly": lambda boss, _id: boss.RunJob(record_type="customer", kind="customer_standings"),
}


@pytest.mark.feature("CUS-07")
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_job_is_answered_with_what_its_kind_is_called(server: Server, boss: Client, start: Start) -> None:
    made = boss.CreateCustomer(customer={"name": "甲公司"})

    job = start(boss, made.id)

    assert job.kind_label not in ("", job.kind)
    assert job == boss.GetJob(record_type="customer", id=job.id)


@pytest.mark.feature("CUS-07")
def test_taking_back_is_answered_so_too_in_the_callers_language(server: Server, boss: Client) -> None:
    boss.CreateCustomer(customer={"name": "甲公司"})
    act = boss.BulkUpdate(**MANY, changes={"city": "苏州"})
    server.run_jobs()

    job = boss.UndoAct(record_type="customer", id=act.id, metadata={"accept-language": "en"})

    assert job.kind_label == "Taking back"
