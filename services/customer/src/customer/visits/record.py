"""Visits: what is planned, by whom, and what must hold of it."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, ColumnElement, any_, func, or_, select

from crm.customer.v1 import visits_pb2 as pb
from crm_kit import errors, organisation
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_kit.scope import Shape, among, condition
from crm_records.record import Record, Row
from crm_records.states import States, Transition
from customer import last_contact
from customer.contacts import contact_of
from customer.customers import CUSTOMERS
from customer.tables import customer
from customer.visits import positions
from customer.visits.tables import visit

errors.texts(
    {
        "plan_ends_before_start": ("计划结束不能早于计划开始", "The plan ends before it begins"),
        "visit_plan_fixed": (
            "拜访已进行、取消或逾期，计划不能再修改",
            "The visit took place, was cancelled or missed: its plan stays",
        ),
        "visit_took_place": ("已签到的拜访不能删除", "A visit that somebody checked in to is not deleted"),
    }
)

PLANNED, CHECKED_IN, CHECKED_OUT, REPORTED, CANCELLED, MISSED = (
    "planned",
    "checked_in",
    "checked_out",
    "reported",
    "cancelled",
    "missed",
)
DONE = (CHECKED_IN, CHECKED_OUT, REPORTED)
_UPDATE = "visit.update"

STATES = States(
    pb.Visit,
    initial=PLANNED,
    transitions=[
        Transition((PLANNED, MISSED), "checkIn", CHECKED_IN, _UPDATE, ("签到", "check in"), "checked_in"),
        Transition((CHECKED_IN,), "checkOut", CHECKED_OUT, _UPDATE, ("签退", "check out"), "checked_out"),
        Transition((CHECKED_OUT,), "report", REPORTED, _UPDATE, ("汇报", "report on it"), "reported", ("result",)),
        Transition(
            (PLANNED, MISSED), "cancel", CANCELLED, _UPDATE, ("取消", "cancel it"), "cancelled", ("cancel_reason",)
        ),
    ],
)
_PLAN = ("subject", "purpose", "place", "plan_start", "plan_end", "route_order", "contact_ids", "owner_id")


class Visits(Record):
    """See the contract for the fields."""

    message = pb.Visit
    table = visit
    plural = "visits"
    number = "BF{yyyyMMdd}-{seq:4}"
    search = ("subject", "number")
    states = STATES
    closed_states = (REPORTED, CANCELLED, MISSED)
    kept_together_by = "customer_id"
    parent = ("customer_id", CUSTOMERS)
    also_named = ("participant_ids",)
    made_of: ClassVar = {
        "customer_name": ("customer_id",),
        "owner_name": ("owner_id",),
        "plan_day": ("plan_start",),
    }
    copies: ClassVar = {"customer_name": [("customer", "name")]}
    list_fields = (
        "number",
        "subject",
        "customer_id",
        "customer_name",
        "owner_id",
        "owner_name",
        "plan_start",
        "plan_end",
        "plan_day",
        "route_order",
        "state",
        "check_in_time",
        "check_in_distance",
        "off_site",
        "next_step_due_date",
        "create_time",
    )

    def within(self, shape: Shape) -> ColumnElement[bool] | None:
        """Through its customer, as a part of it; and whoever goes there, with the managers above."""
        inside = CUSTOMERS.within(shape)
        goes = condition(shape, visit.c.owner_id, visit.c.department_id)
        if inside is None or goes is None:
            return None
        # An array, so that each of the three ways in has its index.
        reached = select(customer.c.id).where(inside).scalar_subquery()
        theirs: ColumnElement[Any] = func.array(reached, type_=ARRAY(customer.c.id.type))
        return or_(visit.c.customer_id == any_(theirs), goes, among(visit.c.participant_ids))

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if row["plan_end"] and row["plan_start"] and row["plan_end"] < row["plan_start"]:
            raise errors.Invalid(Problem("planEnd", "plan_ends_before_start"))
        if before is not None and before["state"] != PLANNED and any(row[n] != before[n] for n in _PLAN):
            raise errors.Conflict("visit_plan_fixed")
        if before is None or row["plan_start"] != before["plan_start"]:
            row["plan_day"] = row["plan_start"].astimezone(ZoneInfo(call.access.time_zone)).date()
        if row["contact_ids"] and (before is None or row["contact_ids"] != before["contact_ids"]):
            contact_of(call, self.fields["contact_ids"], row["contact_ids"], row["customer_id"])

    def written_many(self, call: Call, pairs: Sequence[tuple[Row | None, Row]]) -> None:
        last_contact.told(call, pairs, _contact)

    def may_delete(self, call: Call, row: Row) -> None:
        if row["state"] in DONE:
            raise errors.Conflict("visit_took_place")

    def veiled(self, call: Call) -> frozenset[str]:
        return positions.TELLING if positions.is_hidden(call) else frozenset()

    def kept_back(self, call: Call, record_ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """How far off somebody was is for who sees where the customer is."""
        return positions.kept_back(call, record_ids)

    def decorate_wanted(self, call: Call, messages: Sequence[Any], wanted: Container[str]) -> None:
        if any(name in wanted for name in positions.TELLING):
            kept = self.kept_back(call, [message.id for message in messages])
            for message in messages:
                for name in kept.get(message.id, ()):
                    message.ClearField(name)
        if "customer_name" in wanted:
            ids = {m.customer_id for m in messages}
            query = select(customer.c.id, customer.c.name).where(one_of(customer.c.id, ids))
            names = {row.id: row.name for row in call.connection.execute(query)} if ids else {}
            for message in messages:
                message.customer_name = names.get(message.customer_id, "")
        if "owner_name" in wanted:
            people = organisation.names(call.connection, [m.owner_id for m in messages])
            for message in messages:
                message.owner_name = people.get(message.owner_id, "")


VISITS = Visits()


def _contact(row: Row) -> datetime | None:
    """When the customer was visited; None as long as nobody checked out."""
    return row["check_in_time"] if row["state"] in last_contact.VISITED else None
