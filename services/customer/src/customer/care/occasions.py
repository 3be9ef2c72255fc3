"""Occasions that people enter of a contact or a customer, and when they come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from crm.customer.v1 import occasions_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records.record import Record, Row
from customer.care import days
from customer.care.festivals import check_lunar
from customer.care.tables import occasion
from customer.contacts import contact_of
from customer.customers import CUSTOMERS


class Occasions(Record):
    """See the contract for the fields."""

    message = pb.Occasion
    table = occasion
    plural = "occasions"
    parent = ("customer_id", CUSTOMERS)
    part_of_parent = True
    about = ("record_type", "record_id")

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if row["date"] is None:
            raise errors.Invalid(Problem("date", "required", {"label": self.fields["date"].label}))
        if before is None:
            if row["contact_id"]:
                contact_of(call, self.fields["contact_id"], [row["contact_id"]], row["customer_id"])
            row["record_type"] = "contact" if row["contact_id"] else "customer"
            row["record_id"] = row["contact_id"] or row["customer_id"]
        if row["lunar"]:
            check_lunar("date", row["date"])


OCCASIONS = Occasions()


def times(row: Mapping[str, Any], start: date, end: date) -> Iterator[date]:
    """When an occasion comes within these days: on its day, and every year after if it is a yearly one."""
    if row["date"] is None:
        return
    if start <= row["date"] <= end:
        yield row["date"]
    if row["yearly"]:
        yield from days.anniversaries(row["date"], start, end, lunar=row["lunar"])
