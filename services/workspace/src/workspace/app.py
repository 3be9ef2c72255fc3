"""The workspace put together."""

from __future__ import annotations

from pathlib import Path

from crm_kit.handlers import merged
from crm_kit.service import Service
from crm_kit.timers import Timer
from crm_records import following_merges, jobs, replaying
from crm_records import servicer as records
from crm_records import tables as records_tables
from crm_records.overview import OverviewServicer
from crm_records.registry import Registry
from workspace import care, customer_records, events, overview, tables
from workspace.comments import COMMENTS
from workspace.escalation import escalate
from workspace.notifications import NOTIFICATIONS
from workspace.rpc.notifications import NotificationServicer
from workspace.rpc.tasks import TaskCommentServicer, TaskServicer
from workspace.tasks import TASKS

_SENDER = (tables.notification.c.actor_id, tables.notification.c.actor_name)
REGISTRY = Registry([TASKS, COMMENTS, NOTIFICATIONS], names=[_SENDER])

MERGES = {"customer.customer": "customer", "customer.contact": "contact"}
"""Others' records that are merged, by the source of their events."""
JOBS = [*following_merges.kinds_of_jobs(REGISTRY)]


def servicers(service: Service) -> dict[str, object]:
    REGISTRY.connect(service.writer)
    return {
        "TaskService": TaskServicer(),
        "TaskCommentService": TaskCommentServicer(),
        "NotificationService": NotificationServicer(),
        "OverviewService": OverviewServicer("workspace", overview.PARTS),
        **records.servicers(REGISTRY, service.jobs),
    }


SERVICE = Service(
    name="workspace",
    contract="crm.workspace.v1",
    servicers=servicers,
    handlers=merged(
        events.HANDLERS,
        events.FOLLOWED,
        customer_records.HANDLERS,
        care.HANDLERS,
        following_merges.handlers("workspace", REGISTRY, MERGES),
        records.handlers("workspace", REGISTRY),
    ),
    jobs=JOBS,
    job_ended=jobs.ended,
    timers=[Timer(60, escalate)],
    swept=records.swept("workspace"),
    before_replay=replaying.before_replay(REGISTRY),
    metadata=[*records_tables.METADATA, tables.metadata],
    versions=[records_tables.VERSIONS, Path(__file__).parent / "migrations" / "versions"],
)
