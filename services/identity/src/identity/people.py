"""What everybody who is signed in knows of a colleague: name, department, position."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from sqlalchemy import Select, literal, or_, select, tuple_

from crm.identity.v1 import users_pb2 as pb
from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import fields as kinds
from identity.tables import department, user

DEFAULT, LARGEST = 20, 200


def page(call: Call, request: pb.ListPeopleRequest) -> pb.ListPeopleResponse:
    """Colleagues by name, found by a part of their name, user name or position."""
    if not 0 <= request.page_size <= LARGEST:
        key, limit = ("too_small", 0) if request.page_size < 0 else ("too_large", LARGEST)
        raise errors.Invalid(errors.Problem("pageSize", key, {"label": ("每页条数", "Page size"), "limit": limit}))
    size = request.page_size or DEFAULT
    query = _people().order_by(user.c.name, user.c.id).limit(size + 1)
    words = request.search.strip()[:60]
    if words:
        fields = (user.c.name, user.c.username, user.c.position)
        query = query.where(or_(*(c.icontains(words, autoescape=True) for c in fields)))
    if request.page_token:
        name, person_id = _read(request.page_token)
        last = tuple_(literal(name), literal(person_id, user.c.id.type))
        query = query.where(tuple_(user.c.name, user.c.id) > last)
    rows = call.connection.execute(query).all()
    answer = pb.ListPeopleResponse(people=[_message(row) for row in rows[:size]])
    if len(rows) > size:
        answer.next_page_token = _write(rows[size - 1])
    return answer


def one(call: Call, person_id: str) -> pb.Person:
    """One colleague."""
    row = None
    if kinds.is_id(person_id):
        row = call.connection.execute(_people().where(user.c.id == person_id)).one_or_none()
    if row is None:
        raise errors.NotFound()
    return _message(row)


def _people() -> Select[Any]:
    columns = (user.c.id, user.c.username, user.c.name, user.c.department_id, user.c.position, user.c.active)
    joined = user.outerjoin(department, department.c.id == user.c.department_id)
    query = select(*columns, department.c.name.label("department_name")).select_from(joined)
    return query.where(user.c.delete_time.is_(None))


def _message(row: Any) -> pb.Person:
    return pb.Person(**{name: value for name, value in row._mapping.items() if value is not None})


def _write(row: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([row.name, row.id])).decode()


def _read(token: str) -> tuple[str, str]:
    try:
        name, person_id = orjson.loads(base64.urlsafe_b64decode(token))
        if not isinstance(name, str) or not kinds.is_id(person_id):
            raise ValueError(token)
    except (ValueError, TypeError):
        raise errors.Invalid(key="bad_page_token") from None
    return name, person_id
