"""Long work in steps: nothing lost, nothing twice, whatever happens between two steps."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

import pytest
from psycopg.errors import LockNotAvailable
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, text

from crm_kit import errors, job_files, job_runner, jobs, organisation, rpc
from crm_kit.job_runner import Jobs
from crm_kit.jobs import Job, Kind, Step
from crm_kit.rpc import Call
from crm_kit.testing import recorder
from crm_kit.testing.postgres import database

metadata = MetaData()
counted = Table("counted", metadata, Column("n", Integer, primary_key=True))
LABEL = ("数数", "Counting")


def count(call: Call, job: Job) -> Step:
    """Ten numbers, three at a time; each is written down once or the database refuses it."""
    n = job.position or 0
    numbers = range(n, min(n + 3, 10))
    for one in numbers:
        call.connection.execute(insert(counted).values(n=one))
    more = numbers.stop if numbers.stop < 10 else None
    return Step(more, done=len(numbers), total=10, result={"last": numbers[-1]})


@pytest.fixture(scope="module")
def service() -> Any:
    made = recorder.recorder(database("jobs"))
    metadata.create_all(made.writer)
    return made


@pytest.fixture(autouse=True)
def empty(service: Any) -> None:
    with service.writer.begin() as connection:
        connection.execute(text("TRUNCATE job, job_file, counted"))


def runner(service: Any, *kinds: Kind, **more: Any) -> Jobs:
    return Jobs(service.writer, "recorder", service.organisation, kinds, **more)


def queue(service: Any, kind: str = "count", **more: Any) -> str:
    with service.writer.begin() as connection:
        call = rpc.system_call(connection, "recorder", service.organisation)
        for name in ("user_id", "name"):
            if name in more:
                object.__setattr__(call.caller.access, name, more.pop(name))
        call.caller.right = more.pop("right", "")
        started = jobs.start(call, kind, "thing", {}, **more)
        assert started is not None
        return started


def state(service: Any, job_id: str) -> Any:
    with service.writer.connect() as connection:
        return connection.execute(select(jobs.job).where(jobs.job.c.id == job_id)).one()


def numbers(service: Any) -> list[int]:
    with service.writer.connect() as connection:
        return list(connection.scalars(select(counted.c.n).order_by(counted.c.n)))


def finish(runner: Jobs) -> int:
    steps = 0
    while runner.step():
        steps += 1
        assert steps < 100
    return steps


def test_a_job_tells_how_far_it_is_and_what_came_of_it(service: Any) -> None:
    job_id, work = queue(service), runner(service, Kind("count", LABEL, count))
    assert work.step()
    half = state(service, job_id)
    assert (half.state, half.done, half.total) == ("running", 3, 10)
    assert finish(work) == 3
    whole = state(service, job_id)
    assert (whole.state, whole.done, whole.result) == ("done", 10, {"last": 9})
    assert numbers(service) == list(range(10))


def test_a_step_that_dies_leaves_nothing_and_the_next_process_goes_on(service: Any) -> None:
    class Killed(BaseException):
        """Nothing catches it, like a signal."""

    def dies(call: Call, job: Job) -> Step:
        count(call, job)
        raise Killed

    job_id = queue(service)
    assert runner(service, Kind("count", LABEL, count)).step()
    with pytest.raises(Killed):
        runner(service, Kind("count", LABEL, dies)).step()
    assert (state(service, job_id).done, numbers(service)) == (3, [0, 1, 2])
    finish(runner(service, Kind("count", LABEL, count)))
    assert (state(service, job_id).state, numbers(service)) == ("done", list(range(10)))


def test_two_processes_never_do_the_same_step(service: Any) -> None:
    seen: list[bool] = []

    def nested(call: Call, job: Job) -> Step:
        seen.append(runner(service, Kind("count", LABEL, count)).step())
        return count(call, job)

    queue(service)
    runner(service, Kind("count", LABEL, nested)).step()
    assert seen == [False]


def test_jobs_take_turns(service: Any) -> None:
    order: list[str] = []

    def step(call: Call, job: Job) -> Step:
        order.append(job.id)
        return Step((job.position or 0) + 1 if (job.position or 0) < 2 else None)

    first, second = queue(service), queue(service)
    finish(runner(service, Kind("count", LABEL, step)))
    assert order == [first, second] * 3


def test_a_cancelled_job_ends_after_its_step_and_keeps_what_it_did(service: Any) -> None:
    told: list[str] = []
    kind = Kind("count", LABEL, count, ended=lambda call, job, how: told.append(how))
    job_id, work = queue(service), runner(service, kind)
    work.step()
    with service.writer.begin() as connection:
        jobs.cancel(connection, job_id)
    finish(work)
    assert (state(service, job_id).state, numbers(service), told) == ("cancelled", [0, 1, 2], ["cancelled"])
    with service.writer.begin() as connection, pytest.raises(errors.Conflict):
        jobs.cancel(connection, job_id)


def test_a_job_whose_step_fails_again_and_again_has_failed(service: Any) -> None:
    def fails(call: Call, job: Job) -> Step:
        count(call, job)
        raise ValueError("something secret")

    job_id, work = queue(service), runner(service, Kind("count", LABEL, fails))
    assert finish(work) == job_runner.TRIES
    failed = state(service, job_id)
    assert (failed.state, numbers(service)) == ("failed", [])
    assert "secret" not in failed.reason


def test_one_failure_is_forgotten_when_the_step_succeeds(service: Any) -> None:
    left = [ValueError(), ValueError()]

    def stumbles(call: Call, job: Job) -> Step:
        if left:
            raise left.pop()
        return count(call, job)

    job_id = queue(service)
    finish(runner(service, Kind("count", LABEL, stumbles)))
    assert (state(service, job_id).state, state(service, job_id).failures) == ("done", 0)


def test_a_job_in_whose_way_somebody_is_holds_up_no_other_and_has_not_failed(service: Any) -> None:
    order: list[str] = []

    def step(call: Call, job: Job) -> Step:
        order.append(job.id)
        if job.id == stuck and order.count(stuck) <= job_runner.TRIES + 1:
            raise LockNotAvailable
        return Step()

    stuck, other = queue(service), queue(service)
    finish(runner(service, Kind("count", LABEL, step)))
    assert order == [stuck, other, *[stuck] * (job_runner.TRIES + 1)]
    assert {state(service, i).state for i in (stuck, other)} == {"done"}


def test_a_refusal_ends_a_job_with_its_reason(service: Any) -> None:
    def refuses(call: Call, job: Job) -> Step:
        raise errors.Conflict("job_over")

    job_id, work = queue(service), runner(service, Kind("count", LABEL, refuses))
    assert finish(work) == 1
    assert (state(service, job_id).state, state(service, job_id).reason) == ("failed", "任务已结束")


def test_a_persons_job_goes_on_only_as_long_as_they_may(service: Any) -> None:
    person = {"id": "01920000-0000-7000-8000-000000000001", "username": "li", "name": "李", "grants": [], "version": 1}
    role = {"id": "01920000-0000-7000-8000-000000000002", "code": "r", "name": "R", "scopes": [], "field_rules": []}
    with service.writer.begin() as connection:
        connection.execute(
            insert(organisation.role).values(rights=["thing.import"], policy={}, deleted=False, version=1, **role)
        )
        connection.execute(
            insert(organisation.user).values(active=True, deleted=False, role_ids=[role["id"]], **person)
        )
    names: list[str] = []

    def step(call: Call, job: Job) -> Step:
        names.append(call.caller.name)
        return count(call, job)

    job_id = queue(service, user_id=person["id"], name="李", right="thing.import")
    work = runner(service, Kind("count", LABEL, step))
    work.step()
    with service.writer.begin() as connection:
        connection.execute(organisation.role.update().values(rights=[]))
    finish(work)
    assert (state(service, job_id).state, names, numbers(service)) == ("failed", ["李"], [0, 1, 2])


def test_a_daily_job_starts_once_a_day_whoever_looks_at_the_clock(service: Any) -> None:
    kind = Kind("count", LABEL, count, daily=time(1, 30), record_type="thing")
    early, due = datetime(2026, 11, 23, 17, 29, tzinfo=UTC), datetime(2026, 11, 23, 17, 30, tzinfo=UTC)
    work, another = runner(service, kind), runner(service, kind)
    work.start_daily(early)
    with service.writer.connect() as connection:
        assert connection.execute(select(jobs.job)).all() == []
    for one in (work, another, work):
        one.start_daily(due)
    work.start_daily(datetime(2026, 11, 24, 17, 30, tzinfo=UTC))
    with service.writer.connect() as connection:
        days = [r.parameters["day"] for r in connection.execute(select(jobs.job).order_by(jobs.job.c.id))]
    assert days == ["2026-11-24", "2026-11-25"]


def test_a_file_is_kept_in_parts_and_read_as_a_whole(service: Any) -> None:
    content = bytes(range(256)) * 10_000
    job_id = queue(service)
    with service.writer.begin() as connection:
        job_files.save(connection, job_id, "a.csv", "text/csv", b"before")
        job_files.save(connection, job_id, "a.csv", "text/csv", content)
        assert job_files.read(connection, job_id, "a.csv") == ("text/csv", content)
        assert job_files.read(connection, job_id, "b.csv") is None


def test_files_go_a_week_after_the_end_of_their_job(service: Any) -> None:
    old, new = queue(service), queue(service)
    with service.writer.begin() as connection:
        for job_id, days in ((old, 8), (new, 6)):
            job_files.save(connection, job_id, "a", "text/csv", b"x")
            connection.execute(
                text("UPDATE job SET finish_time = now() - make_interval(days => :days) WHERE id = :id"),
                {"days": days, "id": job_id},
            )
        job_runner.sweep(connection)
        assert job_files.read(connection, old, "a") is None
        assert job_files.read(connection, new, "a") is not None
