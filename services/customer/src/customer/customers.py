"""Customers: the company's or person's master data, and whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from sqlalchemy import ARRAY, ColumnElement, and_, any_, bindparam, func, or_, select, update

from crm.customer.v1 import customers_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import blind, search, sql
from crm_records.companion import Companion
from crm_records.record import Record, Row, Unseen
from customer import checks, clock, finding, headings, pinyin, traditional, undoing
from customer.allocation import asking
from customer.behaviour import persons
from customer.care.festivals import derive_birthday
from customer.duplicates import keeping
from customer.merging.mergeable import Mergeable
from customer.pools import capacity, ownership
from customer.pools.config import CREATION, HANDOVER
from customer.register import notes as register_notes
from customer.review import marks
from customer.standing import marks as standing_marks
from customer.standing import notes
from customer.tables import contact, customer, usage

USED_BY = {
    "opportunity": ("商机", "Opportunity"),
    "service_request": ("服务请求", "Service request"),
}


class Customers(Mergeable):
    """See the contract for the fields."""

    message = pb.Customer
    table = customer
    plural = "customers"
    bulk = ("update", "assign", "delete", "approve", "return")
    number = "KH{yyyyMMdd}-{seq:4}"
    import_aliases: ClassVar = headings.CUSTOMER
    import_words: ClassVar = headings.WORDS
    import_example: ClassVar = headings.CUSTOMER_EXAMPLE
    companions = (
        Companion(
            *("contact", "primary_contact", ("联系人", "Contact")),
            fields=("name", "sex", "position", "department", "mobile", "phone", "email", "wechat"),
            mark="primary",
        ),
    )
    search: ClassVar[Sequence[str]] = (
        "name",
        "short_name",
        "pinyin",
        "pinyin_initials",
        "number",
        *("phone", "fax", "mobile", "email", "wechat", "bank_account", "identity_number"),
    )
    search_whole: ClassVar[Sequence[str]] = ("external_id", "credit_code")
    list_fields: ClassVar[Sequence[str]] = (
        "number",
        "name",
        "short_name",
        "kind",
        "type",
        "level",
        "relation",
        "industry",
        "province",
        "city",
        "phone",
        "owner_id",
        "last_contact_time",
        "has_valid_demand",
        "review_mark",
        "create_time",
    )

    pooled = "pool_id"
    owned_since = "owner_time"
    pool_brief: ClassVar[Sequence[str]] = (
        *("number", "name", "short_name", "pinyin", "pinyin_initials", "kind", "type", "level", "relation", "industry"),
        *("country", "province", "city", "region", "source", "scale", "owner_id", "department_id", "last_contact_time"),
        *("pool_id", "pool_time", "create_time", "update_time", "delete_time"),
    )

    made_of: ClassVar = {"pinyin": ("name",), "pinyin_initials": ("name",), "lunar_birthday": ("birthday",)}
    computes = frozenset({"graded", "staged"})
    states = marks.states(pb.Customer)

    def searched_parts(self) -> Sequence[Record]:
        return (self.registry.records["contact"],)

    def search_texts(self, call: Call, row: Row, before: Row | None) -> Iterable[str]:
        """By what it is called, however it is spelt and in simplified characters, and by its contacts."""
        yield from super().search_texts(call, row, before)
        yield from map(traditional.simplified, (row["name"], row["short_name"] or ""))
        yield from pinyin.spellings(row["name"])
        yield from pinyin.spellings(row["short_name"] or "")
        if before is not None:
            yield from finding.lines_of_contacts(call, row["id"])

    def search_condition(self) -> ColumnElement[bool]:
        """Also by what is personal of a contact, whole. An array, so that each way in has its index."""
        return or_(super().search_condition(), finding.by_contacts())

    def narrow_search(self, unseen: Unseen) -> ColumnElement[bool]:
        """Also by every reading of the own name, where all of the customer is seen: by no line that a contact gave."""
        found = super().narrow_search(unseen)
        return found if self.type in unseen else or_(found, and_(search.condition(customer), finding.own_line()))

    def search_parameters(self, call: Call, words: str, unseen: Unseen) -> dict[str, Any]:
        """Also in simplified characters, which every name that has others is found by."""
        return traditional.also_simplified(super().search_parameters(call, words, unseen), words)

    def search_exactly(self, words: str, unseen: Unseen) -> list[tuple[str, str]]:
        personal = [n for n in finding.PERSONAL if n not in unseen.get("contact", ())]
        return super().search_exactly(words, unseen) + blind.of(contact).searched(personal, words)

    def prepare(self, call: Call, row: Row, before: Row | None) -> None:
        row["kind"] = row["kind"] or "organization"
        if before is None or row["name"] != before["name"]:
            row["pinyin"], row["pinyin_initials"] = pinyin.of(row["name"], row["kind"] == "individual")
        if before is None:
            row["enterer_id"] = row["enterer_id"] or call.caller.user_id or None
            row["lifecycle"], row["lifecycle_date"] = "potential", clock.today(call)
            row["review_mark"] = marks.PENDING
        else:
            marks.reopen(call, self, row, before)
        if row["birthday_lunar"] or (before is not None and before["birthday_lunar"]):
            derive_birthday(row, before)
        checks.employees(row)
        checks.position(self, row)
        if row["parent_id"] and (before is None or row["parent_id"] != before["parent_id"]):
            checks.parent(call, row)
        ownership.settle(row, before)
        if before is None and row["owner_id"]:
            _check_room(call, row["owner_id"])

    def created(self, call: Call, rows: Sequence[Row], *, many: bool) -> None:
        """Whoever asked for it, or where nobody owns them and a rule is for that: they are given away by the rules. For
        the rest, which may be many, there must be room."""
        from customer.allocation import giving  # knows customers itself, as the two that are imported below do

        owners = [row["owner_id"] for row in rows]
        giving.new_ones(call, rows, many=many)
        capacity.check(call, CREATION, {o for o, row in zip(owners, rows, strict=True) if o and o == row["owner_id"]})

    def handed_over(self, call: Call, pairs: Sequence[tuple[Row, Row]]) -> None:
        takers = {after["owner_id"] for _, after in pairs if after["delete_time"] is None}
        capacity.check(call, HANDOVER, takers, from_id=pairs[0][0]["owner_id"])

    def taken_back(self, call: Call, pairs: Sequence[tuple[Row, Row]]) -> None:
        undoing.refuse_gone(call, self, pairs)
        for before, after in pairs:
            if after["parent_id"] and after["parent_id"] != before["parent_id"]:
                checks.parent(call, after)

    def import_hints(self, call: Call, messages: Sequence[Any]) -> Sequence[tuple[str, Problem | None]]:
        from customer.duplicates import hinting

        return hinting.hints(call, messages)

    def foresee(self, call: Call, rows: Sequence[Row]) -> None:
        keeping.foresee(call, rows)

    def written_many(self, call: Call, pairs: Sequence[tuple[Row | None, Row]]) -> None:
        """What they are compared by is kept beside them; what is computed of them looks at their purchasing power."""
        keeping.written(call, pairs)
        for before, after in pairs:
            ownership.moved(call, after, before)
            if before is not None:
                capacity.check_given(call, after, before)
        standing_marks.mark(call.connection, [after["id"] for before, after in pairs if _counts(call, after, before)])

    def may_delete_many(self, call: Call, rows: Sequence[Row]) -> None:
        """Told is the first that something of another service points at, and how much does."""
        found: dict[str, list[tuple[tuple[str, str], int]]] = {}
        for customer_id, record_type, count in _USED.run(call.connection, {"ids": [row["id"] for row in rows]}):
            found.setdefault(customer_id, []).append((USED_BY[record_type], count))
        first = next((found[row["id"]] for row in rows if row["id"] in found), None)
        if first:
            what = tuple(", ".join(f"{label[i]} {n}" for label, n in first) for i in (0, 1))
            raise errors.Conflict("depended_on", what=what)

    def export_besides(self, call: Call, row: Row) -> Iterable[tuple[str, dict[str, Any]]]:
        yield from persons.exported(call, "customer", row)
        yield from notes.of(call.connection, row["id"])

    def erase_besides(self, call: Call, before: Row, after: Row) -> None:
        persons.erase(call, "customer", before)
        register_notes.forget(call.connection, before["id"])
        notes.forget(call.connection, before["id"])
        ownership.erase(call, before["id"])


CUSTOMERS = Customers()


def _check_room(call: Call, owner_id: str) -> None:
    """Whether there is room for a new customer that its owner keeps."""
    if not asking.is_asked(call):
        capacity.check(call, CREATION, [owner_id], coming=1)


def _counts(call: Call, row: Row, before: Row | None) -> bool:
    """Whether something is computed of what changed; of a new customer only from what it can buy: it has not traded."""
    from customer.value.models import looked_at_changed

    if before is None:
        return row["purchasing_power"] is not None
    return row["purchasing_power"] != before["purchasing_power"] or looked_at_changed(call, row, before)


_USED = sql.prepare(
    select(usage.c.customer_id, usage.c.record_type, func.count())
    .where(usage.c.customer_id == any_(bindparam("ids", type_=ARRAY(usage.c.customer_id.type))))
    .group_by(usage.c.customer_id, usage.c.record_type)
)
_NAMED = [customer.c[n] for n in ("id", *CUSTOMERS.search) if not CUSTOMERS.stored[n].encrypted]
_SEARCHED = sql.prepare(
    update(customer)
    .where(customer.c.id == bindparam("customer_id", type_=customer.c.id.type))
    .values({n: bindparam(n, type_=customer.c[n].type) for n in ("search_text", "search_grams")})
)


def find_again(call: Call, customer_id: str) -> None:
    """A contact changed: what the customer is found by is derived anew. No change of the customer itself."""
    locked = select(*_NAMED).where(customer.c.id == customer_id).with_for_update(key_share=True)
    row = dict(call.connection.execute(locked).mappings().one())
    text, grams = search.keys(CUSTOMERS.search_texts(call, row, row))
    _SEARCHED.run(call.connection, {"customer_id": customer_id, "search_text": text, "search_grams": grams})
