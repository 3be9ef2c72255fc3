"""The answer to "is somebody entered already?": in full within the caller's reach, masked beyond it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, Uuid, any_, bindparam, or_, select

from crm.customer.v1 import contacts_pb2, customers_pb2
from crm.customer.v1 import duplicates_pb2 as pb
from crm_kit import organisation
from crm_kit.errors import Problem
from crm_kit.reach import Reach
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import reaching, sql, visibility, writing
from crm_records.record import Record
from customer.contacts import CONTACTS
from customer.customers import CUSTOMERS
from customer.duplicates import asking, scoring
from customer.duplicates.asking import Asked, Signs
from customer.duplicates.scoring import Likeness
from customer.duplicates.tables import duplicate_dismissal
from customer.pinyin import COMPOUND_SURNAMES
from customer.tables import contact, customer

LOOKED_AT, TOLD = 60, 10
"""Candidates whose address and code are compared besides, and those told where nobody says how many."""
MOST_VALUES = 10
"""Phone numbers or addresses in one question."""

_FIELDS = kinds.of(pb.CheckDuplicatesRequest.DESCRIPTOR)
_SHOWN = ("id", "name", "number", "owner_id")
_READ = ("name", "number", "credit_code", "address", "owner_id", "department_id", "pool_id")
_ids = any_(bindparam("ids", type_=ARRAY(Uuid(as_uuid=False))))
_CUSTOMERS = sql.prepare(
    select(customer.c.id, *(customer.c[n] for n in _READ)).where(
        customer.c.id == _ids, customer.c.delete_time.is_(None)
    )
)
_CONTACTS = sql.prepare(select(contact.c.id, contact.c.name, contact.c.number).where(contact.c.id == _ids))
_HOLDERS = sql.prepare(
    select(organisation.user.c.id, organisation.user.c.name, organisation.department.c.name)
    .select_from(
        organisation.user.outerjoin(
            organisation.department, organisation.department.c.id == organisation.user.c.department_id
        )
    )
    .where(organisation.user.c.id == _ids)
)
_DEPARTMENTS = sql.prepare(
    select(organisation.department.c.id, organisation.department.c.name).where(organisation.department.c.id == _ids)
)
_customer = bindparam("customer_id", type_=Uuid(as_uuid=False))
_NO_DUPLICATES = sql.prepare(
    select(duplicate_dismissal.c.customer_id, duplicate_dismissal.c.other_id).where(
        or_(duplicate_dismissal.c.customer_id == _customer, duplicate_dismissal.c.other_id == _customer),
        duplicate_dismissal.c.delete_time.is_(None),
    )
)


def check(call: Call, request: pb.CheckDuplicatesRequest) -> pb.CheckDuplicatesResponse:
    """Who may be the same as what is typed so far."""
    asked = _asked(call, request)
    closed = {r.type: visibility.blind(call, r) for r in (CUSTOMERS, CONTACTS)}
    candidates = asking.ask(call, asked, closed)[:LOOKED_AT]
    rows = rows_of(call, {s.customer_id for s, _ in candidates})
    there = [(s, one, rows[s.customer_id]) for s, one in candidates if s.customer_id in rows]
    alike = [(s, _told(call, asked, s, one, row, closed)) for s, one, row in there]
    told = sorted((c for c in alike if scoring.match(c[1].score)), key=lambda c: (-c[1].score, c[0].record_id))
    told = told[: request.page_size or TOLD]
    return pb.CheckDuplicatesResponse(candidates=_messages(call, told, rows))


def _asked(call: Call, request: pb.CheckDuplicatesRequest) -> Asked:
    """The question, with what was dismissed before. INVALID_ARGUMENT for more numbers than anybody has."""
    given = writing.given(request)
    many = [n for n in ("phones", "emails") if len(given[n]) > MOST_VALUES]
    writing.refuse(Problem(n, "too_many", {"label": _FIELDS[n].label, "limit": MOST_VALUES}) for n in many)
    text = {n: given[n] or "" for n in ("name", "short_name", "credit_code", "website", "address")}
    besides = {request.except_id} if _is_known(call, request.except_id) else set()
    if besides:
        pairs = _NO_DUPLICATES.run(call.connection, {"customer_id": request.except_id}).fetchall()
        besides |= {record_id for pair in pairs for record_id in pair}
    return Asked(
        **text,
        kind=given["kind"] or "organization",
        phones=[p for p in given["phones"] if sum(c.isdigit() for c in p) >= 5],
        emails=[e for e in given["emails"] if "@" in e],
        except_ids=frozenset(besides),
    )


def _is_known(call: Call, customer_id: str) -> bool:
    """Whether a customer is known to the caller by its id. One beyond, or in a pool that may hide what is typed, is not
    left out: its absence would say whose the name or the number is."""
    if not readable(call, CUSTOMERS, [customer_id] if customer_id else []):
        return False
    return not reaching.in_pool(call, CUSTOMERS, customer_id, CUSTOMERS.reach_of(call.access, "customer.read"))


def rows_of(call: Call, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    found = _CUSTOMERS.run(call.connection, {"ids": list(ids)}).fetchall()
    return {values[0]: dict(zip(("id", *_READ), values, strict=True)) for values in found}


def _told(
    call: Call, asked: Asked, signs: Signs, one: Likeness, row: Mapping[str, Any], closed: Mapping[str, frozenset[str]]
) -> Likeness:
    """How alike, as far as the caller may know. By what its pool hides of a customer nobody there finds it by name or
    number: where only that speaks for it, it is told as one out of reach."""
    shut = closed["customer"]
    view = visibility.of(call, CUSTOMERS) if signs.record_type == "customer" else None
    in_pool = view.closed_of(call, customers_pb2.Customer(id=row["id"], pool_id=row["pool_id"])) if view else None
    if in_pool:
        seen = _besides(asked, signs, signs.without(in_pool), row, shut | in_pool)
        if scoring.match(seen.score):
            return seen
        signs.nameless = True
    return _besides(asked, signs, one, row, shut)


def _besides(asked: Asked, signs: Signs, one: Likeness, row: Mapping[str, Any], closed: frozenset[str]) -> Likeness:
    """What address and credit code say besides."""
    if signs.record_type != "customer":
        return one
    if "address" not in closed and scoring.same_address(asked.address, row["address"] or ""):
        one = scoring.together([one, Likeness(scoring.ADDRESS, ("same_address",))])
    codes = (asked.credit_code.upper(), row["credit_code"])
    if "credit_code" not in closed and all(codes) and codes[0] != codes[1]:
        one = Likeness(min(one.score, scoring.OTHER_CODE), (*one.reasons, "other_credit_code"))
    return one


def _messages(
    call: Call, told: Sequence[tuple[Signs, Likeness]], rows: Mapping[str, Mapping[str, Any]]
) -> list[pb.DuplicateCandidate]:
    within = {r.type: readable(call, r, [s.customer_id for s, _ in told]) for r in (CUSTOMERS, CONTACTS)}
    seen = {s.record_id for s, _ in told if s.customer_id in within[s.record_type] and not s.nameless}
    named = [s.record_id for s, _ in told if s.record_type == "contact" and s.record_id in seen]
    contacts = {v[0]: v for v in _CONTACTS.run(call.connection, {"ids": named}).fetchall()} if named else {}
    hidden = [rows[s.customer_id] for s, _ in told if s.record_id not in seen]
    holders = holders_of(call, hidden)
    messages = []
    for signs, one in told:
        row = rows[signs.customer_id]
        message = pb.DuplicateCandidate(
            record_type=signs.record_type,
            score=round(one.score * 100),
            match=scoring.match(one.score),
            reasons=[pb.DuplicateReason(code=c, label=text) for c, text in scoring.labels(call.language, one.reasons)],
        )
        if signs.record_id not in seen:
            message.holder_department, message.holder_name = holders[row["id"]]
        elif signs.record_type == "contact":
            _, name, number = contacts[signs.record_id]
            shown = _seen(call, CONTACTS, contacts_pb2.Contact(id=signs.record_id, name=name, number=number))
            message.visible, message.id, message.customer_id = True, signs.record_id, signs.customer_id
            message.name, message.number = shown.name, shown.number
            if signs.customer_id in within["customer"]:
                message.customer_name = as_seen(call, row).name
        else:
            shown = as_seen(call, row)
            message.visible, message.id, message.customer_id = True, signs.record_id, signs.customer_id
            message.name, message.number = shown.name, shown.number
        messages.append(message)
    return messages


def readable(call: Call, record: Record, customer_ids: Sequence[str]) -> set[str]:
    """Those customers whose records of this kind the caller may read."""
    right = f"{record.type}.read"
    if not customer_ids or not call.access.may(right):
        return set()
    reach: Reach = record.reach_of(call.access, right)
    return reaching.those(call, CUSTOMERS, customer_ids, reach)


def as_seen(call: Call, row: Mapping[str, Any]) -> Any:
    """A customer's name, number and owner as the caller's field rules show them."""
    known = {n: row[n] for n in _SHOWN if row[n] is not None}
    return _seen(call, CUSTOMERS, customers_pb2.Customer(**known))


def _seen(call: Call, record: Record, message: Any) -> Any:
    """The message as the caller's field rules show it."""
    view = visibility.of(call, record)
    finish = view.finisher(_SHOWN, _SHOWN) if view is not None else None
    if finish is not None:
        finish(call, message)
    return message


def holders_of(call: Call, rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """By customer, (department, "张*"): whom to ask about what the caller does not see."""
    if not rows:
        return {}
    owners = list({r["owner_id"] for r in rows if r["owner_id"]})
    people = {v[0]: v for v in _HOLDERS.run(call.connection, {"ids": owners}).fetchall()}
    departments = dict(
        _DEPARTMENTS.run(call.connection, {"ids": list({r["department_id"] for r in rows if r["department_id"]})})
    )
    found = {}
    for row in rows:
        _, name, department = people.get(row["owner_id"], ("", "", ""))
        if not row["owner_id"]:
            department = departments.get(row["department_id"], "")
        found[row["id"]] = (department or "", family_name(name))
    return found


def family_name(name: str) -> str:
    """张三 → 张*, 欧阳娜娜 → 欧阳*, Smith → S*"""
    if not name:
        return ""
    return f"{name[:2] if name[:2] in COMPOUND_SURNAMES and len(name) > 2 else name[0]}*"
