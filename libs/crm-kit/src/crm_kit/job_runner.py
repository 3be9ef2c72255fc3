"""Does the jobs of a service, one step of one of them after the other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.errors import DeadlockDetected, LockNotAvailable, SerializationFailure
from sqlalchemy import Connection, Engine, delete, func, select, update
from sqlalchemy import text as sql_text
from sqlalchemy.exc import DBAPIError

from crm_kit import caller, errors, logs, rpc
from crm_kit.caller import Caller
from crm_kit.db import one_of
from crm_kit.job_files import job_file
from crm_kit.jobs import CANCELLED, DONE, FAILED, RUNNING, ZONE, Job, Kind, job, start
from crm_kit.organisation_reader import Organisation
from crm_kit.rpc import Call

log = logging.getLogger("jobs")

PAUSE = 0.5
"""Seconds between looks for work that nobody woke us for."""
TRIES = 3
"""How often a step may fail, one time after the other, before its job has."""
FILES_KEPT, JOBS_KEPT = 7, 180
"""Days after its end that a job's files, and the job itself, are kept."""

errors.texts(
    {"job_failed": ("任务因内部错误中止，已记录", "The job was ended by an internal error; it has been recorded")}
)


class Jobs:
    """The jobs of one service, in a thread of their own. Any number of processes may do steps."""

    def __init__(
        self,
        engine: Engine,
        service: str,
        organisation: Organisation,
        kinds: Sequence[Kind],
        *,
        committed: Callable[[], None] = lambda: None,
        ended: Callable[[Call, str], None] = lambda call, job_id: None,
    ) -> None:
        """`committed` is told of events to send; `ended` runs in the transaction that ends a job."""
        self._engine, self._service, self._organisation = engine, service, organisation
        self._kinds = {k.name: k for k in kinds}
        self._committed, self._ended = committed, ended
        self._day = ""
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Begin, if there is anything that could be done."""
        if self._kinds:
            self._thread.start()

    def wake(self) -> None:
        """A job was queued. From any thread."""
        self._woken.set()

    def stop(self, timeout: float = 8.0) -> None:
        """Finish the step under way and end."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        said = ""
        while not self._stopping.is_set():
            try:
                self.start_daily(datetime.now(UTC))
                busy = self.step()
                said = ""
            except Exception as error:
                busy, what = False, logs.said(error)
                if what != said:
                    log.warning("%s", what)
                    said = what
            if not busy:
                self._woken.wait(PAUSE)
                self._woken.clear()

    def start_daily(self, now: datetime) -> None:
        """Queue the daily jobs that are due and were not queued today; once a day also drop what is old."""
        local = now.astimezone(ZONE)
        due = [k for k in self._kinds.values() if k.daily is not None and local.time() >= k.daily]
        mark = f"{local:%Y-%m-%d} {len(due)}"
        if mark == self._day:
            return
        with self._engine.begin() as connection:
            call = rpc.system_call(connection, self._service, self._organisation)
            for kind in due:
                day = f"{local:%Y-%m-%d}"
                start(call, kind.name, kind.record_type, {"day": day}, key=f"{kind.name} {day}")
            sweep(connection)
        self._day = mark

    def step(self) -> bool:
        """Do one step of the job that has waited longest; False where there is none."""
        with self._engine.connect() as connection, connection.begin():
            row = self._claim(connection)
            if row is None:
                return False
            call: Call | None = None
            try:
                with connection.begin_nested():
                    call = self._call(connection, row)
                    self._advance(call, row)
                    call.send_events()
            except Exception as error:
                if _is_away(error):
                    raise
                call = self._fail(connection, row, error)
        if call is not None:
            for then in call.after_commit:
                then()
            if call.events:
                self._committed()
        return True

    def _claim(self, connection: Connection) -> Any:
        mine = one_of(job.c.kind, sorted(self._kinds))
        query = select(job).where(job.c.finish_time.is_(None), mine).order_by(job.c.step_time, job.c.id).limit(1)
        return connection.execute(query.with_for_update(skip_locked=True)).one_or_none()

    def _call(self, connection: Connection, row: Any) -> Call:
        """A call in the name of whoever the job acts for, as long as they may do it."""
        call = rpc.system_call(connection, self._service, self._organisation)
        pairs = {"x-request-id": row.request_id, "traceparent": row.trace_parent, "accept-language": row.language}
        call.metadata = caller.read(dict(pairs), row.address)
        if not row.creator_id or row.as_suite:
            return call
        access = self._organisation.person(row.creator_id)
        if access.restricted:
            access = access.here(row.address)
        if row.right and not access.may(row.right):
            raise errors.Denied("right_missing", right=row.right)
        call.caller = Caller(access, row.session_id, row.right)
        return call

    def _advance(self, call: Call, row: Any) -> None:
        kind, now = self._kinds[row.kind], datetime.now(UTC)
        values: dict[str, Any] = {"step_time": now, "failures": 0, "version": row.version + 1}
        if row.cancelling:
            if kind.ended is not None:
                kind.ended(call, _job(row), CANCELLED)
            values |= {"state": CANCELLED, "finish_time": now}
        else:
            step = kind.step(call, _job(row))
            values |= {"position": step.position, "done": row.done + step.done}
            values |= {"state": RUNNING, "start_time": row.start_time or now, "result": {**row.result, **step.result}}
            if step.total is not None:
                values["total"] = step.total
            if step.position is None:
                values |= {"state": DONE, "finish_time": datetime.now(UTC)}
        call.connection.execute(update(job).where(job.c.id == row.id).values(values))
        if "finish_time" in values:
            self._ended(call, row.id)

    def _fail(self, connection: Connection, row: Any, error: Exception) -> Call | None:
        """Count a failure of a step that left nothing behind; the last one ends the job, a refusal does at once."""
        now = datetime.now(UTC)
        # Where another transaction is in its way it waits for its next turn, and holds up no other job meanwhile.
        values: dict[str, Any] = {"step_time": now, "failures": row.failures + (not _is_in_the_way(error))}
        refused = isinstance(error, errors.Refusal)
        if not refused and values["failures"] > row.failures:
            log.error("job %s (%s) failed", row.id, row.kind, exc_info=error)
        call = None
        if refused or values["failures"] >= TRIES:
            told = error if isinstance(error, errors.Refusal) else errors.Conflict("job_failed")
            reasons = [p.message(row.language) for p in told.problems] or [told.message(row.language)]
            values |= {"state": FAILED, "reason": "; ".join(reasons), "finish_time": now, "version": row.version + 1}
        connection.execute(update(job).where(job.c.id == row.id).values(values))
        if "finish_time" in values:
            call = self._named(connection, row)
            kind = self._kinds[row.kind]
            if kind.ended is not None:
                kind.ended(call, _job(row), FAILED)
            self._ended(call, row.id)
            call.send_events()
        return call

    def _named(self, connection: Connection, row: Any) -> Call:
        """A call that may do everything, under the name of whoever the job acts for: to tell its end."""
        call = rpc.system_call(connection, self._service, self._organisation)
        if row.creator_id and not row.as_suite:
            call.caller.access = replace(call.access, user_id=row.creator_id, name=row.creator_name)
        return call


def sweep(connection: Connection) -> None:
    """Drop the files, and later the jobs, of what ended long ago."""
    ended = select(job.c.id).where(job.c.finish_time < func.now() - sql_text(f"interval '{FILES_KEPT} days'"))
    connection.execute(delete(job_file).where(job_file.c.job_id.in_(ended)))
    connection.execute(delete(job).where(job.c.finish_time < func.now() - sql_text(f"interval '{JOBS_KEPT} days'")))


def _job(row: Any) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        record_type=row.record_type,
        parameters=row.parameters,
        position=row.position,
        done=row.done,
        total=row.total,
        result=dict(row.result),
        creator_id=row.creator_id or "",
        create_time=row.create_time,
    )


def _is_away(error: Exception) -> bool:
    """Whether nothing is wrong with the step: the database is away."""
    cause = _cause(error)
    return isinstance(cause, (psycopg.OperationalError, psycopg.InterfaceError)) and cause.sqlstate is None


def _is_in_the_way(error: Exception) -> bool:
    """Whether nothing is wrong with the step: another transaction holds what it needs."""
    return isinstance(_cause(error), (DeadlockDetected, SerializationFailure, LockNotAvailable))


def _cause(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error
