"""Allocation rules as records: what a rule must say, and who may be a taker."""

from __future__ import annotations

from crm.customer.v1 import allocation_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import conditions
from crm_records.record import Record, Row
from customer.allocation.tables import allocation_rule
from customer.customers import CUSTOMERS

DEPARTMENT, FIXED, ROUND_ROBIN, LEAST_LOAD = "department", "fixed", "round_robin", "least_load"
FIRST = 100
"""The position of a rule that says none."""


class AllocationRules(Record):
    """See the contract for the fields."""

    message = pb.AllocationRule
    table = allocation_rule
    plural = "allocation_rules"
    list_fields = (
        "name",
        "position",
        "active",
        "condition",
        "strategy",
        "department_id",
        "user_ids",
        "capacity",
        "unowned",
    )

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if row["position"] is None:
            row["position"] = FIRST
        to_department = row["strategy"] == DEPARTMENT
        row["load"] = (row["load"] or "held") if row["strategy"] == LEAST_LOAD else None
        missing = "department_id" if to_department and not row["department_id"] else ""
        missing = "user_ids" if not to_department and not row["user_ids"] else missing
        if missing:
            field = self.fields[missing]
            raise errors.Invalid(Problem(field.json_name, "required", {"label": field.label}))
        if to_department:
            row["user_ids"], row["capacity"] = [], None
        else:
            row["department_id"] = None
        if row["condition"] and (before is None or row["condition"] != before["condition"]):
            _check_condition(call, row["condition"])


def _check_condition(call: Call, condition: str) -> None:
    """It must be one that its writer could ask a list of customers with."""
    try:
        conditions.of(call, CUSTOMERS, condition, "", False, None)
    except errors.Refusal as refusal:
        label = RULES.fields["condition"].label
        what = tuple(refusal.message(language) for language in (errors.ZH, errors.EN))
        raise errors.Invalid(Problem("condition", "bad_condition", {"label": label, "what": what})) from None


RULES = AllocationRules()

errors.texts({"bad_condition": ("{label}有误：{what}", "{label} is wrong: {what}")})
