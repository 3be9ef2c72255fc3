"""The second question, compiled into SQL: which records a caller may see. Nobody writes a scope by hand.

The condition depends only on the *shape* of a reach, so statements stay the same from caller to caller and
remain prepared; who exactly may see travels as array parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Uuid, and_, any_, bindparam, false, or_
from sqlalchemy.dialects.postgresql import array

from crm_kit.reach import Reach

_IDS = ARRAY(Uuid(as_uuid=False))


@dataclass(frozen=True, slots=True)
class Shape:
    """What kind of condition a reach needs."""

    all: bool
    owners: bool
    departments: bool
    records: bool = False
    pools: bool = False
    opened: bool = False


def shape(reach: Reach) -> Shape:
    """The shape of a reach: equal for most callers of a role."""
    return Shape(
        reach.all,
        bool(reach.owner_ids),
        bool(reach.department_ids),
        bool(reach.record_ids),
        bool(reach.pool_ids),
        bool(reach.opened_ids),
    )


def parameters(reach: Reach) -> dict[str, Any]:
    """What to bind to the condition."""
    bound: dict[str, Any] = {"scope_caller_id": reach.user_id or None}
    if not reach.all:
        if reach.owner_ids:
            bound["scope_owner_ids"] = list(reach.owner_ids)
        if reach.department_ids:
            bound["scope_department_ids"] = list(reach.department_ids)
        if reach.record_ids:
            bound["scope_record_ids"] = list(reach.record_ids)
        if reach.pool_ids:
            bound["scope_pool_ids"] = list(reach.pool_ids)
        if reach.opened_ids:
            bound["scope_view_pool_ids"] = list(reach.view_pool_ids)
            bound["scope_opened_ids"] = list(reach.opened_ids)
    return bound


def condition(
    of: Shape,
    owner: ColumnElement[Any],
    department: ColumnElement[Any] | None = None,
    also: Sequence[ColumnElement[Any]] = (),
    stand_in: ColumnElement[Any] | None = None,
    record: ColumnElement[Any] | None = None,
    pool: ColumnElement[Any] | None = None,
) -> ColumnElement[bool] | None:
    """The condition on a table with these columns, or None where nothing is out of reach.

    A record belongs to where its owner is now; a record without an owner to its department, and to where its
    `stand_in` is, if there is one. `also` are columns that name people who reach it besides; `record` is the column
    of the ids by which a record is found where the person belongs to its team; `pool` names the pool it lies in.
    """
    if of.all:
        return None
    ways = []
    if of.owners:
        owner_ids = bindparam("scope_owner_ids", type_=_IDS)
        ways.append(owner == any_(owner_ids))
        if stand_in is not None:
            ways.append(and_(owner.is_(None), stand_in == any_(owner_ids)))
    if of.departments and department is not None:
        ways.append(and_(owner.is_(None), department == any_(bindparam("scope_department_ids", type_=_IDS))))
    if of.records and record is not None:
        ways.append(record == any_(bindparam("scope_record_ids", type_=_IDS)))
    if of.pools and pool is not None:
        ways.append(pool == any_(bindparam("scope_pool_ids", type_=_IDS)))
    if of.opened and pool is not None and record is not None:
        opened = record == any_(bindparam("scope_opened_ids", type_=_IDS))
        ways.append(and_(pool == any_(bindparam("scope_view_pool_ids", type_=_IDS)), opened))
    ways += [is_caller(column) for column in also]
    return or_(*ways) if ways else false()


def among(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """The condition that a list of ids holds the caller; an index (gin) on the column serves it."""
    return column.contains(array([bindparam("scope_caller_id", type_=Uuid(as_uuid=False))]))


def is_caller(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """The condition that a column names the caller."""
    return column == bindparam("scope_caller_id", type_=Uuid(as_uuid=False))
