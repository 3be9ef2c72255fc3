"""Long work in small steps: with progress, to be cancelled, and not to be lost by whatever kills the process.

A job is a row. A step does the next piece of it, some hundred rows, in one transaction together with the row's new
position: a crash undoes the whole step, and the next process takes the job on from where the last commit left it. The
step holds the row's lock, so no two processes do the same step, and none has to tell that it is alive. Of several jobs
each gets a step in turn, so a small one does not wait for the end of a large one.

A person's job acts in that person's name, with the rights they have at each step. What the suite does by the clock it
does in its own name, also when a person started it before its time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects.postgresql import JSONB

from crm_kit import errors, ids
from crm_kit.caller import Caller
from crm_kit.rpc import Call

log = logging.getLogger("jobs")

metadata = MetaData()

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
OPEN = (QUEUED, RUNNING)
STATES = (QUEUED, RUNNING, DONE, FAILED, CANCELLED)

ZONE = ZoneInfo("Asia/Shanghai")
"""Whose days daily jobs go by."""
_ALONE = 0x4A4F4231
"""Advisory locks of those who start a job of which there is one at a time."""
errors.texts({"job_over": ("任务已结束", "The job is over")})

job = Table(
    "job",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("kind", Text, nullable=False),
    # What it is about: whose rights say who may look at it.
    Column("record_type", Text, nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    # Where the next step begins; only the kind of job knows what it means.
    Column("position", JSONB),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("total", Integer),
    Column("result", JSONB, nullable=False, server_default="{}"),
    Column("reason", Text),
    Column("cancelling", Boolean, nullable=False, server_default="false"),
    Column("failures", Integer, nullable=False, server_default="0"),
    # Only one job has a key: a daily one is started once, whoever looks at the clock.
    Column("key", Text),
    Column("creator_id", Uuid(as_uuid=False)),
    Column("creator_name", Text, nullable=False),
    # It acts in the suite's name, whoever started it.
    Column("as_suite", Boolean, nullable=False, server_default="false"),
    Column("right", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("trace_parent", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    Column("start_time", DateTime(timezone=True)),
    Column("step_time", DateTime(timezone=True), nullable=False),
    Column("finish_time", DateTime(timezone=True)),
    Column("version", Integer, nullable=False, server_default="1"),
)
Index("ix_job_open", job.c.step_time, postgresql_where=job.c.finish_time.is_(None))
Index("ix_job_creator_id", job.c.creator_id, job.c.id)
Index("ix_job_record_type", job.c.record_type, job.c.id)
Index("ix_job_finish_time", job.c.finish_time)
Index("uq_job_key", job.c.key, unique=True, postgresql_where=job.c.key.is_not(None))


@dataclass(slots=True)
class Job:
    """A job as its step sees it."""

    id: str
    kind: str
    record_type: str
    parameters: Mapping[str, Any]
    position: Any
    done: int
    total: int | None
    result: dict[str, Any]
    creator_id: str
    create_time: datetime


@dataclass(slots=True)
class Step:
    """What a step did. `position` is where the next one begins; None: there is none, the job is done."""

    position: Any = None
    done: int = 0
    """Rows done in this step."""
    total: int | None = None
    """All there is to do, once it is known."""
    result: Mapping[str, Any] = field(default_factory=dict)
    """What to keep as the job's result, over what was kept before."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job. `step` does the next piece of one, in at most about a second."""

    name: str
    label: tuple[str, str]
    step: Callable[[Call, Job], Step]
    daily: time | None = None
    """Starts by itself, in the suite's own name, once a day from this time on (`ZONE`); `parameters["day"]` says
    which day it is for."""
    record_type: str = ""
    """Of a daily one."""
    ended: Callable[[Call, Job, str], None] | None = None
    """Told in the transaction that ends a job other than by its last step: (call, job, "failed" or "cancelled")."""


def start(
    call: Call,
    kind: str,
    record_type: str,
    parameters: Mapping[str, Any],
    *,
    total: int | None = None,
    key: str | None = None,
    job_id: str = "",
    starter: Caller | None = None,
) -> str | None:
    """Queue a job in the call's transaction, in the caller's name; its id. None if there is one of this `key`.

    `starter` is who started it where that is not the caller: a job of the suite, begun by a person.
    """
    now, by = datetime.now(UTC), starter or call.caller
    row = {
        "id": job_id or ids.uuid7(),
        "kind": kind,
        "record_type": record_type,
        "parameters": dict(parameters),
        "state": QUEUED,
        "total": total,
        "key": key,
        "creator_id": by.user_id or None,
        "creator_name": by.name,
        "as_suite": starter is not None,
        "right": call.caller.right,
        "session_id": call.caller.session_id,
        "address": call.metadata.address,
        "language": call.metadata.language,
        "request_id": call.metadata.request_id,
        "trace_parent": call.metadata.trace_parent,
        "create_time": now,
        "step_time": now,
    }
    query = (
        pg.insert(job).values(row).on_conflict_do_nothing(index_elements=["key"], index_where=job.c.key.is_not(None))
    )
    queued: str | None = call.connection.scalar(query.returning(job.c.id))
    call.queued = call.queued or queued is not None
    return queued


def start_alone(
    call: Call,
    kind: str,
    record_type: str,
    parameters: Mapping[str, Any],
    *,
    starter: Caller | None = None,
    of_each: str = "",
) -> str | None:
    """Queue a job like `start`; None while one of its kind is under way, with `of_each` one with the same value of that
    parameter. Of all who ask at the same moment one starts it: the others wait for the end of that one's transaction.
    """
    call.connection.execute(select(func.pg_advisory_xact_lock(_ALONE, func.hashtext(kind))))
    under_way = select(job.c.id).where(job.c.kind == kind, job.c.finish_time.is_(None)).limit(1)
    if of_each:
        under_way = under_way.where(job.c.parameters[of_each].astext == parameters[of_each])
    if call.connection.scalar(under_way) is not None:
        return None
    return start(call, kind, record_type, parameters, starter=starter)


def cancel(connection: Connection, job_id: str) -> None:
    """Ask a job to end after the step under way; what it did stays. FAILED_PRECONDITION if it is over."""
    asked = update(job).where(job.c.id == job_id, job.c.finish_time.is_(None)).values(cancelling=True)
    if connection.scalar(asked.returning(job.c.id)) is None:
        raise errors.Conflict("job_over")
