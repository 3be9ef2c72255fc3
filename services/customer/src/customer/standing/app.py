"""Trade and what is computed of customers, put together for the service."""

from __future__ import annotations

from crm_kit.inbox import Handler
from crm_kit.jobs import Kind
from crm_kit.timers import Timer
from crm_records.record import Record
from customer.churn import events as churn_events
from customer.churn.cases import CHURN_CASES
from customer.churn.rpc import ChurnCaseServicer, ChurnRuleServicer
from customer.churn.rules import CHURN_RULES
from customer.churn.watching import CHURN
from customer.grading.grading import GRADING
from customer.grading.rpc import GradingRuleServicer
from customer.grading.rules import GRADING_RULES
from customer.lifecycle.rpc import LifecycleRuleServicer
from customer.lifecycle.rules import LIFECYCLE_RULES
from customer.lifecycle.stages import LIFECYCLE
from customer.standing import computing, sweep, tables
from customer.standing.rpc import StandingServicer
from customer.trade.entries import TRADE_ENTRIES
from customer.trade.rpc import TradeEntryServicer

RECORDS: list[Record] = [TRADE_ENTRIES, GRADING_RULES, LIFECYCLE_RULES, CHURN_RULES, CHURN_CASES]
NAMES = [(table.c.user_id, table.c.user_name) for table in (tables.overruling, tables.history)]
JOBS: list[Kind] = [sweep.SWEEP]
TIMERS = [Timer(1.0, computing.by_the_clock)]
HANDLERS: dict[str, Handler] = dict(churn_events.HANDLERS)

# Each looks at what those before it did.
computing.COMPUTATIONS[:] = [CHURN, LIFECYCLE, GRADING]


def servicers() -> dict[str, object]:
    return {
        "TradeEntryService": TradeEntryServicer(),
        "StandingService": StandingServicer(),
        "GradingRuleService": GradingRuleServicer(),
        "LifecycleRuleService": LifecycleRuleServicer(),
        "ChurnRuleService": ChurnRuleServicer(),
        "ChurnCaseService": ChurnCaseServicer(),
    }
