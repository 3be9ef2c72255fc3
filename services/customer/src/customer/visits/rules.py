"""The visit rule: how far from the customer is off site, and when a visit counts as missed."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from crm.customer.v1 import visit_rules_pb2 as pb
from crm_kit.kept import Kept
from crm_kit.rpc import Call
from crm_records.record import Record, Row
from customer.visits.tables import visit_rule


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds now; the values are those that an installation starts with."""

    off_site_metres: int = 500
    missed_after_hours: int = 12


def _load(connection: Connection) -> Limits:
    rule = visit_rule.c
    query = select(rule.off_site_metres, rule.missed_after_hours).where(rule.delete_time.is_(None)).limit(1)
    found = connection.execute(query).one_or_none()
    return Limits(*found) if found else Limits()


LIMITS = Kept(_load)


class VisitRules(Record):
    """See the contract for the fields."""

    message = pb.VisitRule
    table = visit_rule
    plural = "visit_rules"

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        call.after_commit.append(LIMITS.forget)


VISIT_RULES = VisitRules()
