"""Whom care is for: what is needed to know of them, whether they want it, and whether they can be reached.

Encrypted addresses are only asked whether they are there: they are opened where something is delivered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Table, case, func, literal, or_, select

from crm_kit import organisation
from crm_kit.db import one_of
from crm_kit.rpc import Call
from customer.care import templates
from customer.tables import contact, customer

MAIL, TEXT, CALL, TASK = "mail", "text", "call", "task"
_WISH = {MAIL: "do_not_mail", TEXT: "do_not_text", CALL: "do_not_call"}
_WISHES = tuple(_WISH.values())
_BY = {
    contact.name: {MAIL: ("email",), TEXT: ("mobile",), CALL: ("mobile", "phone", "office_phone", "home_phone")},
    customer.name: {MAIL: ("email",), TEXT: ("mobile",), CALL: ("mobile", "phone")},
}
NO_ADDRESS, GONE = "no_address", "gone"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A contact, or a customer itself."""

    record_type: str
    id: str
    name: str
    sex: str | None
    birthday: date | None
    birthday_lunar: bool
    customer_id: str
    company: str
    founding_date: date | None
    owner_id: str | None
    department_id: str | None
    refuses: frozenset[str]
    """What the person, or the customer it belongs to, does not want."""
    reached_by: frozenset[str]
    invalid: bool

    def why_not(self, channel: str) -> str:
        """Why nothing may go this way, empty where it may. Asked when it is proposed, and again when it leaves."""
        if self.invalid:
            return GONE
        if channel == TASK:
            return ""
        if _WISH[channel] in self.refuses:
            return _WISH[channel]
        return "" if channel in self.reached_by else NO_ADDRESS

    def values(self, language: str, owner: str, occasion: str) -> dict[str, str]:
        """What the placeholders of a template stand for. A customer that is greeted itself is its own person: by the
        short name, an individual by the name."""
        return {
            "name": self.company if self.record_type == customer.name else self.name,
            "honorific": templates.honorific(self.sex, language),
            "company": self.company,
            "owner": owner,
            "occasion": occasion,
        }


def load(call: Call, record_type: str, ids: Sequence[str]) -> dict[str, Recipient]:
    """The living ones among these, by id."""
    rows = call.connection.execute(_QUERIES[record_type].where(one_of(_TABLES[record_type].c.id, ids))).mappings()
    return {row["id"]: _recipient(record_type, dict(row)) for row in rows}


def owner_names(call: Call, recipients: Sequence[Recipient]) -> dict[str, str]:
    """Names of those who look after the customers."""
    return organisation.names(call.connection, {r.owner_id for r in recipients if r.owner_id})


def _recipient(record_type: str, row: Mapping[str, Any]) -> Recipient:
    return Recipient(
        record_type=record_type,
        refuses=frozenset(w for w in _WISHES if row[w]),
        reached_by=frozenset(c for c in _BY[record_type] if row[f"by_{c}"]),
        **{n: row[n] for n in _PLAIN},
    )


_PLAIN = (
    *("id", "name", "sex", "birthday", "birthday_lunar", "customer_id", "company", "founding_date"),
    *("owner_id", "department_id", "invalid"),
)
_TABLES: dict[str, Table] = {"contact": contact, "customer": customer}


def _query(table: Table) -> Any:
    c, theirs = table.c, customer.c
    of_both = [or_(c[w], theirs[w]).label(w) if table is contact else c[w].label(w) for w in _WISHES]
    reached = [or_(*(c[n].is_not(None) for n in names)).label(f"by_{way}") for way, names in _BY[table.name].items()]
    own = [c[n] for n in ("id", "name", "sex", "birthday", "birthday_lunar")]
    of_customer = [theirs.founding_date, theirs.owner_id, theirs.department_id]
    short = func.coalesce(theirs.short_name, theirs.name)
    company = case((theirs.kind == "individual", theirs.name), else_=short).label("company")
    mark = c.invalid if table is contact else literal(False).label("invalid")
    customer_id = c.customer_id if table is contact else c.id.label("customer_id")
    query = select(*own, *of_customer, *of_both, *reached, company, mark, customer_id)
    if table is contact:
        query = query.join(customer, theirs.id == c.customer_id).where(theirs.delete_time.is_(None))
    return query.where(c.delete_time.is_(None))


_QUERIES = {name: _query(table) for name, table in _TABLES.items()}
