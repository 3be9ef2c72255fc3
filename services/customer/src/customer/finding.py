"""What a customer is found by besides its own fields: the lines and the personal numbers of its contacts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Text, any_, bindparam, func, select

from crm_kit.rpc import Call
from crm_records import search, sql
from customer.tables import contact, customer

PERSONAL = ("phone", "office_phone", "mobile", "home_phone", "fax", "email", "wechat", "identity_number")
"""Fields of a contact that are kept encrypted and that a search finds by their whole value."""
MOST = 1000
"""Contacts that share a number, beyond which their customers are not told apart."""

_CONTACT_TEXTS = sql.prepare(
    select(contact.c.search_text).where(
        contact.c.customer_id == bindparam("customer_id", type_=contact.c.customer_id.type),
        contact.c.delete_time.is_(None),
    )
)


def lines_of_contacts(call: Call, customer_id: str) -> Iterator[str]:
    """The lines that the contacts of a customer are found by."""
    found = _CONTACT_TEXTS.run(call.connection, {"customer_id": customer_id}).fetchall()
    return (line for (text,) in found for line in text.split("\n"))


def by_contacts() -> ColumnElement[bool]:
    """By what is personal of a contact, whole. An array, so that each way in has its index."""
    theirs = select(contact.c.customer_id).where(search.exactly(contact), contact.c.delete_time.is_(None))
    ids: ColumnElement[Any] = func.array(theirs.limit(MOST).scalar_subquery(), type_=ARRAY(contact.c.customer_id.type))
    return customer.c.id == any_(ids)


def own_line() -> ColumnElement[bool]:
    """A line of what a customer is found by holds the words, and none of its contacts gave that line."""
    split = partial(func.string_to_array, type_=ARRAY(Text))
    line = func.unnest(split(customer.c.search_text, "\n"), type_=Text).column_valued("line")
    theirs = select(func.unnest(split(contact.c.search_text, "\n"), type_=Text)).where(
        contact.c.customer_id == customer.c.id, contact.c.delete_time.is_(None)
    )
    own = select(line).where(search.like(line), line.not_in(theirs.correlate(customer)))
    return own.correlate(customer).exists()
