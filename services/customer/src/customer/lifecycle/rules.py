"""Rules of the lifecycle: which stage follows from what, in the order of the questions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from sqlalchemy import ColumnElement, true

from crm.customer.v1 import lifecycles_pb2 as pb
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records.record import Row
from customer.lifecycle.tables import lifecycle_rule
from customer.standing.rules import Rules, states_of

COUNTED = ("ordered_within", "not_ordered_for", "regained_within")
"""Kinds of conditions that count months."""


class LifecycleRules(Rules):
    """See the contract for the fields."""

    message = pb.LifecycleRule
    table = lifecycle_rule
    plural = "lifecycle_rules"
    states = states_of(pb.LifecycleRule)
    list_fields: ClassVar[Sequence[str]] = ("name", "state", "conditions")

    def problems(self, call: Call, row: Row) -> Iterable[Problem]:
        label = kinds.of(pb.LifecycleCondition.DESCRIPTOR)["months"].label
        for i, condition in enumerate(row["conditions"]):
            if condition["kind"] in COUNTED and not condition.get("months"):
                yield Problem(f"conditions[{i}].months", "required", {"label": label})

    def replaced_by(self, row: Row) -> ColumnElement[bool]:
        return true()


LIFECYCLE_RULES = LifecycleRules()
