"""The visit rule that a new installation starts with."""

from __future__ import annotations

from crm.customer.v1.visit_rules_pb2 import VisitRule
from crm_kit.rpc import Call
from customer.seeding import create_once
from customer.visits.rules import VISIT_RULES, Limits

RULE = "01900000-0000-7000-8000-000000000111"


def seed(call: Call) -> None:
    """Run after every migration."""
    usual = Limits()
    rule = VisitRule(off_site_metres=usual.off_site_metres, missed_after_hours=usual.missed_after_hours)
    create_once(call, VISIT_RULES, RULE, rule)
