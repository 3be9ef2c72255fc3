"""What there is to alert of: the reasons of a handful of customers on one day, each with the rule that it holds by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import literal, select, union_all
from sqlalchemy.dialects.postgresql import distinct_on

from crm_kit import organisation
from crm_kit.db import one_of
from crm_kit.jobs import ZONE
from crm_kit.rpc import Call
from customer.alerts import rules
from customer.alerts.rules import RuleSet
from customer.care import days
from customer.clock import add_months
from customer.tables import contact, customer, demand, interaction
from customer.trade import business
from customer.trade.business import Business
from customer.visits.tables import visit

_CUSTOMER = [
    customer.c[n]
    for n in (
        *("id", "name", "kind", "level", "owner_id", "department_id", "birthday", "birthday_lunar", "founding_date"),
        *("last_contact_time", "create_time", "credit_limit", "outstanding_amount"),
    )
]
LATE = 30
"""Days behind the day of a next step after which nobody is reminded of it any more."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why there is an alert."""

    kind: str
    customer: Mapping[str, Any]
    rule: Mapping[str, Any]
    record_type: str
    record_id: str
    title: str
    date: date | None
    days: int | None
    amount: Decimal | None = None

    @property
    def key(self) -> str:
        """There is one alert of a key at a time. That of another day is another one."""
        return f"{self.kind}:{self.record_id}"


