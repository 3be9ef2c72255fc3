"""Reasons of a loss, and the warning that a new installation starts with."""

from __future__ import annotations

from sqlalchemy import func, select

from crm.customer.v1 import churn_rules_pb2 as pb
from crm_kit.rpc import Call
from crm_records import writing
from crm_records.seed import Entry
from customer.churn.rules import CHURN_RULES, NO_ORDER

DICTIONARIES: dict[str, list[Entry]] = {
    "churn_reason": [
        ("price", "价格", "Price"),
        ("quality", "质量", "Quality"),
        ("service", "服务", "Service"),
        ("delivery", "交货", "Delivery"),
        ("competitor", "转向竞争对手", "Went to a competitor"),
        ("business_closed", "停业或转行", "Out of business"),
        ("no_demand", "不再需要", "No more demand"),
        ("relationship", "关系变化", "Relationship"),
        ("other", "其他", "Other"),
    ]
}


def seed_rule(call: Call) -> None:
    """Run after every migration: a rule is made where there never was any."""
    if not call.connection.scalar(select(func.count()).select_from(CHURN_RULES.table)):
        writing.create(call, CHURN_RULES, pb.ChurnRule(name="六个月未订货", kind=NO_ORDER, months=6), state="active")
