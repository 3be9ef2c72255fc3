"""The customer service put together."""

from __future__ import annotations

from pathlib import Path

from crm_kit.jobs import Kind
from crm_kit.service import Service
from crm_kit.timers import Timer
from crm_records import acting, jobs
from crm_records import servicer as records
from crm_records import tables as records_tables
from crm_records.record import Registry
from customer import events, first_entries, tables
from customer.churn import events as churn_events
from customer.churn.cases import CHURN_CASES
from customer.churn.rpc import ChurnCaseServicer, ChurnRuleServicer
from customer.churn.rules import CHURN_RULES
from customer.churn.watching import CHURN
from customer.contacts import CONTACTS
from customer.customers import CUSTOMERS
from customer.demands import DEMANDS
from customer.grading.grading import GRADING
from customer.grading.rpc import GradingRuleServicer
from customer.grading.rules import GRADING_RULES
from customer.interactions import INTERACTIONS
from customer.lifecycle.rpc import LifecycleRuleServicer
from customer.lifecycle.rules import LIFECYCLE_RULES
from customer.lifecycle.stages import LIFECYCLE
from customer.rpc.customers import CustomerServicer
from customer.rpc.parts import ContactServicer, DemandServicer, InteractionServicer
from customer.standing import computing, sweep
from customer.standing import tables as standing
from customer.standing.rpc import StandingServicer
from customer.trade.entries import TRADE_ENTRIES
from customer.trade.rpc import TradeEntryServicer

_ACTOR = (tables.happening.c.actor_id, tables.happening.c.actor_name)
_SAID = [(table.c.user_id, table.c.user_name) for table in (standing.overruling, standing.history)]
_STANDINGS = [TRADE_ENTRIES, GRADING_RULES, LIFECYCLE_RULES, CHURN_RULES, CHURN_CASES]
REGISTRY = Registry([CUSTOMERS, CONTACTS, DEMANDS, INTERACTIONS, *_STANDINGS], names=[_ACTOR, *_SAID])

JOBS: list[Kind] = [*records.jobs(REGISTRY), sweep.SWEEP]
# Each looks at what those before it did.
computing.COMPUTATIONS[:] = [CHURN, LIFECYCLE, GRADING]


def servicers(service: Service) -> dict[str, object]:
    REGISTRY.connect(service.writer)
    return {
        "CustomerService": CustomerServicer(),
        "ContactService": ContactServicer(),
        "DemandService": DemandServicer(),
        "InteractionService": InteractionServicer(),
        "TradeEntryService": TradeEntryServicer(),
        "StandingService": StandingServicer(),
        "GradingRuleService": GradingRuleServicer(),
        "LifecycleRuleService": LifecycleRuleServicer(),
        "ChurnRuleService": ChurnRuleServicer(),
        "ChurnCaseService": ChurnCaseServicer(),
        **records.servicers(REGISTRY, service.jobs),
    }


SERVICE = Service(
    name="customer",
    contract="crm.customer.v1",
    servicers=servicers,
    handlers=acting.merged(events.HANDLERS, churn_events.HANDLERS, records.handlers("customer", REGISTRY)),
    timers=[Timer(1.0, computing.by_the_clock)],
    jobs=JOBS,
    job_ended=jobs.ended,
    seed=first_entries.seed_dictionaries,
    swept=records.swept("customer"),
    metadata=[*records_tables.METADATA, tables.metadata],
    versions=[records_tables.VERSIONS, Path(__file__).parent / "migrations" / "versions"],
)
