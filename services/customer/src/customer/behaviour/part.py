"""Behaviour, as a part of the service."""

from __future__ import annotations

from crm_records.part import Part
from customer.behaviour import first_entries, work
from customer.behaviour.rpc import BehaviourServicer, BehaviourTagRuleServicer, BehaviourTagServicer
from customer.behaviour.rules import BEHAVIOUR_TAG_RULES

PART = Part(
    servicers=[BehaviourServicer, BehaviourTagRuleServicer, BehaviourTagServicer],
    records=[BEHAVIOUR_TAG_RULES],
    timers=work.TIMERS,
    seed=first_entries.seed,
)
