"""Churn cases: warned of, put off, confirmed, regained, or closed because the warning holds no more."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, ClassVar

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on

from crm.customer.v1 import churn_cases_pb2 as pb
from crm_kit import errors, organisation
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.reach import Reach
from crm_kit.rpc import Call
from crm_records import acting, reaching, rows, visibility, writing
from crm_records.record import Record, Row
from crm_records.states import States, Transition
from customer import clock
from customer.churn.rules import CHURN_RULES, MANUAL
from customer.churn.tables import churn_case
from customer.churn.warning import Sight
from customer.customers import CUSTOMERS
from customer.standing import marks
from customer.standing.bunch import Bunch
from customer.tables import customer
from customer.trade.entries import PAID_BY, TRADE_ENTRIES

errors.texts({"day_not_ahead": ("{label}必须晚于今天", "{label} must be after today")})

WARNED, POSTPONED, CONFIRMED, REGAINED, CLOSED = "warned", "postponed", "confirmed", "regained", "closed"
WARNINGS = (WARNED, POSTPONED)
OPEN = (*WARNINGS, CONFIRMED)
_UPDATE = "churn_case.update"
_TELLING, _NOTED = frozenset({"warn_note", "basis", "lost_order_date"}), frozenset({"warn_note"})
"""Fields that may tell of orders; those of them that a person wrote who warned."""
MERGED_NOTE = "客户已合并 / The customer was merged into one with an open case"

STATES = States(
    pb.ChurnCase,
    initial=WARNED,
    transitions=(
        Transition(WARNINGS, "postpone", POSTPONED, _UPDATE, ("暂缓流失", "put it off"), "postponed"),
        Transition(
            WARNINGS, "confirm", CONFIRMED, _UPDATE, ("确定流失", "confirm the loss"), "confirmed", required=("reason",)
        ),
        Transition((CONFIRMED,), "regain", REGAINED, _UPDATE, ("挽回", "regain the customer"), "regained"),
        Transition(WARNINGS, "close", CLOSED, _UPDATE, ("解除预警", "close it"), "closed"),
    ),
)


class ChurnCases(Record):
    """See the contract for the fields."""

    message = pb.ChurnCase
    table = churn_case
    plural = "churn_cases"
    number = "LS{yyyyMMdd}-{seq:4}"
    parent = ("customer_id", CUSTOMERS)
    states = STATES
    closed_states = (REGAINED, CLOSED)
    computes = frozenset({"closed", "regained", "lapsed"})
    copies: ClassVar = {"warn_note": [("trade_entry", name) for name in PAID_BY]}
    list_fields: ClassVar[Sequence[str]] = (
        *("number", "customer_id", "state", "cause", "warn_date", "warn_note", "postpone_date"),
        *("reason", "confirm_date", "lost_owner_id", "lost_department_id", "close_date"),
    )

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if before is None:
            row["cause"] = row["cause"] or MANUAL
            row["warn_date"] = row["warn_date"] or clock.today(call)

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        if call.caller.user_id:  # the computation itself goes on with what it has done
            marks.mark(call.connection, [row["customer_id"]])

    def decorate_wanted(self, call: Call, messages: Sequence[Any], wanted: Container[str]) -> None:
        if any(name in wanted for name in _TELLING):
            kept = self.kept_back(call, [message.id for message in messages])
            for message in messages:
                for name in kept.get(message.id, ()):
                    message.ClearField(name)

    def kept_back(self, call: Call, record_ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """What tells of orders is for whoever sees those of the customer; what a person noted is the case's own."""
        orders = _orders_seen(call)
        if not record_ids or (orders is not None and orders.all):
            return {}
        seen = reaching.those(call, self, record_ids, orders) if orders is not None else set()
        by_hand = select(churn_case.c.id).where(one_of(churn_case.c.id, record_ids), churn_case.c.cause == MANUAL)
        own = set(call.connection.scalars(by_hand))
        return {i: _TELLING - _NOTED if i in own else _TELLING for i in record_ids if i not in seen}

    def veiled(self, call: Call) -> frozenset[str]:
        orders = _orders_seen(call)
        return frozenset() if orders is not None and orders.holds(self.reach(call)) else _TELLING

    def relinks(self, call: Call, before: Row, after: Row) -> None:
        """A customer has one open case: of two, that of the customer that stays goes on."""
        c = churn_case.c
        other = select(c.id).where(c.customer_id == after["customer_id"], c.state.in_(OPEN), c.delete_time.is_(None))
        if after["state"] in OPEN and call.connection.scalar(other.limit(1)):
            after.update(state=CLOSED, close_date=clock.today(call), close_note=MERGED_NOTE, postpone_date=None)


