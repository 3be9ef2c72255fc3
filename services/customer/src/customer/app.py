"""The customer service put together."""

from __future__ import annotations

from pathlib import Path

from crm_kit.jobs import Kind
from crm_kit.rpc import Call
from crm_kit.service import Service
from crm_records import acting, jobs, replaying
from crm_records import servicer as records
from crm_records import tables as records_tables
from crm_records.record import Registry
from customer import events, first_entries, tables
from customer.behaviour import first_entries as behaviour_first_entries
from customer.behaviour import work as behaviour_work
from customer.behaviour.rpc import BehaviourServicer, BehaviourTagRuleServicer, BehaviourTagServicer
from customer.behaviour.rules import BEHAVIOUR_TAG_RULES
from customer.contacts import CONTACTS
from customer.customers import CUSTOMERS
from customer.demands import DEMANDS
from customer.interactions import INTERACTIONS
from customer.pools import dealings as pool_dealings
from customer.pools import first_entries as pool_first_entries
from customer.pools import returning as pool_returning
from customer.pools import simulating as pool_simulating
from customer.pools.pools import POOLS
from customer.pools.rpc import PoolCustomerServicer, PoolServicer
from customer.register import tables as _register_tables  # noqa: F401 - they belong to the metadata
from customer.register.rpc import CompanyRegisterServicer
from customer.rpc.customers import CustomerServicer
from customer.rpc.parts import ContactServicer, DemandServicer, InteractionServicer

_ACTOR = (tables.happening.c.actor_id, tables.happening.c.actor_name)
REGISTRY = Registry([CUSTOMERS, CONTACTS, DEMANDS, INTERACTIONS, BEHAVIOUR_TAG_RULES, POOLS], names=[_ACTOR])

JOBS: list[Kind] = [*records.jobs(REGISTRY), pool_returning.daily(), pool_simulating.kind()]


def servicers(service: Service) -> dict[str, object]:
    REGISTRY.connect(service.writer)
    return {
        "CustomerService": CustomerServicer(),
        "ContactService": ContactServicer(),
        "DemandService": DemandServicer(),
        "InteractionService": InteractionServicer(),
        "BehaviourService": BehaviourServicer(),
        "BehaviourTagRuleService": BehaviourTagRuleServicer(),
        "BehaviourTagService": BehaviourTagServicer(),
        "CompanyRegisterService": CompanyRegisterServicer(),
        "PoolService": PoolServicer(),
        "PoolCustomerService": PoolCustomerServicer(),
        **records.servicers(REGISTRY, service.jobs),
    }


def import_register(service: Service) -> None:
    """Put the register file into its table."""
    from customer.register import importing

    importing.command(service)


def seed(call: Call) -> None:
    """Run after every migration."""
    first_entries.seed_dictionaries(call)
    behaviour_first_entries.seed(call)
    pool_first_entries.seed_dictionaries(call)


SERVICE = Service(
    name="customer",
    contract="crm.customer.v1",
    servicers=servicers,
    handlers=acting.merged(events.HANDLERS, pool_dealings.HANDLERS, records.handlers("customer", REGISTRY)),
    jobs=JOBS,
    job_ended=jobs.ended,
    swept=records.swept("customer"),
    before_replay=replaying.before_replay(REGISTRY),
    seed=seed,
    timers=behaviour_work.TIMERS,
    commands={"import-register": import_register},
    metadata=[*records_tables.METADATA, tables.metadata],
    versions=[records_tables.VERSIONS, Path(__file__).parent / "migrations" / "versions"],
)
