"""Contacts: the people at a customer, one of them the primary one."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import bindparam, select

from crm.customer.v1 import contacts_pb2 as pb
from crm_kit.rpc import Call
from crm_records import changes, sql, writing
from crm_records.record import Record, Row
from customer import pinyin
from customer.customers import CUSTOMERS, PERSONAL, find_again
from customer.tables import contact


class Contacts(Record):
    """See the contract for the fields."""

    message = pb.Contact
    table = contact
    plural = "contacts"
    bulk = ("update", "delete")
    number = "LX{yyyyMMdd}-{seq:4}"
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

    made_of = {"pinyin": ("name",), "pinyin_initials": ("name",)}  # noqa: RUF012

    def search_texts(self, call: Call, row: Row, before: Row | None) -> Iterable[str]:
        yield from super().search_texts(call, row, before)
        yield from pinyin.spellings(row["name"])

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

    def find_merged(self, call: Call, keys: Collection[str]) -> dict[str, str]:
        from customer.merging import redirects

        return redirects.by_key(call, self, keys)

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        if before is None or row["name"] != before["name"]:
            row["pinyin"], row["pinyin_initials"] = pinyin.of(row["name"])
        if before is None:
            row["enterer_id"] = row["enterer_id"] or call.caller.user_id or None
            row["review_mark"] = "pending"
        if row["primary"] and not (before and before["primary"]):
            _take_the_mark(call, row)


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


def _take_the_mark(call: Call, row: Row) -> None:
    """A customer has one primary contact: the one before loses the mark, as a change of its own."""
    found = _PRIMARY.run(call.connection, {"customer_id": row["customer_id"]}).fetchall()
    for before in (writing.as_row(call, CONTACTS, values) for values in found):
        if before["id"] == row["id"]:
            continue
        after = {**before, "primary": False}
        writing.store(call, CONTACTS, before, after)
        changes.tell(call, CONTACTS, "updated", [(before, after)], after["update_time"])
