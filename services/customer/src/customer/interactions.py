"""Interactions: what happened between the company and a customer."""

from __future__ import annotations

from datetime import UTC, datetime

from crm.customer.v1 import interactions_pb2 as pb
from crm_kit.rpc import Call
from crm_records.record import Record, Row
from customer.customers import CUSTOMERS, contacted
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

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        if row["start_time"] <= datetime.now(UTC):
            contacted(call, row["customer_id"], row["start_time"])


INTERACTIONS = Interactions()
