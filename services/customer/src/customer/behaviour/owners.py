"""Whose an event is that names a customer or a contact: looked up once for a batch, within the caller's scope."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import reaching
from customer.behaviour.checking import Batch, Event, problem
from customer.customers import CUSTOMERS
from customer.tables import contact, customer

errors.texts(
    {
        "contact_elsewhere": (
            "联系人不属于该客户",
            "The contact does not belong to this customer",
        )
    }
)


@dataclass(frozen=True, slots=True)
class Owners:
    """What the caller may point at."""

    customers: frozenset[str]
    by_external_id: dict[str, str]
    by_contact: dict[str, str]

    def of(self, customer_id: str | None, external_id: str | None, contact_id: str | None) -> str | tuple[str, str]:
        """The customer, or (field, what is wrong)."""
        found = customer_id
        if customer_id and customer_id not in self.customers:
            return "customer_id", "unknown_reference"
        if external_id:
            other = self.by_external_id.get(external_id)
            if other is None or (found and other != found):
                return "external_id", "unknown_reference"
            found = other
        if contact_id:
            other = self.by_contact.get(contact_id)
            if other is None:
                return "contact_id", "unknown_reference"
            if found and other != found:
                return "contact_id", "contact_elsewhere"
            found = other
        assert found is not None
        return found


def look_up(call: Call, customer_ids: Iterable[str], external_ids: Iterable[str], contact_ids: Iterable[str]) -> Owners:
    """Those of these that are alive and within the reach of the right of the call."""
    customers, externals, contacts = set(customer_ids), set(external_ids), set(contact_ids)
    by_external: dict[str, str] = {}
    by_contact: dict[str, str] = {}
    if externals:
        c = customer.c
        query = select(c.external_id, c.id).where(one_of(c.external_id, externals), c.delete_time.is_(None))
        by_external = {row.external_id: row.id for row in call.connection.execute(query)}
    if contacts:
        query = select(contact.c.id, contact.c.customer_id)
        query = query.where(one_of(contact.c.id, contacts), contact.c.delete_time.is_(None))
        by_contact = {row.id: row.customer_id for row in call.connection.execute(query)}
    every = customers | set(by_external.values()) | set(by_contact.values())
    living = select(customer.c.id).where(one_of(customer.c.id, every), customer.c.delete_time.is_(None))
    known = reached(call, sorted(call.connection.scalars(living))) if every else set()
    return Owners(
        frozenset(known),
        {k: v for k, v in by_external.items() if v in known},
        {k: v for k, v in by_contact.items() if v in known},
    )


def reached(call: Call, customer_ids: Sequence[str]) -> set[str]:
    """Those of the customers that the right of the call reaches."""
    reach = call.access.reach(CUSTOMERS.type, call.caller.right, CUSTOMERS.team_of)
    return reaching.those(call, CUSTOMERS, customer_ids, reach)


def settle(call: Call, batch: Batch) -> None:
    """Every event that names somebody gets its customer; one that names nobody known goes to the problems."""
    naming = [e for e in batch.events.values() if e.customer_id or e.external_id or e.contact_id]
    if not naming:
        return
    owners = look_up(
        call,
        (e.customer_id for e in naming if e.customer_id),
        (e.external_id for e in naming if e.external_id),
        (e.contact_id for e in naming if e.contact_id),
    )
    for e in naming:
        _settle(batch, e, owners.of(e.customer_id, e.external_id, e.contact_id))


def _settle(batch: Batch, event: Event, found: str | tuple[str, str]) -> None:
    if isinstance(found, str):
        event.customer_id = found
    else:
        del batch.events[event.event_id]
        batch.problems.append((event.index, problem(*found)))
