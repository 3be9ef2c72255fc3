"""Alert rules, and which of them decides for a customer: the nearest department up the tree, then the level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from crm.customer.v1 import alert_rules_pb2 as pb
from crm_kit import organisation
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import writing
from crm_records.record import Record, Row
from customer.alerts.tables import alert_rule

BIRTHDAY, COMPANY, NEXT_STEP, OVERDUE, NO_BUSINESS, DEMAND, CREDIT = (
    "birthday",
    "company_anniversary",
    "next_step",
    "contact_overdue",
    "no_business",
    "demand_ending",
    "credit_exceeded",
)
_NEEDED = dict.fromkeys((BIRTHDAY, COMPANY, NEXT_STEP, OVERDUE, DEMAND), "days") | {
    NO_BUSINESS: "months",
    CREDIT: None,
}
AHEAD = 366
"""Days ahead of a birthday, an anniversary or a next step, at most."""


class AlertRules(Record):
    """See the contract for the fields."""

    message = pb.AlertRule
    table = alert_rule
    plural = "alert_rules"

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        needed = _NEEDED[row["kind"]]
        for name in ("days", "months"):
            if name != needed:
                row[name] = None
        problems = []
        if needed and row[needed] is None:
            field = self.fields[needed]
            problems.append(Problem(field.json_name, "required", {"label": field.label}))
        if row["kind"] in (BIRTHDAY, COMPANY, NEXT_STEP) and (row["days"] or 0) > AHEAD:
            problems.append(Problem("days", "too_large", {"label": self.fields["days"].label, "limit": AHEAD}))
        writing.refuse(problems)


ALERT_RULES = AlertRules()


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules as they are now."""

    by_place: Mapping[tuple[str, str | None, str | None], Mapping[str, Any]]
    """(kind, department, level) → rule"""
    parents: Mapping[str, str | None]
    """Department → the one above."""

    def decide(self, kind: str, department_id: str | None, level: str | None) -> Mapping[str, Any] | None:
        """The rule of a kind for customers of a department and level; None where nothing is raised."""
        for place in self._up(department_id):
            for asked in dict.fromkeys((level, None)):
                rule = self.by_place.get((kind, place, asked))
                if rule is not None:
                    return None if rule["paused"] else rule
        return None

    def furthest(self, kind: str, name: str) -> int | None:
        """The largest number that any rule of a kind says; None if there is none."""
        return max((r[name] for (k, _, _), r in self.by_place.items() if k == kind and not r["paused"]), default=None)

    def _up(self, department_id: str | None) -> list[str | None]:
        """The department, those above it, and what holds for all."""
        line: list[str | None] = []
        while department_id and department_id not in line:
            line.append(department_id)
            department_id = self.parents.get(department_id)
        return [*line, None]


def in_force(call: Call) -> RuleSet:
    """Read the rules and the tree of departments."""
    c = alert_rule.c
    rows = call.connection.execute(select(alert_rule).where(c.delete_time.is_(None))).mappings()
    department = organisation.department.c
    parents = call.connection.execute(select(department.id, department.parent_id).where(~department.deleted))
    return RuleSet(
        {(r["kind"], r["department_id"], r["level"]): dict(r) for r in rows}, {row.id: row.parent_id for row in parents}
    )
