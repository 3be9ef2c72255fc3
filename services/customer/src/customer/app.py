"""The customer service put together."""

from __future__ import annotations

from pathlib import Path

from crm_kit.jobs import Kind
from crm_kit.service import Service
from crm_records import acting, jobs
from crm_records import servicer as records
from crm_records import tables as records_tables
from crm_records.record import Registry
from customer import events, first_entries, tables
from customer.allocation import bulk as allocating
from customer.allocation.rpc import AllocationRuleServicer, AllocationServicer
from customer.allocation.rules import RULES
from customer.allocation.tables import allocation
from customer.contacts import CONTACTS
from customer.customers import CUSTOMERS
from customer.demands import DEMANDS
from customer.interactions import INTERACTIONS
from customer.merging import jobs as merging
from customer.merging import tables as _merging_tables  # noqa: F401
from customer.merging.rpc import MergeServicer
from customer.rpc.customers import CustomerServicer
from customer.rpc.parts import ContactServicer, DemandServicer, InteractionServicer

_ACTOR = (tables.happening.c.actor_id, tables.happening.c.actor_name)
_GIVER = (allocation.c.actor_id, allocation.c.actor_name)
REGISTRY = Registry([CUSTOMERS, CONTACTS, DEMANDS, INTERACTIONS, RULES], names=[_ACTOR, _GIVER])

JOBS: list[Kind] = [
    *records.jobs(REGISTRY, merging.undone(REGISTRY)),
    merging.kind_of_job(REGISTRY),
    allocating.kind_of_job(),
]


def servicers(service: Service) -> dict[str, object]:
    REGISTRY.connect(service.writer)
    return {
        "CustomerService": CustomerServicer(),
        "ContactService": ContactServicer(),
        "DemandService": DemandServicer(),
        "InteractionService": InteractionServicer(),
        "AllocationRuleService": AllocationRuleServicer(),
        "AllocationService": AllocationServicer(),
        "MergeService": MergeServicer(),
        **records.servicers(REGISTRY, service.jobs),
    }


SERVICE = Service(
    name="customer",
    contract="crm.customer.v1",
    servicers=servicers,
    handlers=acting.merged(events.HANDLERS, records.handlers("customer", REGISTRY)),
    jobs=JOBS,
    job_ended=jobs.ended,
    seed=first_entries.seed_dictionaries,
    swept=records.swept("customer"),
    metadata=[*records_tables.METADATA, tables.metadata],
    versions=[records_tables.VERSIONS, Path(__file__).parent / "migrations" / "versions"],
)
