"""The customer service put together."""

from __future__ import annotations

from pathlib import Path

from crm_kit.handlers import merged
from crm_kit.jobs import Kind
from crm_kit.rpc import Call
from crm_kit.service import Service
from crm_records import jobs, replaying
from crm_records import servicer as records
from crm_records import tables as records_tables
from crm_records.overview import OverviewServicer
from crm_records.registry import Registry
from customer import overview, profile, tables
from customer.alerts import part as alerts
from customer.allocation import part as allocation
from customer.behaviour import part as behaviour
from customer.care import part as care
from customer.customer_events import part as customer_events
from customer.duplicates import part as duplicates
from customer.merging import jobs as merging
from customer.merging.rpc import MergeServicer
from customer.pools import part as pools
from customer.register import part as register
from customer.relationships import part as relationships
from customer.review import part as review
from customer.standing import part as standing
from customer.visits import part as visits

PARTS = [
    topic.PART
    for topic in (
        profile,
        relationships,
        review,
        visits,
        customer_events,
        behaviour,
        register,
        duplicates,
        standing,
        pools,
        care,
        alerts,
        allocation,
    )
]
REGISTRY = Registry([r for part in PARTS for r in part.records], names=[n for part in PARTS for n in part.names])
JOBS: list[Kind] = [
    *records.jobs(REGISTRY, merging.undone(REGISTRY)),
    merging.kind_of_job(REGISTRY),
    *(job for part in PARTS for job in part.jobs),
]


def servicers(service: Service) -> dict[str, object]:
    REGISTRY.connect(service.writer)
    found: dict[str, object] = {}
    for part in PARTS:
        found |= part.answers()
    return {
        **found,
        "MergeService": MergeServicer(),
        "OverviewService": OverviewServicer("customer", overview.PARTS, overview.admit),
        **records.servicers(REGISTRY, service.jobs),
    }


def import_register(service: Service) -> None:
    """Put the register file into its table."""
    from customer.register import importing

    importing.command(service)


def seed(call: Call) -> None:
    """What a new installation starts with; run after every migration."""
    for part in PARTS:
        if part.seed is not None:
            part.seed(call)


SERVICE = Service(
    name="customer",
    contract="crm.customer.v1",
    servicers=servicers,
    handlers=merged(*(part.handlers for part in PARTS), records.handlers("customer", REGISTRY)),
    jobs=JOBS,
    job_ended=jobs.ended,
    swept=records.swept("customer"),
    before_replay=replaying.before_replay(REGISTRY),
    seed=seed,
    timers=[timer for part in PARTS for timer in part.timers],
    commands={"import-register": import_register},
    metadata=[*records_tables.METADATA, tables.metadata],
    versions=[records_tables.VERSIONS, Path(__file__).parent / "migrations" / "versions"],
)
