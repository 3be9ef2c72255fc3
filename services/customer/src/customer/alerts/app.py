"""Alerts put together for the service."""

from __future__ import annotations

from crm_kit.jobs import Kind
from crm_records.record import Record
from customer.alerts.record import ALERTS
from customer.alerts.rpc import AlertRuleServicer, AlertServicer
from customer.alerts.rules import ALERT_RULES
from customer.alerts.watching import WATCH

RECORDS: list[Record] = [ALERT_RULES, ALERTS]
JOBS: list[Kind] = [WATCH]


def servicers() -> dict[str, object]:
    """By the name of the contract's service."""
    return {"AlertRuleService": AlertRuleServicer(), "AlertService": AlertServicer()}
