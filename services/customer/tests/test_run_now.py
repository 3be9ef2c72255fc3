"""What the suite does every night can be done now, by whoever configures it."""

from __future__ import annotations

import pytest

from crm.records.v1.audited_pb2 import Access
from crm_kit.testing import Client, Server, refused

NIGHTLY = [
    pytest.param("care_plan", "care_propose", marks=pytest.mark.feature("CUS-21")),
    pytest.param("alert", "alerts_watch", marks=pytest.mark.feature("CUS-22")),
    pytest.param("customer", "pool_return", marks=pytest.mark.feature("CUS-10")),
    pytest.param("customer", "customer_standings", marks=pytest.mark.feature("CUS-17")),
]


@pytest.mark.parametrize(("record_type", "kind"), NIGHTLY)
def test_a_nightly_job_runs_now_in_the_name_of_the_suite(
    server: Server, boss: Client, record_type: str, kind: str
) -> None:
    job = boss.RunJob(record_type=record_type, kind=kind)
    assert (job.kind, job.state, job.creator_id) == (kind, "queued", "")
    with refused("FAILED_PRECONDITION", "JOB_UNDER_WAY"):
        boss.RunJob(record_type=record_type, kind=kind)

    server.run_jobs()

    assert boss.GetJob(record_type=record_type, id=job.id).state == "done"
    assert boss.RunJob(record_type=record_type, kind=kind).id != job.id


@pytest.mark.feature("CUS-21")
def test_only_who_configures_runs_it_and_only_what_there_is(server: Server, boss: Client) -> None:
    with refused("PERMISSION_DENIED"):
        server.person(["care_plan.read", "care_plan.update"], "all").RunJob(
            record_type="care_plan", kind="care_propose"
        )
    with refused("INVALID_ARGUMENT", "INVALID", "kind") as told:
        boss.RunJob(record_type="care_plan", kind="alerts_watch")
    assert "care_propose" in told.fields["kind"]
    with refused("NOT_FOUND"):
        boss.RunJob(record_type="nonsense", kind="care_propose")


@pytest.mark.feature("CUS-21")
def test_a_run_is_told_to_the_audit_trail(server: Server, boss: Client) -> None:
    job = boss.RunJob(record_type="care_plan", kind="care_propose")
    (told,) = server.events("access")
    access = Access()
    told.record.Unpack(access)
    assert (told.actor_id, access.method) == (boss.user_id, "crm.records.v1.JobService.RunJob")
    assert (access.record_type, access.record_id) == ("care_plan", job.id)
