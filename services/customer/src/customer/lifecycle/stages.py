"""The stage of customers, as the active rule has it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from crm_kit.rpc import Call
from customer.churn.cases import CHURN_CASES, OPEN, Last, latest
from customer.clock import add_months
from customer.lifecycle.rules import LIFECYCLE_RULES
from customer.sight import Sight
from customer.standing.bunch import Bunch, Customer
from customer.standing.computing import Computation, Result
from customer.standing.keeping import column

POTENTIAL, NOT_NEEDED = "potential", "not_needed"
STAGES = (POTENTIAL, "trading", "dormant", "leaving", "lost", "regained", NOT_NEEDED)


def holds(condition: dict[str, Any], last_order: date | None, case: Last | None, today: date) -> bool:
    """Whether a condition is true on a day. A month is over on the same day of the next one, see `clock.add_months`."""
    months = condition.get("months") or 0
    match condition["kind"]:
        case "ordered":
            return last_order is not None
        case "ordered_within":
            return last_order is not None and today < add_months(last_order, months)
        case "not_ordered_for":
            return last_order is not None and today >= add_months(last_order, months)
        case "churn_open":
            return case is not None and case.state in OPEN and case.state != "confirmed"
        case "churn_confirmed":
            return case is not None and case.state == "confirmed"
        case "regained_within":
            regained = case is not None and case.state == "regained" and case.close_date is not None
            return regained and today < add_months(case.close_date, months)  # type: ignore[union-attr,arg-type]
    return False


def compute(bunch: Bunch, today: date) -> Sequence[Result]:
    """The stage of each customer of a bunch; nothing while no rule is active."""
    rules = LIFECYCLE_RULES.active(bunch.call)
    if not rules:
        return ()
    rule, cases = rules[0], latest(bunch.call, bunch.ids)
    return [_stage(rule, one, cases.get(one.id), today) for one in bunch.customers]


def _stage(rule: dict[str, Any], customer: Customer, case: Last | None, today: date) -> Result:
    reasons: dict[str, Any] = {}
    if customer.last_order_date is not None:
        reasons["lastOrderDate"] = customer.last_order_date.isoformat()
    if case is not None:
        reasons |= {"churnCase": case.id, "churnState": case.state}
    stage = POTENTIAL
    for condition in rule["conditions"]:
        if holds(condition, customer.last_order_date, case, today):
            stage = condition["stage"]
            reasons["condition"] = {n: condition[n] for n in ("kind", "months") if condition.get(n)}
            break
    return Result(customer.id, stage, rule["id"], rule["version"], reasons)


def _told(_call: Call, seen: Sight, _rule_id: str, reasons: dict[str, Any]) -> dict[str, Any]:
    """The day of the last order to whom that field is told, the churn case to whoever reads those of the customer."""
    needed = {"lastOrderDate": "last_order_date", "churnCase": CHURN_CASES.type, "churnState": CHURN_CASES.type}
    return {name: value for name, value in reasons.items() if name not in needed or seen.sees(needed[name])}


LIFECYCLE = Computation(
    "lifecycle",
    compute,
    told=_told,
    field="lifecycle",
    apply=column("lifecycle", "staged", since="lifecycle_date"),
    may_be=lambda call, value: value in STAGES,
)
