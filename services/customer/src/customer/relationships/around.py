"""What lies around a customer: ties and parent organisations, followed as far as the caller's reach goes.

From a customer out of reach nothing is followed. Who has the brief view knows that it is there and is called so; who
has not does not even know that there is a tie.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import or_, select

from crm_kit.db import one_of
from crm_kit.rpc import Call
from crm_records import reaching
from customer.contacts import CONTACTS
from customer.customers import CUSTOMERS
from customer.relationships.record import RELATIONSHIPS, holds_on
from customer.relationships.tables import relationship
from customer.rpc.customers import BRIEFS
from customer.tables import contact, customer

MOST_TIES = 2000
"""Ties that are looked at in one step outwards."""
r, c = relationship.c, customer.c


@dataclass(slots=True)
class Around:
    """Customers by id with their distance, whether in full or in brief; ties; (child, parent) pairs; contacts."""

    distance: dict[str, int]
    full: set[str]
    ties: dict[str, Any] = field(default_factory=dict)
    parents: dict[tuple[str, str], None] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    contacts: dict[str, Any] = field(default_factory=dict)
    capped: bool = False


def look(call: Call, center: str, depth: int, day: date, most: int) -> Around:
    """The surroundings of a customer that the caller reaches, as they are on a day."""
    found = Around({center: 0}, {center})
    frontier = {center}
    for step in range(1, depth + 1):
        met = _ties(call, found, frontier, day, most) | _parents(call, found, frontier, most)
        new = sorted(met - found.distance.keys())
        full, brief = _seen(call, new)
        found.full |= full
        found.distance.update(dict.fromkeys([i for i in new if i in full or i in brief], step))
        frontier = full
    _forget_unseen(found)
    query = select(c.id, c.name).where(one_of(c.id, found.distance))
    found.names = {row.id: row.name for row in call.connection.execute(query)}
    _contacts(call, found, center, most)
    return found


def _ties(call: Call, found: Around, frontier: set[str], day: date, most: int) -> set[str]:
    touching = or_(one_of(r.from_customer_id, frontier), one_of(r.to_customer_id, frontier))
    query = select(relationship).where(holds_on(day, day), touching).order_by(r.id).limit(MOST_TIES + 1)
    rows = call.connection.execute(query).all()
    found.capped |= len(rows) > MOST_TIES
    found.ties.update({row.id: row for row in rows[:MOST_TIES]})
    return {i for row in rows[:MOST_TIES] for i in (row.from_customer_id, row.to_customer_id)}


def _parents(call: Call, found: Around, frontier: set[str], most: int) -> set[str]:
    """Parent organisations: a relation that a customer has without any tie."""
    touching = or_(one_of(c.id, frontier), one_of(c.parent_id, frontier))
    query = select(c.id, c.parent_id).where(touching, c.parent_id.is_not(None), c.delete_time.is_(None))
    rows = call.connection.execute(query.order_by(c.id).limit(most + 1)).all()
    found.capped |= len(rows) > most
    pairs = [(row.id, row.parent_id) for row in rows[:most]]
    found.parents.update(dict.fromkeys(pairs))
    return {i for pair in pairs for i in pair}


def _seen(call: Call, ids: list[str]) -> tuple[set[str], set[str]]:
    """Those of the customers that the caller reaches, and those of the rest that they know in brief."""
    if not ids:
        return set(), set()
    full = reaching.those(call, CUSTOMERS, ids, RELATIONSHIPS.reach(call))
    right = f"{BRIEFS.type}.read"
    if not call.access.may(right):
        return full, set()
    rest = [i for i in ids if i not in full]
    return full, reaching.those(call, BRIEFS, rest, BRIEFS.reach_of(call.access, right))


def _forget_unseen(found: Around) -> None:
    """Ties with an end that is not even known in brief are not there."""
    known = found.distance
    found.ties = {i: t for i, t in found.ties.items() if t.from_customer_id in known and t.to_customer_id in known}
    found.parents = {pair: None for pair in found.parents if pair[0] in known and pair[1] in known}


def _contacts(call: Call, found: Around, center: str, most: int) -> None:
    """The customer's own people, and those of others who are tied; of customers whose contacts the caller reaches."""
    right = f"{CONTACTS.type}.read"
    if not call.access.may(right):
        return
    open_ones = reaching.those(call, CUSTOMERS, sorted(found.full), CONTACTS.reach_of(call.access, right))
    tied = {i for t in found.ties.values() for i in (t.from_contact_id, t.to_contact_id) if i}
    k = contact.c
    wanted = or_(one_of(k.id, tied), (k.customer_id == center) & ~k.invalid)
    query = select(
        *(k[n] for n in ("id", "customer_id", "name", "position", "department", "decision_role", "primary"))
    ).where(wanted, one_of(k.customer_id, open_ones), k.delete_time.is_(None))
    rows = call.connection.execute(query.order_by(k.primary.desc(), k.id).limit(most + 1)).all()
    found.capped |= len(rows) > most
    found.contacts = {row.id: row for row in rows[:most]}
