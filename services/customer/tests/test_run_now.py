"""What the suite does every night can be done now, by whoever configures it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import grpc
import pytest

from crm.records.v1.audited_pb2 import Access
from crm_kit.testing import Client, Server, refused

AT_ONCE = 8
NIGHTLY = [
    pytest.param("care_plan", "care_propose", marks=pytest.mark.feature("CUS-21")),
    pytest.param("alert", "alerts_watch", marks=pytest.mark.feature("CUS-22")),
    pytest.param("customer", "pool_return", marks=pytest.mark.feature("CUS-10")),
    pytest.param("customer", "customer_standings", marks=pytest.mark.feature("CUS-17")),
]


@pytest.mark.parametrize(("record_type", "kind"), NIGHTLY)
def test_a_nightly_job_runs_now_and_names_who_started_it(
    server: Server, boss: Client, record_type: str, kind: str
) -> None:
    job = boss.RunJob(record_type=record_type, kind=kind)
    assert (job.kind, job.state) == (kind, "queued")
    assert (job.creator_id, job.creator_name) == (boss.user_id, "总经理")
    assert job.id in {mine.id for mine in boss.ListMyJobs().jobs}
    with refused("FAILED_PRECONDITION", "JOB_UNDER_WAY"):
        boss.RunJob(record_type=record_type, kind=kind)

    server.run_jobs()

    assert boss.GetJob(record_type=record_type, id=job.id).state == "done"
    assert boss.RunJob(record_type=record_type, kind=kind).id != job.id


@pytest.mark.feature("CUS-21")
def test_it_acts_in_the_name_of_the_suite_whatever_its_starter_may_do(server: Server, boss: Client) -> None:
    starter = server.person(["care_plan.configure"], "self")
    job = starter.RunJob(record_type="care_plan", kind="care_propose")
    server.sql("UPDATE org_role SET rights = '{}' WHERE true")

    server.run_jobs()

    ended = server.sql("SELECT state, creator_id FROM job WHERE id = :id", id=job.id)
    assert [tuple(row) for row in ended] == [("done", starter.user_id)]


@pytest.mark.feature("CUS-21")
def test_of_several_who_start_it_at_the_same_moment_one_does(server: Server, boss: Client) -> None:
    together = Barrier(AT_ONCE)

    def start(_n: int) -> str:
        together.wait()
        try:
            return boss.RunJob(record_type="care_plan", kind="care_propose").id
        except grpc.RpcError as error:
            return error.code().name

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(start, range(AT_ONCE)))

    (job,) = boss.ListJobs(record_type="care_plan").jobs
    assert sorted(answers) == sorted([job.id, *["FAILED_PRECONDITION"] * (AT_ONCE - 1)])


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
