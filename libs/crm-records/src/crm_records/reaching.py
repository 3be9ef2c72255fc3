"""Whether one record lies within a reach, asked of the database with the condition that every list and write uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ARRAY, any_, bindparam, select

from crm_kit import errors, scope
from crm_kit.reach import Reach
from crm_kit.rpc import Call
from crm_records import fields as kinds
from crm_records import sql
from crm_records.record import Record

errors.texts(
    {
        "beyond_team": (
            "您是这条记录的相关团队成员，但您的团队权限不允许此操作",
            "You belong to the team of this record, but your place in it does not allow this",
        ),
        "in_pool": (
            "这条记录在公海中，领取后才能操作",
            "The record lies in a public pool; take it from there first",
        ),
        "beyond_assigning": (
            "{label}不在您可以分配的范围内",
            "{label}: this one lies outside what you may assign to",
        ),
        "beyond_scope": (
            "这条记录不在该权限的数据范围内：{right}",
            "The record lies outside the scope of the right {right}",
        ),
    }
)

_statements: dict[Any, sql.Prepared] = {}


def holds(call: Call, record: Record, record_id: str, reach: Reach) -> bool:
    """Whether a living record lies within a reach."""
    shape = scope.shape(reach)
    key = (record, shape)
    if key not in _statements:
        table = record.table
        query = select(table.c.id).where(table.c.id == bindparam("id", type_=table.c.id.type))
        query = query.where(table.c.delete_time.is_(None))
        within = record.within(shape)
        _statements[key] = sql.prepare(query if within is None else query.where(within))
    parameters = {"id": record_id, **scope.parameters(reach)}
    return _statements[key].run(call.connection, parameters).fetchone() is not None


def check_details(call: Call, record: Record, record_id: str) -> None:
    """NOT_FOUND outside the caller's reach, and for a record of a pool with a view quota that was not opened today:
    what stands beside the record (its history, for one) tells more of it than members see before."""
    reach = call.access.below(record.reach(call), record.team_of, ("details",))
    if not kinds.is_id(record_id) or not holds(call, record, record_id, reach):
        raise errors.NotFound()


def those(call: Call, record: Record, ids: Sequence[str], reach: Reach) -> set[str]:
    """Those of the ids whose records lie within a reach."""
    shape = scope.shape(reach)
    key = (record, shape, "several")
    if key not in _statements:
        table = record.table
        query = select(table.c.id).where(table.c.id == any_(bindparam("ids", type_=ARRAY(table.c.id.type))))
        within = record.within(shape)
        _statements[key] = sql.prepare(query if within is None else query.where(within))
    parameters = {"ids": list(ids), **scope.parameters(reach)}
    return {row[0] for row in _statements[key].run(call.connection, parameters).fetchall()}


def refusal(call: Call, record: Record, record_id: str) -> errors.Refusal:
    """Why a record cannot be written that was not found: who sees it through a team or a pool is told so."""
    read = f"{record.type}.read"
    reach = record.reach_of(call.access, read) if call.access.may(read) else Reach()
    if reach.all and reach.user_id:
        reach = _as_member(call, record, read)
    if reach.record_ids and _shown_by_team(call, record, record_id, reach):
        return errors.Denied("beyond_team")
    if in_pool(call, record, record_id, reach):
        return errors.Denied("in_pool")
    return errors.NotFound()


def _shown_by_team(call: Call, record: Record, record_id: str, reach: Reach) -> bool:
    """Whether a reach shows a record by teams; of what ties two records a team may show the one, a scope the other."""
    if holds(call, record, record_id, Reach(record_ids=reach.record_ids, user_id="")):
        return True
    outside = _without_pools(reach)
    return holds(call, record, record_id, outside) and not holds(call, record, record_id, outside.alone())


def in_pool(call: Call, record: Record, record_id: str, reach: Reach) -> bool:
    """Whether a reach gets to a record by the pool in which it lies; of what ties two records one may lie there."""
    if not (reach.pool_ids or reach.opened_ids):
        return False
    none: frozenset[str] = frozenset()
    alone = replace(reach, all=False, owner_ids=none, department_ids=none, record_ids=none, user_id="")
    if holds(call, record, record_id, alone):
        return True
    return holds(call, record, record_id, reach) and not holds(call, record, record_id, _without_pools(reach))


def _as_member(call: Call, record: Record, read: str) -> Reach:
    """What teams and pools show to whoever sees everything: a member is told so all the same."""
    access, record_type = call.access, record.top.team_of
    found = Reach(
        user_id=access.user_id,
        record_ids=access.member_of(record_type, read),
        pool_ids=access.pools(record_type).ids,
    )
    return access.below(found, record_type, record.hidden_by) if record.parent else found


def _without_pools(reach: Reach) -> Reach:
    none: frozenset[str] = frozenset()
    return replace(reach, pool_ids=none, view_pool_ids=none, opened_ids=none)


def why_not(call: Call, record: Record, record_id: str, right: str) -> str:
    """Empty where a right reaches a record that the caller sees; otherwise why not, in the caller's language."""
    if holds(call, record, record_id, record.reach_of(call.access, right)):
        return ""
    found = refusal(call, record, record_id)
    if isinstance(found, errors.Denied):
        return found.message(call.language)
    return errors.text("beyond_scope", call.language, {"right": right})
