"""Whom a plan reaches, a page at a time: as its owner sees them, narrowed by its filters and its occasion."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import ARRAY, ColumnElement, any_, bindparam, literal_column, select, text

from crm.records.v1 import records_pb2 as records_pb
from crm_kit import errors, organisation
from crm_kit.caller import Caller
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import conditions, listing, visibility
from crm_records.record import Record, Row
from customer.care import days, people, plans
from customer.contacts import CONTACTS
from customer.customers import CUSTOMERS
from customer.tables import customer
from customer.trade import business

PAGE = 200
_TREE = text(
    "WITH RECURSIVE tree AS (SELECT unnest(CAST(:roots AS uuid[])) AS id UNION"
    " SELECT d.id FROM org_department d JOIN tree t ON d.parent_id = t.id WHERE NOT d.deleted) SELECT id FROM tree"
)
_THESE = customer.c.id == any_(bindparam("care_customer_ids", type_=ARRAY(customer.c.id.type)))

errors.texts(
    {
        "plan_without_owner": ("方案没有在职的负责人", "Nobody who works here owns the plan"),
        "plan_sees_not": (
            "方案负责人看不到所需字段：{label}",
            "The plan's owner does not see the field it needs: {label}",
        ),
    }
)


def in_the_name_of(call: Call, owner_id: str | None, right: str) -> Call:
    """A call of the plan's owner, as they stand now. Where and when their roles may be used is not asked: the plan is
    standing work that was set up once."""
    user = organisation.user.c
    query = select(user.id).where(user.id == owner_id, user.active, ~user.deleted)
    access = call.access.another(owner_id) if owner_id and call.connection.scalar(query) else None
    if access is None:
        raise errors.Conflict("plan_without_owner")
    if not access.may(right):
        raise errors.Denied("right_missing", right=right)
    return Call(call.connection, Caller(access, "", right), call.metadata, call.service)


def page(call: Call, plan: Row, start: date, end: date, token: str) -> tuple[list[people.Recipient], str]:
    """The next ones that may have the occasion within these days, and where the page behind them begins."""
    of_contacts = plan["audience"] != plans.CUSTOMERS_
    record: Record = CONTACTS if of_contacts else CUSTOMERS
    owner = in_the_name_of(call, plan["owner_id"], f"{record.type}.read")
    _refuse_unseen(owner, record, plan)
    asked = records_pb.ListRequest(
        filter=plan["contact_filter" if of_contacts else "customer_filter"] or "",
        page_size=PAGE,
        page_token=token,
        fields="id",
    )
    also: ColumnElement[bool] = literal_column(_condition(plan, record, start, end))
    found = listing.page(owner, record, asked, also=also)
    recipients = list(people.load(call, record.type, [m.id for m in found.messages]).values())
    if of_contacts and plan["customer_filter"]:
        recipients = _of_customers(call, plan, recipients)
    return [r for r in recipients if _whose(call, plan, r)], found.next_page_token


def _refuse_unseen(owner: Call, record: Record, plan: Row) -> None:
    """A plan tells nobody what its owner may not know."""
    needed = [(record, "name")]
    if plan["occasion"] == plans.BIRTHDAY:
        needed.append((record, "birthday"))
    if plan["occasion"] == plans.COMPANY:
        needed.append((CUSTOMERS, "founding_date"))
    if plan["occasion"] == plans.FIRST_DEAL:
        needed.append((CUSTOMERS, "first_order_date"))
    for of, name in needed:
        if name in visibility.blind(owner, of):
            raise errors.Denied("plan_sees_not", label=of.fields[name].label)


def _of_customers(call: Call, plan: Row, recipients: Sequence[people.Recipient]) -> list[people.Recipient]:
    """Those whose customers the plan's filter leaves."""
    owner = in_the_name_of(call, plan["owner_id"], "customer.read")
    ids = sorted({r.customer_id for r in recipients})
    if not ids:
        return []
    asked = records_pb.ListRequest(filter=plan["customer_filter"], page_size=PAGE, fields="id")
    these = conditions.Narrowing(_THESE, ("care recipients",), {"care_customer_ids": ids}, ())
    left = {m.id for m in listing.page(owner, CUSTOMERS, asked, also=these).messages}
    return [r for r in recipients if r.customer_id in left]


def _whose(call: Call, plan: Row, recipient: people.Recipient) -> bool:
    """Whether the customer is one of the people that the plan is for."""
    if plan["own_only"] and recipient.owner_id != plan["owner_id"]:
        return False
    if not plan["department_ids"]:
        return True
    departments, owners = _departments(call, plan)
    return recipient.owner_id in owners if recipient.owner_id else recipient.department_id in departments


def _departments(call: Call, plan: Row) -> tuple[set[str], set[str]]:
    """(departments of the plan and those below, people of them); asked once in a step."""
    key = ("care plan departments", plan["id"])
    if key not in call.memo:
        departments = set(call.connection.scalars(_TREE, {"roots": plan["department_ids"]}))
        user = organisation.user.c
        owners = set(call.connection.scalars(select(user.id).where(one_of(user.department_id, departments))))
        call.memo[key] = (departments, owners)
    found: tuple[set[str], set[str]] = call.memo[key]
    return found


def _condition(plan: Row, record: Record, start: date, end: date) -> str:
    """SQL of our own words: who may have the occasion within these days. A list takes it as a constant.

    Segments, once there are any, narrow the audience here.
    """
    table = record.table.name
    parts = []
    if record is CONTACTS:
        parts.append("NOT contact.invalid")
    if plan["audience"] == plans.PRIMARY:
        parts.append('contact."primary"')
    customers = []
    match plan["occasion"]:
        case plans.BIRTHDAY:
            parts.append(_birthday(table, start, end))
        case plans.COMPANY:
            customers.append(_solar("customer.founding_date", start, end))
        case plans.FIRST_DEAL:
            customers.append(business.ANY)
        case plans.OCCASION:
            kind = str(plan["occasion_kind"]).replace("'", "''")
            parts.append(
                f"{table}.id IN (SELECT o.record_id FROM occasion o"  # noqa: S608 - a code of ours, quoted
                f" WHERE o.kind = '{kind}' AND o.delete_time IS NULL)"
            )
    if record is CUSTOMERS and plan["occasion"] in (plans.DAY, plans.DATE, plans.BIRTHDAY):
        customers.append("customer.kind = 'individual'")
    if record is CUSTOMERS:
        parts += customers
    elif customers:
        inside = " AND ".join(customers)
        parts.append(f"contact.customer_id IN (SELECT customer.id FROM customer WHERE {inside})")  # noqa: S608
    return "(" + (" AND ".join(parts) or "true") + ")"


def _birthday(table: str, start: date, end: date) -> str:
    solar = f"(NOT {table}.birthday_lunar AND {_solar(f'{table}.birthday', start, end)})"
    lunar = ", ".join(f"'{key}'" for key in days.lunar_keys(start, end))
    return f"({solar} OR {table}.lunar_birthday IN ({lunar}))" if lunar else solar


def _solar(column: str, start: date, end: date) -> str:
    """Month and day of a column lie within these days; as the indexes of birthdays have it."""
    keys = ", ".join(str(key) for key in days.solar_keys(start, end))
    month_and_day = f"CAST(EXTRACT(month FROM {column}) * 100 + EXTRACT(day FROM {column}) AS INTEGER)"
    return f"({column} IS NOT NULL AND {month_and_day} IN ({keys}))"
