"""Visits, as a part of the service."""

from __future__ import annotations

from crm_kit.timers import Timer
from crm_records.part import Part
from customer.visits import first_entries, missed
from customer.visits.record import VISITS
from customer.visits.rpc import VisitRuleServicer, VisitServicer
from customer.visits.rules import VISIT_RULES

PART = Part(
    servicers=[VisitServicer, VisitRuleServicer],
    records=[VISITS, VISIT_RULES],
    timers=[Timer(60, missed.by_the_clock)],
    seed=first_entries.seed,
)
