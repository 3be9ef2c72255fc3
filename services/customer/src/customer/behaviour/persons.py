"""Behaviour of one natural person, a customer or a contact: what an export tells and an erasure deletes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from crm_kit.rpc import Call
from crm_records.record import Row

MOST = 2000
"""Events that an export tells one by one, the newest ones; of the rest it tells how many there are."""
_TABLES = ("behaviour_tag", "behaviour_customer")
_VISITORS = (
    "e.customer_id IS NULL AND e.source = i.source AND e.visitor = i.visitor AND e.time >= i.from_time"
    " AND e.time < i.until_time"
)
_THEIRS = "(SELECT CAST(:customer_id AS uuid) UNION ALL SELECT from_id FROM merge_redirect WHERE to_id = :customer_id)"
"""The customer of a contact, and those that went into it: events are not rewritten by a merge."""
_OWN = {"customer": "e.customer_id = :id", "contact": f"e.customer_id IN {_THEIRS} AND e.contact_id = :id"}
_IDENTITY = {"customer": "i.customer_id = :id", "contact": "i.customer_id = :customer_id AND i.contact_id = :id"}


def exported(call: Call, record_type: str, row: Row) -> Iterator[tuple[str, dict[str, Any]]]:
    """(kind, what) of everything known of the person."""
    bound = _bound(record_type, row)
    own, mine = _OWN[record_type], _IDENTITY[record_type]
    both = (
        f"SELECT e.* FROM behaviour_event e WHERE {own} UNION ALL"  # noqa: S608 - our own words
        f" SELECT e.* FROM behaviour_identity i JOIN behaviour_event e ON {_VISITORS} WHERE {mine}"
    )
    total = call.connection.scalar(text(f"SELECT count(*) FROM ({both}) f"), bound)  # noqa: S608
    if total:
        yield "behaviour", {"events": total, "listed": min(total, MOST)}
    newest = f"SELECT * FROM ({both}) f ORDER BY time DESC LIMIT {MOST}"  # noqa: S608
    for found in call.connection.execute(text(newest), bound).mappings():
        yield "behaviour_event", _plain(found)
    visitors = f"SELECT source, visitor, create_time FROM behaviour_identity i WHERE {mine}"  # noqa: S608
    for found in call.connection.execute(text(visitors), bound).mappings():
        yield "visitor_identity", _plain(found)


def erase(call: Call, record_type: str, row: Row) -> None:
    """Delete the person's events and who its visitors were, and the tags of a customer."""
    bound = _bound(record_type, row)
    own, mine = _OWN[record_type], _IDENTITY[record_type]
    statements = [
        f"DELETE FROM behaviour_event e WHERE {own}",  # noqa: S608 - our own words
        f"DELETE FROM behaviour_event e USING behaviour_identity i WHERE {mine} AND {_VISITORS}",  # noqa: S608
        f"DELETE FROM behaviour_identity i WHERE {mine}",  # noqa: S608
    ]
    if record_type == "customer":
        statements += [f"DELETE FROM {name} WHERE customer_id = :id" for name in _TABLES]  # noqa: S608
    for statement in statements:
        call.connection.execute(text(statement), bound)


def _bound(record_type: str, row: Row) -> dict[str, Any]:
    return {"id": row["id"], **({"customer_id": row["customer_id"]} if record_type == "contact" else {})}


def _plain(row: Any) -> dict[str, Any]:
    return {
        name: value if isinstance(value, (dict, list)) else str(value)
        for name, value in row.items()
        if value is not None
    }
