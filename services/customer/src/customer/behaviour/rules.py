"""Rules that put tags: data that administrators write. What they put is in `tags`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from crm.customer.v1 import behaviour_tags_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records.record import Record, Row
from customer.behaviour import partitions
from customer.behaviour.tables import rule

errors.texts(
    {
        "property_alone": ("属性名与属性值须同时给出", "A property needs both its name and its value"),
        "longer_than_kept": (
            "行为只保留 {limit} 天左右，天数不能更多",
            "Behaviour is kept for about {limit} days; it cannot be asked for more",
        ),
    }
)


class BehaviourTagRules(Record):
    """See the contract for the fields."""

    message = pb.BehaviourTagRule
    table = rule
    plural = "behaviour_tag_rules"

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if bool(row["property"]) != bool(row["property_value"]):
            missing = "propertyValue" if row["property"] else "property"
            raise errors.Invalid(Problem(missing, "property_alone"))
        kept = partitions.keep_months(call.connection) * 30
        if row["within_days"] > kept:
            raise errors.Invalid(Problem("withinDays", "longer_than_kept", {"limit": kept}))


BEHAVIOUR_TAG_RULES = BehaviourTagRules()


def in_force(call: Call) -> list[dict[str, Any]]:
    """The rules that put tags now."""
    query = select(rule).where(rule.c.delete_time.is_(None), ~rule.c.paused).order_by(rule.c.id)
    return [dict(row) for row in call.connection.execute(query).mappings()]