@dataclass(slots=True)
class Page:
    """Customers, and what is known of them."""

    call: Call
    rules: RuleSet
    customers: dict[str, Mapping[str, Any]]
    departments: Mapping[str, str | None]
    """Person → department."""
    day: date

    def rule(self, kind: str, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What decides for a customer; for one that nobody looks after only the credit is watched."""
        owner = row["owner_id"]
        if owner is None and kind != rules.CREDIT:
            return None
        department = self.departments.get(owner) if owner else row["department_id"]
        return self.rules.decide(kind, department, row["level"])


def page(call: Call, found: RuleSet, after: str | None, limit: int, day: date) -> Page:
    """The next customers by their ids."""
    c = customer.c
    query = select(*_CUSTOMER).where(c.delete_time.is_(None)).order_by(c.id).limit(limit)
    if after:
        query = query.where(c.id > after)
    rows = {row["id"]: row for row in call.connection.execute(query).mappings()}
    user = organisation.user.c
    owners = {row["owner_id"] for row in rows.values() if row["owner_id"]}
    departments = call.connection.execute(select(user.id, user.department_id).where(one_of(user.id, owners)))
    return Page(call, found, dict(rows), {row.id: row.department_id for row in departments}, day)


def of(one: Page) -> Iterator[Reason]:
    """Every reason there is."""
    yield from _birthdays_of_contacts(one)
    yield from _demands(one)
    yield from _next_steps(one)
    asked = one.rules.furthest(rules.NO_BUSINESS, "months")
    traded = business.of(one.call.connection, list(one.customers)) if asked else {}
    for row in one.customers.values():
        if row["kind"] == "individual" and row["birthday"]:
            yield from _yearly(one, rules.BIRTHDAY, row, row["birthday"], row["birthday_lunar"])
        if row["founding_date"]:
            yield from _yearly(one, rules.COMPANY, row, row["founding_date"], False)
        yield from _overdue(one, row)
        yield from _idle(one, row, traded.get(row["id"]))
        yield from _credit(one, row)


def _yearly(
    one: Page, kind: str, row: Mapping[str, Any], first: date, lunar: bool, person: Mapping[str, Any] | None = None
) -> Iterator[Reason]:
    rule = one.rule(kind, row)
    if rule is None:
        return
    whose, record_type = (person, "contact") if person is not None else (row, "customer")
    until = one.day + timedelta(days=rule["days"])
    comes = next(days.anniversaries(first, one.day, until, lunar=lunar), None)
    if comes is not None:
        yield Reason(kind, row, rule, record_type, whose["id"], whose["name"], comes, (comes - one.day).days)


def _birthdays_of_contacts(one: Page) -> Iterator[Reason]:
    if one.rules.furthest(rules.BIRTHDAY, "days") is None:
        return
    c = contact.c
    query = select(c.id, c.name, c.customer_id, c.birthday, c.birthday_lunar).where(
        one_of(c.customer_id, list(one.customers)), c.birthday.is_not(None), ~c.invalid, c.delete_time.is_(None)
    )
    for person in map(dict, one.call.connection.execute(query.order_by(c.id)).mappings()):
        row = one.customers[person["customer_id"]]
        yield from _yearly(one, rules.BIRTHDAY, row, person["birthday"], person["birthday_lunar"], person)


def _demands(one: Page) -> Iterator[Reason]:
    furthest = one.rules.furthest(rules.DEMAND, "days")
    if furthest is None:
        return
    c = demand.c
    query = select(c.id, c.customer_id, c.valid_until).where(
        one_of(c.customer_id, list(one.customers)),
        c.valid_until.between(one.day, one.day + timedelta(days=furthest)),
        c.delete_time.is_(None),
    )
    for row in one.call.connection.execute(query.order_by(c.id)).mappings():
        whose = one.customers[row["customer_id"]]
        rule = one.rule(rules.DEMAND, whose)
        ahead = (row["valid_until"] - one.day).days
        if rule is not None and ahead <= rule["days"]:
            yield Reason(rules.DEMAND, whose, rule, "demand", row["id"], whose["name"], row["valid_until"], ahead)


def _next_steps(one: Page) -> Iterator[Reason]:
    """The step that was agreed last with a customer is due, or was lately, and nobody was in contact since that day."""
    furthest = one.rules.furthest(rules.NEXT_STEP, "days")
    if furthest is None:
        return
    for step in _agreed(one):
        whose, due = one.customers[step.customer_id], step.due
        rule, last = one.rule(rules.NEXT_STEP, whose), whose["last_contact_time"]
        ahead = (due - one.day).days
        over = last is not None and last.astimezone(ZONE).date() >= due
        if rule is not None and not over and -LATE <= ahead <= rule["days"]:
            left = max(ahead, 0)
            yield Reason(rules.NEXT_STEP, whose, rule, step.record_type, step.id, whose["name"], due, left)


def _agreed(one: Page) -> Iterable[Any]:
    """The newest interaction or visit of each customer that names a day for the next step."""
    talks = []
    for record_type, table, time in (
        ("interaction", interaction, interaction.c.start_time),
        ("visit", visit, visit.c.check_in_time),
    ):
        c = table.c
        named = (one_of(c.customer_id, list(one.customers)), c.next_step_due_date.is_not(None), c.delete_time.is_(None))
        what = literal(record_type).label("record_type")
        due = c.next_step_due_date.label("due")
        talks.append(select(c.customer_id, c.id, what, time.label("time"), due).where(*named))
    found = union_all(*talks).subquery().c
    newest = select(*found).ext(distinct_on(found.customer_id))
    return one.call.connection.execute(newest.order_by(found.customer_id, found.time.desc(), found.id.desc())).all()


def _overdue(one: Page, row: Mapping[str, Any]) -> Iterator[Reason]:
    """Nobody was in contact for longer than the rule allows; a new customer counts from its entry."""
    rule = one.rule(rules.OVERDUE, row)
    since = (row["last_contact_time"] or row["create_time"]).astimezone(ZONE).date()
    gone = (one.day - since).days
    if rule is not None and gone > rule["days"]:
        yield _since(rules.OVERDUE, row, rule, since, gone)


def _idle(one: Page, row: Mapping[str, Any], traded: Business | None) -> Iterator[Reason]:
    """There was business, but none for so many months. Who never bought is a prospect and no alert."""
    rule = one.rule(rules.NO_BUSINESS, row)
    if rule is not None and traded is not None and add_months(traded.last, rule["months"]) <= one.day:
        yield _since(rules.NO_BUSINESS, row, rule, traded.last, (one.day - traded.last).days)


def _credit(one: Page, row: Mapping[str, Any]) -> Iterator[Reason]:
    rule = one.rule(rules.CREDIT, row)
    limit, outstanding = row["credit_limit"], row["outstanding_amount"]
    if rule is None or limit is None or outstanding is None or outstanding <= limit:
        return
    over = outstanding - limit
    yield Reason(rules.CREDIT, row, rule, "customer", row["id"], row["name"], None, None, over)


def _since(kind: str, row: Mapping[str, Any], rule: Mapping[str, Any], since: date, gone: int) -> Reason:
    return Reason(kind, row, rule, "customer", row["id"], row["name"], since, gone)
