"""Rules of relation grading, as administrators define them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, select

from crm.customer.v1 import gradings_pb2 as pb
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import dictionaries
from crm_records.record import Row
from customer.clock import add_months, first_of_month
from customer.grading import bands
from customer.grading.tables import grading_rule
from customer.standing.rules import Rules, states_of

RELATIONS = "customer_relation"


class GradingRules(Rules):
    """See the contract for the fields."""

    message = pb.GradingRule
    table = grading_rule
    plural = "grading_rules"
    states = states_of(pb.GradingRule)
    list_fields: ClassVar[Sequence[str]] = (
        "name",
        "state",
        "position",
        "base",
        "period",
        "months",
        "bands",
        "otherwise",
    )

    def complete(self, row: Row) -> None:
        row["position"] = 1 if row["position"] is None else row["position"]

    def problems(self, call: Call, row: Row) -> Iterable[Problem]:
        if row["period"] == "months" and not row["months"]:
            yield Problem("months", "required", {"label": self.fields["months"].label})
        yield from bands.problems(bands.of(row["bands"]), row["otherwise"])
        yield from self._unknown(call, row)

    def _unknown(self, call: Call, row: Row) -> Iterator[Problem]:
        named = [(f"bands[{i}].relation", b["relation"]) for i, b in enumerate(row["bands"])]
        for path, code in [*named, ("otherwise", row["otherwise"])]:
            if code and not is_relation(call, code):
                label = self.fields["otherwise"].label
                yield dictionaries.refusal(path, label, code, dictionaries.KEPT.read(call.connection)[RELATIONS])

    def replaced_by(self, row: Row) -> ColumnElement[bool]:
        return self.table.c.position == row["position"]

    def active(self, call: Call) -> list[Row]:
        """In the order in which they are asked."""
        return self._found(call, select(self.table).where(self.in_force()).order_by(self.table.c.position))


GRADING_RULES = GradingRules()


def is_relation(call: Call, code: str) -> bool:
    """Whether it is an entry that may be given."""
    found = dictionaries.KEPT.read(call.connection).get(RELATIONS, {}).get(code)
    return found is not None and not found.retired


def period(rule: dict[str, Any], today: date) -> tuple[date, date, int]:
    """(first month, last month, how many) that a rule looks at: calendar months, the one under way is the last."""
    this = first_of_month(today)
    months = today.month if rule["period"] == "year" else rule["months"]
    return add_months(this, 1 - months), this, months
