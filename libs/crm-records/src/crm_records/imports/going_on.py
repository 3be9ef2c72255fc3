"""A storing that ended early goes on with the rows that it did not look at: the same act, a further job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import exists, func, select

from crm_kit import errors, jobs
from crm_kit.jobs import Job, Step
from crm_kit.rpc import Call
from crm_records import images
from crm_records.imports.tables import CANCELLED, FAILED, import_row
from crm_records.record import Record

ENDED_EARLY = (CANCELLED, FAILED)
ACT, COUNTS = "act", "counts"
"""Parameters of the further job: the act that goes on, and what became of the rows before."""

errors.texts(
    {
        "import_taken_back": (
            "该导入已撤销，不能继续；请重新上传文件",
            "The import was taken back and cannot go on; send the file again",
        )
    }
)


def start(call: Call, record: Record, row: Any, kind: str, parameters: dict[str, Any]) -> str:
    """Queue the job that goes on; its id. FAILED_PRECONDITION where nothing is left, or it was taken back."""
    left = exists().where(import_row.c.import_id == row.id, import_row.c.outcome == "")
    if row.act_id is None or not call.connection.scalar(select(left)):
        raise errors.Conflict("import_over")
    if not images.reopen(call, row.act_id):
        raise errors.Conflict("import_taken_back")
    more = {**parameters, ACT: row.act_id, COUNTS: dict(row.counts)}
    job_id = jobs.start(call, kind, record.type, more, total=row.rows)
    assert job_id is not None
    return job_id


def act_of(job: Job) -> str:
    """The act that a job of storing belongs to: its own, or the one that goes on."""
    return str(job.parameters.get(ACT, job.id))


def counts_of(job: Any) -> Mapping[str, Any]:
    """What a job found so far; before its first step, what was found before it."""
    return job.result or job.parameters.get(COUNTS, {})


def first(call: Call, import_id: str, job: Job) -> Step | None:
    """The first step of a job that goes on: behind the last row that was looked at. None where it begins anew."""
    counts = counts_of(job)
    if not sum(counts.values()):
        return None
    looked_at = (import_row.c.import_id == import_id, import_row.c.outcome != "")
    last = call.connection.scalar(select(func.max(import_row.c.row)).where(*looked_at))
    return Step({"row": last}, done=sum(counts.values()), result=counts)
