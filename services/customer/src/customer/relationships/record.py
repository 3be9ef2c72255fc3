"""Relationships: ties between contacts and customers.

A tie lies within a reach if both of its ends do, for reading and for writing. Who sees one end only does not see the
tie as a record; on the map they see that end's tie as far as it tells nothing but the other customer's brief.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, func, or_, select

from crm.customer.v1 import relationships_pb2 as pb
from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_kit.scope import Shape
from crm_records import dictionaries, reaching
from crm_records.record import Dependent, Record, Row
from customer.contacts import CONTACTS, contact_of
from customer.customers import CUSTOMERS
from customer.demands import is_current
from customer.relationships.kinds import KINDS
from customer.relationships.tables import relationship
from customer.tables import customer

errors.texts(
    {
        "tied_to_itself": ("关系的两端不能相同", "The two ends are the same"),
        "ends_are_contacts": ("“{kind}”只用于联系人之间", "“{kind}” is between contacts: name both"),
        "ends_are_customers": ("“{kind}”只用于客户之间", "“{kind}” is between customers: name no contact"),
        "command_in_a_circle": (
            "这样会形成上下级循环：对方已直接或间接是其下级",
            "That would be a circle of command: the superior is, directly or not, a subordinate already",
        ),
        "merge_closes_circle": (
            "合并后会形成上下级循环：其中一人直接或间接是另一人的下级，请先修改或删除其间的上下级关系",
            "The merge would make a circle of command, since one is, through others, a subordinate of another:"
            " change or delete the ties of command between them first",
        ),
        "tie_exists": ("这两端之间已有同样的关系", "Such a tie between the two exists already"),
    }
)

_TIES = 0x43524D32
"""Advisory lock of whoever makes or changes a tie that must not close a circle or come twice."""
_PEOPLE = ("from_contact_id", "to_contact_id")
r = relationship.c


class Relationships(Record):
    """See the contract for the fields."""

    message = pb.Relationship
    table = relationship
    plural = "relationships"
    parent = ("from_customer_id", CUSTOMERS)
    made_of = {"current": ("valid_from", "valid_until")}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        CUSTOMERS.dependents.append(Dependent(r.to_customer_id, self.label))
        CONTACTS.dependents.extend(Dependent(end, self.label) for end in (r.from_contact_id, r.to_contact_id))

    def within(self, shape: Shape) -> ColumnElement[bool] | None:
        """Both ends."""
        inside = CUSTOMERS.within(shape)
        if inside is None:
            return None
        reached = select(customer.c.id).where(inside)
        return and_(r.from_customer_id.in_(reached), r.to_customer_id.in_(reached))

    def relinks(self, call: Call, before: Row, after: Row) -> None:
        """What was between two that are one now ties nothing any more; what would close a circle refuses the merge."""
        ends = [(after[f"{end}_customer_id"], after[f"{end}_contact_id"]) for end in ("from", "to")]
        if ends[0] == ends[1]:
            after["delete_time"] = datetime.now(UTC)
        elif after["delete_time"] is None and any(after[n] != before[n] for n in _PEOPLE):
            call.connection.execute(select(func.pg_advisory_xact_lock(_TIES)))
            if _closes_circle(call, after):
                raise errors.Conflict("merge_closes_circle")

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if before is None:
            _check_ends(call, row)
        if row["valid_from"] and row["valid_until"] and row["valid_until"] < row["valid_from"]:
            raise errors.Invalid(Problem("validUntil", "ends_before_start"))
        moved = before is None or before["delete_time"] is not None
        if moved or any(row[n] != before[n] for n in ("valid_from", "valid_until") if before):
            call.connection.execute(select(func.pg_advisory_xact_lock(_TIES)))
            _check_twice(call, row)
            if _closes_circle(call, row):
                raise errors.Conflict("command_in_a_circle")

    def decorate(self, call: Call, messages: Sequence[pb.Relationship]) -> None:
        today = datetime.now(ZoneInfo(call.access.time_zone)).date()
        for message in messages:
            message.current = is_current(message.valid_from, message.valid_until, today)


RELATIONSHIPS = Relationships()


def _check_ends(call: Call, row: Row) -> None:
    """What a kind ties, and that the writer's right reaches the far end, too; the near one is the tie's parent."""
    field = RELATIONSHIPS.fields
    kind = KINDS.read(call.connection).get(row["kind"])
    if kind is None or kind.retired:
        known = KINDS.read(call.connection)
        raise errors.Invalid(dictionaries.refusal("kind", field["kind"].label, row["kind"], known))
    far = row["to_customer_id"]
    if not reaching.those(call, CUSTOMERS, [far], RELATIONSHIPS.reach(call)):
        raise errors.Invalid(Problem("toCustomerId", "unknown_reference", {"label": field["to_customer_id"].label}))
    named = [bool(row[n]) for n in ("from_contact_id", "to_contact_id")]
    label = {"kind": (kind.label_zh, kind.label_en)}
    if kind.ends == "contacts" and not all(named):
        raise errors.Invalid(Problem("toContactId" if named[0] else "fromContactId", "ends_are_contacts", label))
    if kind.ends == "customers" and any(named):
        raise errors.Invalid(Problem("fromContactId" if named[0] else "toContactId", "ends_are_customers", label))
    if _end(row, "from") == _end(row, "to"):
        raise errors.Invalid(Problem("toContactId" if all(named) else "toCustomerId", "tied_to_itself"))
    for end in ("from", "to"):
        if row[f"{end}_contact_id"]:
            contact_of(call, field[f"{end}_contact_id"], [row[f"{end}_contact_id"]], row[f"{end}_customer_id"])


def _end(row: Row, end: str) -> Any:
    return row[f"{end}_contact_id"] or row[f"{end}_customer_id"]


def holds_on(day: date | None, until: date | None) -> ColumnElement[bool]:
    """Living ties whose validity meets that from `day` until `until`; an open end holds for ever."""
    parts: list[ColumnElement[bool]] = [r.delete_time.is_(None)]
    if until is not None:
        parts.append(or_(r.valid_from.is_(None), r.valid_from <= until))
    if day is not None:
        parts.append(or_(r.valid_until.is_(None), r.valid_until >= day))
    return and_(*parts)


def _check_twice(call: Call, row: Row) -> None:
    kind = KINDS.read(call.connection).get(row["kind"])
    ways = [("from", "to")] if kind is None or kind.directed else [("from", "to"), ("to", "from")]
    same = or_(*(_same(row, near, "from") & _same(row, far, "to") for near, far in ways))
    query = select(r.id).where(r.kind == row["kind"], r.id != row["id"], same)
    if call.connection.scalar(query.where(holds_on(row["valid_from"], row["valid_until"])).limit(1)):
        raise errors.Conflict("tie_exists")


def _same(row: Row, end: str, column: str) -> ColumnElement[bool]:
    contact_id = row[f"{end}_contact_id"]
    its = r[f"{column}_contact_id"]
    customer_is = r[f"{column}_customer_id"] == row[f"{end}_customer_id"]
    return customer_is & (its == contact_id if contact_id else its.is_(None))


def _closes_circle(call: Call, row: Row) -> bool:
    """Walk up from the superior: whether the subordinate is on the way, among ties that hold at the same time."""
    known = KINDS.read(call.connection)
    if not (row["kind"] in known and known[row["kind"]].hierarchy):
        return False
    lines = one_of(r.kind, [code for code, kind in known.items() if kind.hierarchy])
    lines = and_(lines, r.id != row["id"], holds_on(row["valid_from"], row["valid_until"]))
    above = select(r.to_contact_id.label("id")).where(lines, r.from_contact_id == row["to_contact_id"])
    way = above.cte(recursive=True)
    higher = select(r.to_contact_id).join(way, r.from_contact_id == way.c.id).where(lines)
    way = way.union(higher)
    return row["from_contact_id"] in set(call.connection.scalars(select(way.c.id)))
