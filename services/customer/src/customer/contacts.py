"""Contacts: the people at a customer, one of them the primary one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import bindparam, select

from crm.customer.v1 import contacts_pb2 as pb
from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import changes, sql, storing
from crm_records.fields import Field
from crm_records.record import Row, Unseen
from customer import headings, pinyin, traditional
from customer.behaviour import persons
from customer.care.festivals import derive_birthday
from customer.customers import CUSTOMERS, find_again
from customer.finding import PERSONAL
from customer.merging.mergeable import Mergeable
from customer.review import marks
from customer.tables import contact

errors.texts({"contact_of_another": ("{label}不属于该客户", "{label} belongs to another customer")})


class Contacts(Mergeable):
    """See the contract for the fields."""

    message = pb.Contact
    table = contact
    plural = "contacts"
    bulk = ("update", "delete", "approve", "return")
    number = "LX{yyyyMMdd}-{seq:4}"
    import_aliases = headings.CONTACT
    import_words = headings.WORDS
    import_example = headings.CONTACT_EXAMPLE
    parent = ("customer_id", CUSTOMERS)
    search = ("name", "pinyin", "pinyin_initials", *PERSONAL)
    list_fields = (
        "customer_id",
        "number",
        "name",
        "primary",
        "position",
        "department",
        "decision_role",
        "mobile",
        "phone",
        "email",
        "create_time",
    )

    states = marks.states(pb.Contact)
    made_of = {"pinyin": ("name",), "pinyin_initials": ("name",), "lunar_birthday": ("birthday",)}  # noqa: RUF012

    def search_texts(self, call: Call, row: Row, before: Row | None) -> Iterable[str]:
        yield from super().search_texts(call, row, before)
        yield traditional.simplified(row["name"])
        yield from pinyin.spellings(row["name"])

    def search_parameters(self, call: Call, words: str, unseen: Unseen) -> dict[str, Any]:
        return traditional.also_simplified(super().search_parameters(call, words, unseen), words)

    def written(self, call: Call, row: Row, before: Row | None) -> None:
        """A customer is found by the names of its contacts."""
        if before is None or any(row[n] != before[n] for n in ("search_text", "delete_time", "customer_id")):
            find_again(call, row["customer_id"])
        if before is not None and row["customer_id"] != before["customer_id"]:
            find_again(call, before["customer_id"])

    def relinks(self, call: Call, before: Row, after: Row) -> None:
        """Of two primary contacts that of the customer that stays keeps the mark."""
        if after["primary"] and after["customer_id"] != before["customer_id"]:
            after["primary"] = not _PRIMARY.run(call.connection, {"customer_id": after["customer_id"]}).fetchall()

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if before is None or row["name"] != before["name"]:
            row["pinyin"], row["pinyin_initials"] = pinyin.of(row["name"], person=True)
        if before is None:
            row["enterer_id"] = row["enterer_id"] or call.caller.user_id or None
            row["review_mark"] = marks.PENDING
        else:
            marks.reopen(call, self, row, before)
        if row["birthday_lunar"] or (before is not None and before["birthday_lunar"]):
            derive_birthday(row, before)
        if row["primary"] and not (before and before["primary"]):
            _take_the_mark(call, row)

    def export_besides(self, call: Call, row: Row) -> Iterable[tuple[str, dict[str, Any]]]:
        return persons.exported(call, "contact", row)

    def erase_besides(self, call: Call, before: Row, after: Row) -> None:
        persons.erase(call, "contact", before)


CONTACTS = Contacts()

_PRIMARY = sql.prepare(
    select(contact)
    .where(
        contact.c.customer_id == bindparam("customer_id", type_=contact.c.customer_id.type),
        contact.c.primary,
        contact.c.delete_time.is_(None),
    )
    .with_for_update()
)


def contact_of(call: Call, field: Field, contact_ids: Collection[str], customer_id: str) -> None:
    """Refuse contacts, given in a field, that are not people of this customer."""
    query = select(contact.c.id).where(one_of(contact.c.id, contact_ids), contact.c.customer_id == customer_id)
    if set(call.connection.scalars(query)) != set(contact_ids):
        raise errors.Invalid(Problem(field.json_name, "contact_of_another", {"label": field.label}))


def _take_the_mark(call: Call, row: Row) -> None:
    """A customer has one primary contact: the one before loses the mark, as a change of its own."""
    found = _PRIMARY.run(call.connection, {"customer_id": row["customer_id"]}).fetchall()
    for before in (storing.as_row(call, CONTACTS, values) for values in found):
        if before["id"] == row["id"]:
            continue
        after = {**before, "primary": False}
        storing.store(call, CONTACTS, before, after)
        changes.tell(call, CONTACTS, "updated", [(before, after)], after["update_time"])
