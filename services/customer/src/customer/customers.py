"""Customers: the company's or person's master data, and whose it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any, ClassVar

from sqlalchemy import ARRAY, ColumnElement, Text, and_, any_, bindparam, func, or_, select, update

from crm.customer.v1 import customers_pb2 as pb
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import blind, search, sql
from crm_records.companion import Companion
from crm_records.record import Record, Row, Unseen
from customer import clock, headings, pinyin, traditional, undoing
from customer.duplicates import keeping
from customer.merging.mergeable import Mergeable
from customer.pools import capacity, ownership
from customer.pools.config import CREATION, HANDOVER
from customer.review import marks
from customer.standing import marks as standing_marks
from customer.standing import notes
from customer.tables import contact, customer, usage

errors.texts(
    {
        "own_parent": ("上级单位不能是自己或自己的下级", "A customer cannot be its own parent"),
        "parts_exceed_total": (
            "男女员工数之和不能超过员工总数",
            "Male and female employees are more than all employees",
        ),
    }
)

USED_BY = {
    "opportunity": ("商机", "Opportunity"),
    "service_request": ("服务请求", "Service request"),
}


PERSONAL = ("phone", "office_phone", "mobile", "home_phone", "fax", "email", "wechat", "identity_number")
"""Fields of a contact that are kept encrypted and that a search finds by their whole value."""
MOST = 1000
"""Contacts that share a number, beyond which their customers are not told apart."""


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
            found = _CONTACT_TEXTS.run(call.connection, {"customer_id": row["id"]}).fetchall()
            yield from (line for (text,) in found for line in text.split("\n"))

    def search_condition(self) -> ColumnElement[bool]:
        """Also by what is personal of a contact, whole. An array, so that each way in has its index."""
        theirs = select(contact.c.customer_id).where(search.exactly(contact), contact.c.delete_time.is_(None))
        ids: ColumnElement[Any] = func.array(
            theirs.limit(MOST).scalar_subquery(), type_=ARRAY(contact.c.customer_id.type)
        )
        return or_(super().search_condition(), customer.c.id == any_(ids))

    def narrow_search(self, unseen: Unseen) -> ColumnElement[bool]:
        """Also by every reading of the own name, where all of the customer is seen: by no line that a contact gave."""
        found = super().narrow_search(unseen)
        return found if self.type in unseen else or_(found, and_(search.condition(customer), _own_line()))

    def search_parameters(self, call: Call, words: str, unseen: Unseen) -> dict[str, Any]:
        """Also in simplified characters, which every name that has others is found by."""
        return traditional.also_simplified(super().search_parameters(call, words, unseen), words)

    def search_exactly(self, words: str, unseen: Unseen) -> list[tuple[str, str]]:
        personal = [n for n in PERSONAL if n not in unseen.get("contact", ())]
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
            from customer.care.festivals import derive_birthday

            derive_birthday(row, before)
        _check_employees(row)
        _check_position(row)
        if row["parent_id"] and (before is None or row["parent_id"] != before["parent_id"]):
            check_parent(call, row)
        ownership.settle(row, before)
        if before is None and row["owner_id"]:
            _check_room(call, row["owner_id"])

    def created(self, call: Call, rows: Sequence[Row], *, many: bool) -> None:
        """Whoever asked for it, or where nobody owns them and a rule is for that: they are given away by the rules. For
        the rest, which may be many, there must be room."""
        from customer.allocation import giving

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
                check_parent(call, after)

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
        from customer.behaviour import persons

        yield from persons.exported(call, "customer", row)
        yield from notes.of(call.connection, row["id"])

    def erase_besides(self, call: Call, before: Row, after: Row) -> None:
        from customer.behaviour import persons
        from customer.register import takeovers

        persons.erase(call, "customer", before)
        takeovers.erase(call, before["id"])
        notes.forget(call.connection, before["id"])
        ownership.erase(call, before["id"])


CUSTOMERS = Customers()


def _check_room(call: Call, owner_id: str) -> None:
    """Whether there is room for a new customer that its owner keeps."""
    from customer.allocation import giving

    if giving.ASKED not in call.memo:
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
_CONTACT_TEXTS = sql.prepare(
    select(contact.c.search_text).where(
        contact.c.customer_id == bindparam("customer_id", type_=contact.c.customer_id.type),
        contact.c.delete_time.is_(None),
    )
)


def _own_line() -> ColumnElement[bool]:
    """A line of what a customer is found by holds the words, and none of its contacts gave that line."""
    split = partial(func.string_to_array, type_=ARRAY(Text))
    line = func.unnest(split(customer.c.search_text, "\n"), type_=Text).column_valued("line")
    theirs = select(func.unnest(split(contact.c.search_text, "\n"), type_=Text)).where(
        contact.c.customer_id == customer.c.id, contact.c.delete_time.is_(None)
    )
    own = select(line).where(search.like(line), line.not_in(theirs.correlate(customer)))
    return own.correlate(customer).exists()


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


GROUPABLE = ("owner_id", "department_id", "province", "city")
"""Fields without a dictionary that counts may be grouped by."""


_PARENTS = 0x43524D31
"""Advisory lock of whoever changes a parent."""


def _check_employees(row: Row) -> None:
    total = row["employees"]
    if total is not None and (row["male_employees"] or 0) + (row["female_employees"] or 0) > total:
        raise errors.Invalid(Problem("employees", "parts_exceed_total"))


def _check_position(row: Row) -> None:
    """Half a position is none."""
    for name, other in (("latitude", "longitude"), ("longitude", "latitude")):
        if row[name] is None and row[other] is not None:
            field = CUSTOMERS.fields[name]
            raise errors.Invalid(Problem(field.json_name, "required", {"label": field.label}))


def check_parent(call: Call, row: Row, also: Collection[str] = ()) -> None:
    """Walk up from the parent: the customer itself must not be on the way, nor what goes into it (`also`). One at a
    time, or two make a ring."""
    call.connection.execute(select(func.pg_advisory_xact_lock(_PARENTS)))
    above = select(customer.c.id, customer.c.parent_id).where(customer.c.id == row["parent_id"]).cte(recursive=True)
    above = above.union(select(customer.c.id, customer.c.parent_id).join(above, customer.c.id == above.c.parent_id))
    if not {row["id"], *also}.isdisjoint(call.connection.scalars(select(above.c.id))):
        raise errors.Invalid(Problem("parentId", "own_parent"))


def group_field(name: str) -> Any:
    """The field that a count is grouped by, or a refusal."""
    field = CUSTOMERS.stored.get(name) or next((f for f in CUSTOMERS.stored.values() if f.json_name == name), None)
    if field is None or not (field.dictionary or field.values or field.name in GROUPABLE):
        raise errors.Invalid(Problem("groupBy", "unknown_field", {"name": name[:60]}))
    return field
