"""Allocation, as a part of the service."""

from __future__ import annotations

from crm_records.part import Part
from customer.allocation import bulk
from customer.allocation.rpc import AllocationRuleServicer, AllocationServicer
from customer.allocation.rules import RULES
from customer.allocation.tables import allocation

PART = Part(
    servicers=[AllocationRuleServicer, AllocationServicer],
    records=[RULES],
    jobs=[bulk.kind_of_job()],
    names=[(allocation.c.actor_id, allocation.c.actor_name)],
)
