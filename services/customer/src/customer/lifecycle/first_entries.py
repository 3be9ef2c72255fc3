"""The stages, and the rule that a new installation starts with."""

from __future__ import annotations

from sqlalchemy import func, select

from crm.customer.v1 import lifecycles_pb2 as pb
from crm_kit.rpc import Call
from crm_records import writing
from crm_records.seed import Entry
from customer.lifecycle.rules import LIFECYCLE_RULES

DICTIONARIES: dict[str, list[Entry]] = {
    "customer_lifecycle": [
        ("potential", "潜在", "Potential"),
        ("trading", "交易中", "Trading"),
        ("dormant", "休眠", "Dormant"),
        ("leaving", "将流失", "Leaving"),
        ("lost", "已流失", "Lost"),
        ("regained", "已挽回", "Regained"),
        ("not_needed", "不需要", "Not needed"),
    ]
}

CONDITIONS = (
    {"kind": "churn_confirmed", "stage": "lost"},
    {"kind": "churn_open", "stage": "leaving"},
    {"kind": "regained_within", "months": 12, "stage": "regained"},
    {"kind": "ordered_within", "months": 12, "stage": "trading"},
    {"kind": "ordered", "stage": "dormant"},
)


def seed_rule(call: Call) -> None:
    """Run after every migration: a rule is made where there never was any."""
    table = LIFECYCLE_RULES.table
    if call.connection.scalar(select(func.count()).select_from(table)):
        return
    conditions = [pb.LifecycleCondition(**c) for c in CONDITIONS]
    rule = pb.LifecycleRule(name="标准生命周期", conditions=conditions)
    writing.create(call, LIFECYCLE_RULES, rule, state="active")
