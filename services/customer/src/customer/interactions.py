"""Interactions: what happened between the company and a customer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from crm.customer.v1 import interactions_pb2 as pb
from crm_kit.rpc import Call
from crm_records.record import Record, Row
from customer import last_contact
from customer.customers import CUSTOMERS
from customer.tables import interaction


class Interactions(Record):
    """See the contract for the fields."""

    message = pb.Interaction
    table = interaction
    plural = "interactions"
    number = "JW{yyyyMMdd}-{seq:4}"
    parent = ("customer_id", CUSTOMERS)

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        row["start_time"] = row["start_time"] or datetime.now(UTC)

    def written_many(self, call: Call, pairs: Sequence[tuple[Row | None, Row]]) -> None:
        last_contact.told(call, pairs, lambda row: row["start_time"])


INTERACTIONS = Interactions()
