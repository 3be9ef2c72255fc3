"""Taking registered facts over into a customer, and what was taken over."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import orjson
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import ParseDict
from sqlalchemy import insert, literal, select, tuple_

from crm.customer.v1 import company_register_pb2 as pb
from crm.customer.v1.customers_pb2 import Customer
from crm_kit import codec, errors, ids
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import paging, writing
from customer import sight
from customer.customers import CUSTOMERS
from customer.register.provider import configured
from customer.register.tables import takeover

FIELDS = ("name", "credit_code", "legal_representative", "registered_capital", "founding_date", "address")
"""What a customer takes over; status, scope and risks stay with the facts."""
READ = "registered_company.read"

errors.texts(
    {
        "register_says_nothing": (
            "登记信息中没有{label}",
            "The register says nothing of {label}",
        )
    }
)


def take_over(call: Call, request: pb.TakeOverRegisteredCompanyRequest) -> pb.TakeOverRegisteredCompanyResponse:
    """Change the customer as if the caller had typed the chosen facts, and keep where they are from."""
    given = writing.given(request)
    call.need(READ)
    names = _chosen(given["fields"])
    facts = configured().facts(call, given["credit_code"])
    if facts is None:
        raise errors.NotFound()
    message: Any = Customer(id=request.id)
    missing = []
    for index, name in enumerate(names):
        value = getattr(facts, name)
        setattr(message, name, value)
        if not value:
            label = CUSTOMERS.fields[name].label
            missing.append(Problem(f"fields[{index}]", "register_says_nothing", {"label": label}))
    writing.refuse(missing)
    changed = writing.change(call, CUSTOMERS, message, FieldMask(paths=names), request.etag)
    row = {
        "id": ids.uuid7(),
        "customer_id": request.id,
        "facts": codec.to_dict(facts),
        "fields": names,
        "time": datetime.now(UTC),
        "actor_id": call.caller.user_id or None,
        "actor_name": call.caller.name,
    }
    call.connection.execute(insert(takeover).values(row))
    return pb.TakeOverRegisteredCompanyResponse(customer=changed, takeover=_message(row))


def listed(call: Call, request: pb.ListRegisterTakeoversRequest) -> pb.ListRegisterTakeoversResponse:
    """One page, newest first."""
    hidden = sight.of(call, request.customer_id).hidden
    size = paging.page_size(request)
    c = takeover.c
    query = select(takeover).where(c.customer_id == request.customer_id).order_by(c.time.desc(), c.id.desc())
    if request.page_token:
        time, last_id = _position(request.page_token)
        behind = tuple_(literal(time, c.time.type), literal(last_id, c.id.type))
        query = query.where(tuple_(c.time, c.id) < behind)
    rows = call.connection.execute(query.limit(size + 1)).mappings().all()
    answer = pb.ListRegisterTakeoversResponse(takeovers=[_cut(_message(dict(row)), hidden) for row in rows[:size]])
    if len(rows) > size:
        last = rows[size - 1]
        plain = orjson.dumps([last["time"].isoformat(), last["id"]])
        answer.next_page_token = base64.urlsafe_b64encode(plain).decode()
    return answer


def _chosen(given: list[str]) -> list[str]:
    """The fields by their own names; INVALID_ARGUMENT for one that cannot be taken over."""
    known = {spelt: n for n in FIELDS for spelt in (n, CUSTOMERS.fields[n].json_name)}
    writing.refuse(
        Problem(f"fields[{index}]", "unknown_field", {"name": name[:60]})
        for index, name in enumerate(given)
        if name not in known
    )
    return list(dict.fromkeys(known[name] for name in given))


def _message(row: dict[str, Any]) -> pb.RegisterTakeover:
    return pb.RegisterTakeover(
        id=row["id"],
        customer_id=row["customer_id"],
        facts=ParseDict(row["facts"], pb.RegisteredCompany()),
        fields=row["fields"],
        time=row["time"],
        actor_id=row["actor_id"] or "",
        actor_name=row["actor_name"],
    )


def _cut(told: pb.RegisterTakeover, hidden: frozenset[str]) -> pb.RegisterTakeover:
    """Without the facts whose fields the reader does not see of the customer: they became, or are, its own."""
    for name in hidden.intersection(FIELDS):
        told.facts.ClearField(name)
    if "credit_code" in hidden:
        told.facts.ClearField("id")
    return told


def _position(token: str) -> tuple[datetime, str]:
    try:
        time, last = orjson.loads(base64.urlsafe_b64decode(token))
        if not kinds.is_id(last):
            raise ValueError
        return datetime.fromisoformat(time), last
    except (ValueError, TypeError):
        raise errors.Invalid(key="bad_page_token") from None
