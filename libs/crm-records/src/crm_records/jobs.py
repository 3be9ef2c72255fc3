"""Jobs as people see them: how far one is, what came of it; and the event of its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import ParseDict
from sqlalchemy import Select, func, select

from crm.records.v1 import jobs_pb2 as pb
from crm.records.v1.event_pb2 import Event
from crm_kit import errors, job_files, jobs, rpc, sealing
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.job_files import job_file
from crm_kit.jobs import Kind, job
from crm_kit.organisation_reader import Organisation
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import files, paging
from crm_records.registry import Registry

TYPE = "job"
NEWEST = 50
"""Of a person's own jobs, those that one service tells."""

PIECES = 8 * 1024 * 1024 // job_files.PART
"""Rows of a file that one part of it has: 8 MiB."""
WHOLE = 28 * 1024 * 1024 // job_files.PART
"""Rows of a file that is still told in one answer."""

errors.texts(
    {
        "file_in_parts": (
            "文件过大，请分 {parts} 部分下载（part=1…{parts}）",
            "The file is too large for one answer; ask for its {parts} parts (part=1…{parts})",
        ),
        "job_under_way": ("这种任务正在进行", "A job of that kind is under way"),
    }
)

_FILE = (job_file.c.job_id, job_file.c.name, job_file.c.content_type)


