"""Demand records: what a customer wants, flagged while it is valid, kept as history after."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from crm.customer.v1 import demands_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records.record import Record, Row
from customer import valid_demands
from customer.customers import CUSTOMERS
from customer.tables import demand

errors.texts({"ends_before_start": ("有效期止不能早于有效期起", "The validity ends before it begins")})


class Demands(Record):
    """See the contract for the fields."""

    message = pb.Demand
    table = demand
    plural = "demands"
    number = "XQ{yyyyMMdd}-{seq:4}"
    parent = ("customer_id", CUSTOMERS)
    made_of = {"current": ("valid_from", "valid_until")}  # noqa: RUF012

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if row["valid_from"] and row["valid_until"] and row["valid_until"] < row["valid_from"]:
            raise errors.Invalid(Problem("validUntil", "ends_before_start"))

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        valid_demands.flag(call, row["customer_id"])

    def decorate(self, call: Call, messages: Sequence[pb.Demand]) -> None:
        today = datetime.now(ZoneInfo(call.access.time_zone)).date()
        for message in messages:
            message.current = is_current(message.valid_from, message.valid_until, today)


DEMANDS = Demands()


def is_current(valid_from: str, valid_until: str, today: date) -> bool:
    """Whether a day lies within a validity; an open end holds for ever."""
    return (not valid_from or valid_from <= today.isoformat()) and (not valid_until or today.isoformat() <= valid_until)
