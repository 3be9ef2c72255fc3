"""The alert rules that a new installation starts with. Overdue contacts and missing business wait for somebody to say
how long is too long."""

from __future__ import annotations

from crm.customer.v1.alert_rules_pb2 import AlertRule
from crm_kit.rpc import Call
from customer.alerts.rules import ALERT_RULES
from customer.seeding import create_once

_ID = "01900000-0000-7000-8000-00000000030{}"
RULES = (
    AlertRule(name="生日提醒", kind="birthday", days=3),
    AlertRule(name="成立纪念日提醒", kind="company_anniversary", days=7),
    AlertRule(name="需求到期提醒", kind="demand_ending", days=14),
    AlertRule(name="超信用额度提醒", kind="credit_exceeded"),
    AlertRule(name="下一步到期提醒", kind="next_step", days=0),
)


def seed(call: Call) -> None:
    """Run after every migration."""
    for number, rule in enumerate(RULES):
        create_once(call, ALERT_RULES, _ID.format(number), rule)