def _orders_seen(call: Call) -> Reach | None:
    """Whose orders the caller sees in full; None for nobody's."""
    if not call.access.may("trade_entry.read") or not visibility.blind(call, TRADE_ENTRIES).isdisjoint(PAID_BY):
        return None
    return TRADE_ENTRIES.reach_of(call.access, "trade_entry.read")


CHURN_CASES = ChurnCases()


@dataclass(frozen=True, slots=True)
class Last:
    """The case that counts of a customer."""

    id: str
    state: str
    cause: str
    basis: str | None
    warn_date: date
    postpone_date: date | None
    confirm_date: date | None
    lost_order_date: date | None
    close_date: date | None


def latest(call: Call, customer_ids: Sequence[str]) -> dict[str, Last]:
    """The open case of each customer, else the one that ended last."""
    c: Any = churn_case.c
    query = select(c.customer_id, *(c[n] for n in Last.__slots__)).ext(distinct_on(c.customer_id))
    query = query.where(one_of(c.customer_id, list(customer_ids)), c.delete_time.is_(None))
    order = (c.state.in_(OPEN).desc(), c.close_date.desc(), c.id.desc())
    found = call.connection.execute(query.order_by(c.customer_id, *order))
    return {customer_id: Last(*values) for customer_id, *values in found}


def postpone(call: Call, request: pb.PostponeChurnCaseRequest) -> Any:
    """Put the loss off; what was meant to be done the times before stays."""
    given = writing.given(request)
    if given["until_date"] <= clock.today(call):
        raise errors.Invalid(Problem("untilDate", "day_not_ahead", {"label": ("暂缓至", "Until")}))

    def put_off(before: Row) -> Row:
        measure = {
            "measures": given["measures"],
            "untilDate": given["until_date"].isoformat(),
            "userId": call.caller.user_id,
            "time": rows.plain(datetime.now(UTC)),
        }
        return {"measures": [*before["measures"], measure], "postpone_date": given["until_date"]}

    return writing.act(call, CHURN_CASES, request.id, request.etag, "postpone", put_off)


def confirm(call: Call, request: pb.ConfirmChurnCaseRequest) -> Any:
    """The customer is lost: why, and whose it was."""
    given = writing.given(request)

    def lose(before: Row) -> Row:
        whose = _whose(call, before["customer_id"])
        said = {"reason": given["reason"], "confirm_note": given["note"], "confirm_date": clock.today(call)}
        return {**said, **whose, "postpone_date": None}

    return writing.act(call, CHURN_CASES, request.id, request.etag, "confirm", lose)


def end(call: Call, request: Any, action: str) -> Any:
    """Regain the customer, or close a warning; the note says why. Of what the rules see by then nobody is warned
    again: whoever ends it knows the customer better."""
    said = {"close_date": clock.today(call), "close_note": writing.given(request)["note"], "postpone_date": None}

    def ended(before: Row) -> Row:
        known = (before["basis"] or "").split("\n") + _held(call, before["customer_id"])
        return {**said, "basis": "\n".join(dict.fromkeys(filter(None, known))) or None}

    return writing.act(call, CHURN_CASES, request.id, request.etag, action, ended)


def _held(call: Call, customer_id: str) -> list[str]:
    """The keys of what the rules see in a customer now."""
    suite = acting.as_suite(call)
    bunch = Bunch.one(suite, customer_id)
    sight = Sight(bunch, CHURN_RULES.active(suite), clock.today(suite))
    return [hit.basis for one in bunch.customers for hit in sight.hits(one)]


def _whose(call: Call, customer_id: str) -> Row:
    """Owner and department of a customer now, and its last order."""
    user = organisation.user
    query = (
        select(customer.c.owner_id, customer.c.department_id, user.c.department_id, customer.c.last_order_date)
        .outerjoin(user, user.c.id == customer.c.owner_id)
        .where(customer.c.id == customer_id)
    )
    owner_id, department_id, owners, last_order = call.connection.execute(query).one()
    return {
        "lost_owner_id": owner_id,
        "lost_department_id": owners or department_id,
        "lost_order_date": last_order,
    }
