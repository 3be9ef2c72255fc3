"""Following a merge of another service's records: what points at one that went into another points at that one then.

The owner announces "merged" with the ids that went into the record and the id of the act, and "unmerged" when the act
was taken back. Each is a job here, so that many rows are done in steps and a killed process goes on. All of a service
are done one after the other, in the order in which they were announced: of two merges that follow each other the second
finds what the first has moved. What is done is an act with the same id, so taking back is that of every act.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, or_, select

from crm.records.v1.event_pb2 import Event
from crm_kit import jobs, rpc
from crm_kit.db import one_of
from crm_kit.inbox import Handler
from crm_kit.jobs import Job, Kind, Step, job
from crm_kit.organisation_reader import Organisation
from crm_kit.rpc import Call
from crm_records import acting, acts, images, relinking, undoing
from crm_records.images import act
from crm_records.registry import Registry

MERGED, UNMERGED = "merged", "unmerged"
MERGE = "merge"
"""The kind of act."""
FOLLOW, BACK = "follow_merge", "follow_unmerge"
PAUSE = 0.1
"""Seconds before a job whose turn it is not is looked at again."""


def handlers(service: str, registry: Registry, sources: Mapping[str, str]) -> dict[str, Handler]:
    """What a service listens to: source of events → record type whose ids may stand in its records."""
    return {source: _handler(service, registry, record_type) for source, record_type in sources.items()}


def kinds_of_jobs(registry: Registry) -> list[Kind]:
    """The jobs that a service with such handlers does."""
    return [
        Kind(FOLLOW, ("随合并改指", "Following a merge"), lambda call, job: _follow(call, registry, job), ended=_over),
        Kind(BACK, ("随撤销改回", "Following an undone merge"), lambda call, job: _back(call, registry, job)),
    ]


def _handler(service: str, registry: Registry, record_type: str) -> Handler:
    def apply(connection: Connection, events: Sequence[Event]) -> None:
        for event in events:
            if event.action not in (MERGED, UNMERGED):
                continue
            act_id, ids = relinking.told(event)
            call = rpc.system_call(connection, service, Organisation(connection.engine))
            known = connection.scalar(select(act.c.state).where(act.c.id == act_id))
            # Read again from a stream that was lost, it is known by its act, when the event's mark is long forgotten.
            if (event.action == MERGED and known) or (event.action == UNMERGED and known == "undone"):
                continue
            parameters = {
                "act": act_id,
                "kind": MERGE,
                "type": record_type,
                "ids": ids,
                "to": event.record_id,
                "actor": [event.actor_id, event.actor_name],
            }
            kind = FOLLOW if event.action == MERGED else BACK
            jobs.start(call, kind, _own_type(registry), parameters, key=f"{kind} {act_id}")

    return apply


def _follow(call: Call, registry: Registry, job: Job) -> Step:
    p = job.parameters
    if _waits(call, job):
        return Step({"waits": True})
    suite = acting.as_suite(call, *p["actor"], quiet=True)
    if job.position is None or "waits" in job.position:
        what = {acts.FOLLOWS: p["type"], "into": p["to"], "merged": p["ids"]}
        images.begin(suite, p["act"], MERGE, job.record_type, what)
    else:
        images.go_on(suite, p["act"])
    n = relinking.relink(suite, registry, p["type"], p["ids"], p["to"])
    more = n == relinking.BATCH
    if not more:
        images.finish(suite, p["act"])
    call.events[:] = suite.events
    return Step({"going": True} if more else None, done=n, result={"changed": job.result.get("changed", 0) + n})


def _over(call: Call, job: Job, _how: str) -> None:
    """It was given up: what it did can be taken back all the same."""
    images.finish(call, job.parameters["act"])


def _back(call: Call, registry: Registry, job: Job) -> Step:
    if _waits(call, job):
        return Step({"waits": True})
    suite = acting.as_suite(call, *job.parameters["actor"], quiet=True)
    step = undoing.take_back(suite, registry, job, {})
    call.events[:] = suite.events
    return step


def _waits(call: Call, this: Job) -> bool:
    """Whether an earlier one is not over: they are done in the order in which they were announced."""
    same = (job.c.create_time == this.create_time) & (job.c.id < this.id)
    earlier = or_(job.c.create_time < this.create_time, same)
    mine = (one_of(job.c.kind, [FOLLOW, BACK]), job.c.finish_time.is_(None))
    found: Any = call.connection.scalar(select(job.c.id).where(*mine, earlier).limit(1))
    if found is not None:
        time.sleep(PAUSE)
    return found is not None


def _own_type(registry: Registry) -> str:
    """The record type under which a service shows its part: its first that is somebody's."""
    return next(r.type for r in registry.records.values() if "owner_id" in r.stored)
