"""Alerts, as a part of the service."""

from __future__ import annotations

from crm_records.part import Part
from customer.alerts import first_entries
from customer.alerts.record import ALERTS
from customer.alerts.rpc import AlertRuleServicer, AlertServicer
from customer.alerts.rules import ALERT_RULES
from customer.alerts.watching import WATCH

PART = Part(
    servicers=[AlertRuleServicer, AlertServicer],
    records=[ALERT_RULES, ALERTS],
    jobs=[WATCH],
    seed=first_entries.seed,
)
