"""Care put together for the service."""

from __future__ import annotations

from crm_kit.inbox import Handler
from crm_kit.jobs import Kind
from crm_kit.timers import Timer
from crm_records.record import Record
from customer.care import leaving, task_events
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

RECORDS: list[Record] = [CARE_DAYS, CARE_TEMPLATES, CARE_PLANS, OCCASIONS, CARE_ITEMS]
JOBS: list[Kind] = [PROPOSE]
TIMERS: list[Timer] = [leaving.TIMER]
HANDLERS: dict[str, Handler] = {"workspace.task": task_events.apply}


def servicers() -> dict[str, object]:
    """By the name of the contract's service."""
    return {
        "CareDayService": CareDayServicer(),
        "CareTemplateService": CareTemplateServicer(),
        "CarePlanService": CarePlanServicer(),
        "OccasionService": OccasionServicer(),
        "CareItemService": CareItemServicer(),
    }
