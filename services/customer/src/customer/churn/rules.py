"""Rules of churn warnings, as administrators define them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar

from crm.customer.v1 import churn_rules_pb2 as pb
from crm_records.record import Row
from customer.churn.tables import churn_rule
from customer.standing.rules import Rules, states_of

NO_ORDER, NO_CONTACT, FALLING, COMPLAINT, MANUAL = "no_order", "no_contact", "falling", "complaint", "manual"


class ChurnRules(Rules):
    """See the contract for the fields."""

    message = pb.ChurnRule
    table = churn_rule
    plural = "churn_rules"
    states = states_of(pb.ChurnRule)
    list_fields: ClassVar[Sequence[str]] = ("name", "state", "kind", "months", "days", "percent")

    def complete(self, row: Row) -> None:
        """What a kind does not ask for is not kept: a rule says nothing that it does not do."""
        kind = row["kind"]
        usual = {NO_ORDER: (6, None, None), NO_CONTACT: (None, 90, None), FALLING: (3, None, Decimal(50))}
        for name, value in zip(("months", "days", "percent"), usual.get(kind, (None, 30, None)), strict=True):
            row[name] = None if value is None else (value if row[name] is None else row[name])


CHURN_RULES = ChurnRules()
