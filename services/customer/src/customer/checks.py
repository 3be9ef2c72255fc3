"""What must hold between the fields of a customer, and between a customer and its parents."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, select

from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records.record import Record, Row
from customer.tables import customer

errors.texts(
    {
        "own_parent": ("上级单位不能是自己或自己的下级", "A customer cannot be its own parent"),
        "parts_exceed_total": (
            "男女员工数之和不能超过员工总数",
            "Male and female employees are more than all employees",
        ),
    }
)

_PARENTS = 0x43524D31
"""Advisory lock of whoever changes a parent."""


def employees(row: Row) -> None:
    """Their parts are no more than all of them."""
    total = row["employees"]
    if total is not None and (row["male_employees"] or 0) + (row["female_employees"] or 0) > total:
        raise errors.Invalid(Problem("employees", "parts_exceed_total"))


def position(customers: Record, row: Row) -> None:
    """Half a position is none."""
    for name, other in (("latitude", "longitude"), ("longitude", "latitude")):
        if row[name] is None and row[other] is not None:
            field = customers.fields[name]
            raise errors.Invalid(Problem(field.json_name, "required", {"label": field.label}))


def parent(call: Call, row: Row, also: Collection[str] = ()) -> None:
    """Walk up from the parent: the customer itself must not be on the way, nor what goes into it (`also`). One at a
    time, or two make a ring."""
    call.connection.execute(select(func.pg_advisory_xact_lock(_PARENTS)))
    above = select(customer.c.id, customer.c.parent_id).where(customer.c.id == row["parent_id"]).cte(recursive=True)
    above = above.union(select(customer.c.id, customer.c.parent_id).join(above, customer.c.id == above.c.parent_id))
    if not {row["id"], *also}.isdisjoint(call.connection.scalars(select(above.c.id))):
        raise errors.Invalid(Problem("parentId", "own_parent"))