class JobServicer:
    """Answers for the jobs of one service."""

    def __init__(self, registry: Registry, known: Sequence[Kind]) -> None:
        self._registry = registry
        self._known = {k.name: k for k in known}
        registry.job_labels.update({k.name: k.label for k in known})

    def GetJob(self, call: Call, request: pb.GetJobRequest) -> pb.Job:
        return self._messages(call, [self._row(call, request)])[0]

    def ListJobs(self, call: Call, request: pb.ListJobsRequest) -> pb.ListJobsResponse:
        size = paging.page_size(request)
        query = self._visible(call, request.record_type)
        if request.kind:
            query = query.where(job.c.kind == request.kind)
        if request.state:
            if request.state not in jobs.STATES:
                asked = kinds.of(request.DESCRIPTOR)["state"]
                choices = {"label": asked.label, "value": request.state[:60], "choices": ", ".join(jobs.STATES)}
                raise errors.Invalid(Problem("state", "not_a_choice", choices))
            query = query.where(job.c.state == request.state)
        if request.page_token:
            if not kinds.is_id(request.page_token):
                raise errors.Invalid(key="bad_page_token")
            query = query.where(job.c.id < request.page_token)
        rows = call.connection.execute(query.order_by(job.c.id.desc()).limit(size + 1)).all()
        token = rows[size - 1].id if len(rows) > size else ""
        return pb.ListJobsResponse(jobs=self._messages(call, rows[:size]), next_page_token=token)

    def ListMyJobs(self, call: Call, request: pb.ListMyJobsRequest) -> pb.ListMyJobsResponse:
        query = select(job).where(job.c.creator_id == call.access.user_id).order_by(job.c.id.desc()).limit(NEWEST)
        return pb.ListMyJobsResponse(jobs=self._messages(call, call.connection.execute(query).all()))

    def RunJob(self, call: Call, request: pb.RunJobRequest) -> pb.Job:
        if request.record_type not in self._registry.records:
            raise errors.NotFound()
        daily = [n for n, k in self._known.items() if k.daily is not None and k.record_type == request.record_type]
        if request.kind not in daily:
            label = kinds.of(request.DESCRIPTOR)["kind"].label
            choices = ", ".join(daily) or ("无", "none")
            params = {"label": label, "value": request.kind[:60], "choices": choices}
            raise errors.Invalid(Problem("kind", "not_a_choice" if request.kind else "required", params))
        own = rpc.system_call(call.connection, call.service, Organisation(call.connection.engine))
        day = {"day": f"{datetime.now(jobs.ZONE):%Y-%m-%d}"}
        job_id = jobs.start_alone(own, request.kind, request.record_type, day, starter=call.caller)
        if job_id is None:
            raise errors.Conflict("job_under_way")
        call.note(record_type=request.record_type, record_id=job_id)
        return started(call, self._registry, job_id)

    def CancelJob(self, call: Call, request: pb.GetJobRequest) -> pb.Job:
        row = self._row(call, request)
        jobs.cancel(call.connection, row.id)
        return self.GetJob(call, request)

    def ExportJobFile(self, call: Call, request: pb.ExportJobFileRequest) -> HttpBody:
        row = self._row(call, request)
        # What a file holds is what its maker might see: nobody else is to have it.
        mine = row.creator_id == call.access.user_id
        found = job_files.find(call.connection, row.id, request.name) if mine else None
        if found is None or request.part < 0:
            raise errors.NotFound()
        kind, pieces = found
        begin = max(request.part - 1, 0) * PIECES
        if begin >= pieces:
            raise errors.NotFound()
        if not request.part and pieces > WHOLE:
            raise errors.Invalid(key="file_in_parts", parts=-(-pieces // PIECES))
        call.note(record_type=row.record_type, record_id=row.id)
        many = PIECES if request.part else pieces
        data = b"".join(job_files.parts(call.connection, row.id, request.name, begin, many))
        made, mark = row.finish_time or row.create_time, files.mark_of(row.id, request.part)
        return files.answer(call, row.record_type, kind, data, made=made, mark=mark)

    def _visible(self, call: Call, record_type: str) -> Select[Any]:
        if record_type not in self._registry.records:
            raise errors.NotFound()
        query = select(job).where(job.c.record_type == record_type)
        if not call.access.may(f"{record_type}.configure"):
            query = query.where(job.c.creator_id == call.access.user_id)
        return query

    def _row(self, call: Call, request: Any) -> Any:
        query = self._visible(call, request.record_type)
        if not kinds.is_id(request.id):
            raise errors.NotFound()
        row = call.connection.execute(query.where(job.c.id == request.id)).one_or_none()
        if row is None:
            raise errors.NotFound()
        return row

    def _messages(self, call: Call, rows: Sequence[Any]) -> list[pb.Job]:
        size = (func.sum(func.length(job_file.c.content)) - func.count() * sealing.SHORTEST).label("size")
        query = (
            select(*_FILE, size, func.count().label("pieces"))
            .where(one_of(job_file.c.job_id, [r.id for r in rows]))
            .group_by(*_FILE)
        )
        made = {r.id: _labelled(call, self._registry, message(r, call.service)) for r in rows}
        for f in call.connection.execute(query.order_by(*_FILE)) if rows else ():
            made[f.job_id].files.add(
                name=f.name, content_type=f.content_type, size=f.size, parts=-(-f.pieces // PIECES)
            )
        return list(made.values())


def message(row: Any, service: str) -> pb.Job:
    """A job as it is announced; an answer says what its kind is called and which files it has, too."""
    names = ("id", "record_type", "kind", "state", "done", "total", "cancelling", "creator_name", "create_time")
    made = pb.Job(service=service, **{n: getattr(row, n) for n in names})
    made.creator_id, made.reason = row.creator_id or "", row.reason or ""
    for name in ("start_time", "finish_time"):
        if getattr(row, name) is not None:
            getattr(made, name).FromDatetime(getattr(row, name))
    ParseDict(_told(row.result), made.result)
    return made


def started(call: Call, registry: Registry, job_id: str) -> pb.Job:
    """A job that this call has queued, as it is answered."""
    row = call.connection.execute(select(job).where(job.c.id == job_id)).one()
    return _labelled(call, registry, message(row, call.service))


def _labelled(call: Call, registry: Registry, told: pb.Job) -> pb.Job:
    """With what its kind is called in the caller's language; one that is known no longer keeps its code."""
    label = registry.job_labels.get(told.kind, (told.kind, told.kind))
    told.kind_label = label[1 if call.language == errors.EN else 0]
    return told


def _told(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a kind keeps for itself begins with an underscore."""
    return {k: v for k, v in result.items() if not k.startswith("_")}


def ended(call: Call, job_id: str) -> None:
    """Announce the end of a job: `job.done`, `job.failed`, `job.cancelled`."""
    row = call.connection.execute(select(job).where(job.c.id == job_id)).one()
    told = Event(record_type=TYPE, action=row.state, record_id=row.id, version=row.version)
    told.record.Pack(message(row, call.service))
    call.announce(told)
