"""The customer service put together."""

from __future__ import annotations

from pathlib import Path

from crm_kit.jobs import Kind
from crm_kit.rpc import Call
from crm_kit.service import Service
from crm_kit.timers import Timer
from crm_records import acting, jobs, replaying
from crm_records import servicer as records
from crm_records import tables as records_tables
from crm_records.overview import OverviewServicer
from crm_records.record import Registry
from customer import events, first_entries, overview, tables, valid_demands
from customer.alerts import app as alerts
from customer.alerts import first_entries as alerts_first
from customer.allocation import bulk as allocating
from customer.allocation.rpc import AllocationRuleServicer, AllocationServicer
from customer.allocation.rules import RULES as ALLOCATION_RULES
from customer.allocation.tables import allocation
from customer.behaviour import first_entries as behaviour_first_entries
from customer.behaviour import work as behaviour_work
from customer.behaviour.rpc import BehaviourServicer, BehaviourTagRuleServicer, BehaviourTagServicer
from customer.behaviour.rules import BEHAVIOUR_TAG_RULES
from customer.care import app as care
from customer.care import first_entries as care_first
from customer.contacts import CONTACTS
from customer.customer_events import first_entries as customer_events_first
from customer.customer_events.participants import PARTICIPANTS
from customer.customer_events.record import CUSTOMER_EVENTS
from customer.customer_events.rpc import CustomerEventParticipantServicer, CustomerEventServicer
from customer.customers import CUSTOMERS
from customer.demands import DEMANDS
from customer.duplicates import rpc as duplicates
from customer.interactions import INTERACTIONS
from customer.merging import jobs as merging
from customer.merging import tables as _merging_tables  # noqa: F401
from customer.merging.rpc import MergeServicer
from customer.pools import dealings as pool_dealings
from customer.pools import first_entries as pool_first_entries
from customer.pools import returning as pool_returning
from customer.pools import simulating as pool_simulating
from customer.pools.pools import POOLS
from customer.pools.rpc import PoolCustomerServicer, PoolServicer
from customer.register import tables as _register_tables  # noqa: F401 - they belong to the metadata
from customer.register.rpc import CompanyRegisterServicer
from customer.relationships import first_entries as relationships_first
from customer.relationships.kinds import RELATIONSHIP_KINDS
from customer.relationships.record import RELATIONSHIPS
from customer.relationships.rpc import RelationshipKindServicer, RelationshipServicer
from customer.review import first_entries as review_first
from customer.review.rpc import ReviewRuleServicer
from customer.review.rules import REVIEW_RULES
from customer.rpc.customers import CustomerServicer
from customer.rpc.parts import ContactServicer, DemandServicer, InteractionServicer
from customer.standing import app as standing
from customer.visits import first_entries as visits_first
from customer.visits import missed
from customer.visits.record import VISITS
from customer.visits.rpc import VisitRuleServicer, VisitServicer
from customer.visits.rules import VISIT_RULES

_ACTOR = (tables.happening.c.actor_id, tables.happening.c.actor_name)
_GIVER = (allocation.c.actor_id, allocation.c.actor_name)
_RECORDS = [
    CUSTOMERS,
    CONTACTS,
    DEMANDS,
    INTERACTIONS,
    RELATIONSHIPS,
    RELATIONSHIP_KINDS,
    REVIEW_RULES,
    VISITS,
    VISIT_RULES,
    CUSTOMER_EVENTS,
    PARTICIPANTS,
    BEHAVIOUR_TAG_RULES,
    *duplicates.RECORDS,
    *standing.RECORDS,
    POOLS,
    *care.RECORDS,
    *alerts.RECORDS,
    ALLOCATION_RULES,
]
REGISTRY = Registry(_RECORDS, names=[_ACTOR, _GIVER, *standing.NAMES])
_SEEDS = (
    first_entries.seed_dictionaries,
    relationships_first.seed,
    review_first.seed,
    visits_first.seed,
    customer_events_first.seed,
    behaviour_first_entries.seed,
    duplicates.seed,
    pool_first_entries.seed_dictionaries,
    care_first.seed,
    alerts_first.seed,
)

JOBS: list[Kind] = [
    *records.jobs(REGISTRY, merging.undone(REGISTRY)),
    merging.kind_of_job(REGISTRY),
    allocating.kind_of_job(),
    *duplicates.JOBS,
    *standing.JOBS,
    *care.JOBS,
    *alerts.JOBS,
    pool_returning.daily(),
    pool_simulating.kind(),
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
        "BehaviourService": BehaviourServicer(),
        "BehaviourTagRuleService": BehaviourTagRuleServicer(),
        "BehaviourTagService": BehaviourTagServicer(),
        "CompanyRegisterService": CompanyRegisterServicer(),
        **standing.servicers(),
        "RelationshipService": RelationshipServicer(),
        "RelationshipKindService": RelationshipKindServicer(),
        "ReviewRuleService": ReviewRuleServicer(),
        "VisitService": VisitServicer(),
        "VisitRuleService": VisitRuleServicer(),
        "CustomerEventService": CustomerEventServicer(),
        "CustomerEventParticipantService": CustomerEventParticipantServicer(),
        **duplicates.servicers(),
        "PoolService": PoolServicer(),
        "PoolCustomerService": PoolCustomerServicer(),
        **care.servicers(),
        **alerts.servicers(),
        "OverviewService": OverviewServicer("customer", overview.PARTS, overview.admit),
        **records.servicers(REGISTRY, service.jobs),
    }


def import_register(service: Service) -> None:
    """Put the register file into its table."""
    from customer.register import importing

    importing.command(service)


def seed(call: Call) -> None:
    """What a new installation starts with; run after every migration."""
    for one in _SEEDS:
        one(call)


SERVICE = Service(
    name="customer",
    contract="crm.customer.v1",
    servicers=servicers,
    handlers=acting.merged(
        events.HANDLERS,
        pool_dealings.HANDLERS,
        standing.HANDLERS,
        care.HANDLERS,
        records.handlers("customer", REGISTRY),
    ),
    jobs=JOBS,
    job_ended=jobs.ended,
    swept=records.swept("customer"),
    before_replay=replaying.before_replay(REGISTRY),
    seed=seed,
    timers=[
        *behaviour_work.TIMERS,
        *standing.TIMERS,
        Timer(60, missed.by_the_clock),
        Timer(60, valid_demands.EveryDay()),
        *care.TIMERS,
    ],
    commands={"import-register": import_register},
    metadata=[*records_tables.METADATA, tables.metadata],
    versions=[records_tables.VERSIONS, Path(__file__).parent / "migrations" / "versions"],
)
