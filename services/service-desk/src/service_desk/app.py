"""The service desk put together."""

from __future__ import annotations

from pathlib import Path

from crm_kit.handlers import merged
from crm_kit.service import Service
from crm_records import following_merges, jobs, replaying
from crm_records import servicer as records
from crm_records import tables as records_tables
from crm_records.overview import OverviewServicer
from crm_records.registry import Registry
from service_desk import first_entries, overview, tables
from service_desk.requests import REQUESTS
from service_desk.rpc.requests import ServiceRequestServicer
from service_desk.tables import CUSTOMERS

REGISTRY = Registry([REQUESTS], foreign={"customer": CUSTOMERS.existing})

MERGES = {"customer.customer": "customer", "customer.contact": "contact"}
"""Others' records that are merged, by the source of their events."""
JOBS = [*following_merges.kinds_of_jobs(REGISTRY)]


def servicers(service: Service) -> dict[str, object]:
    REGISTRY.connect(service.writer)
    return {
        "ServiceRequestService": ServiceRequestServicer(),
        "OverviewService": OverviewServicer("service-desk", overview.PARTS),
        **records.servicers(REGISTRY, service.jobs),
    }


SERVICE = Service(
    name="service-desk",
    contract="crm.service_desk.v1",
    servicers=servicers,
    handlers=merged(
        {CUSTOMERS.source: CUSTOMERS.apply},
        following_merges.handlers("service-desk", REGISTRY, MERGES),
        records.handlers("service-desk", REGISTRY),
    ),
    jobs=JOBS,
    job_ended=jobs.ended,
    seed=first_entries.seed_dictionaries,
    swept=records.swept("service-desk"),
    before_replay=replaying.before_replay(REGISTRY),
    metadata=[*records_tables.METADATA, tables.metadata],
    versions=[records_tables.VERSIONS, Path(__file__).parent / "migrations" / "versions"],
)
