"""Care, as a part of the service."""

from __future__ import annotations

from crm_records.part import Part
from customer.care import first_entries, leaving, task_events
from customer.care.festivals import CARE_DAYS
from customer.care.items import CARE_ITEMS
from customer.care.occasions import OCCASIONS
from customer.care.plans import CARE_PLANS
from customer.care.proposing import PROPOSE
from customer.care.rpc import (
    CareDayServicer,
    CareItemServicer,
    CarePlanServicer,
    CareTemplateServicer,
    OccasionServicer,
)
from customer.care.templates import CARE_TEMPLATES

PART = Part(
    servicers=[CareDayServicer, CareTemplateServicer, CarePlanServicer, OccasionServicer, CareItemServicer],
    records=[CARE_DAYS, CARE_TEMPLATES, CARE_PLANS, OCCASIONS, CARE_ITEMS],
    jobs=[PROPOSE],
    timers=[leaving.TIMER],
    handlers={"workspace.task": task_events.apply},
    seed=first_entries.seed,
)
