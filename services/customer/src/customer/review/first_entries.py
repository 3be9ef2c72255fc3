"""The review rules that a new installation starts with: who it is, and where its money goes."""

from __future__ import annotations

from crm.customer.v1.review_rules_pb2 import ReviewRule
from crm_kit.rpc import Call
from customer.review.rules import REVIEW_RULES
from customer.seeding import create_once

_RULES = {
    "01900000-0000-7000-8000-000000000101": ("customer", ["name", "creditCode", "bank", "bankAccount"]),
    "01900000-0000-7000-8000-000000000102": ("contact", ["name", "decisionRole"]),
}


def seed(call: Call) -> None:
    """Run after every migration."""
    for record_id, (record_type, fields) in _RULES.items():
        create_once(call, REVIEW_RULES, record_id, ReviewRule(record_type=record_type, fields=fields))
