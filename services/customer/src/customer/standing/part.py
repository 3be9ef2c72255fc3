"""Trade and what is computed of customers, as a part of the service."""

from __future__ import annotations

from crm_kit.timers import Timer
from crm_records.part import Part
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
from customer.pyramid.record import PYRAMIDS
from customer.pyramid.rpc import PyramidServicer
from customer.pyramid.taking import TAKE
from customer.segments.members import FREEZE
from customer.segments.record import SEGMENTS
from customer.segments.rpc import SegmentServicer
from customer.standing import computing, sweep, tables
from customer.standing.rpc import StandingServicer
from customer.trade import opportunities
from customer.trade.entries import TRADE_ENTRIES
from customer.trade.rpc import TradeEntryServicer
from customer.value.models import VALUE_MODELS
from customer.value.rpc import ValueModelServicer
from customer.value.values import VALUE

# Each looks at what those before it did.
computing.COMPUTATIONS[:] = [CHURN, LIFECYCLE, GRADING, VALUE]

PART = Part(
    servicers=[
        TradeEntryServicer,
        StandingServicer,
        GradingRuleServicer,
        LifecycleRuleServicer,
        ChurnRuleServicer,
        ChurnCaseServicer,
        ValueModelServicer,
        PyramidServicer,
        SegmentServicer,
    ],
    records=[
        TRADE_ENTRIES,
        GRADING_RULES,
        LIFECYCLE_RULES,
        CHURN_RULES,
        CHURN_CASES,
        VALUE_MODELS,
        PYRAMIDS,
        SEGMENTS,
    ],
    jobs=[sweep.SWEEP, TAKE, FREEZE],
    timers=[Timer(1.0, computing.by_the_clock)],
    handlers={**churn_events.HANDLERS, **opportunities.HANDLERS},
    names=[(table.c.user_id, table.c.user_name) for table in (tables.overruling, tables.history)],
)
