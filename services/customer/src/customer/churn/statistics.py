"""Why customers were lost: counts by reason, and by month, owner or department as they were then."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Text, cast, func, literal, select

from crm.customer.v1 import churn_cases_pb2 as pb
from crm_kit import errors, organisation, scope
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import dictionaries, sql, visibility, writing
from customer.churn.cases import CHURN_CASES, CONFIRMED, REGAINED
from customer.churn.tables import churn_case

MOST = 1000
"""Groups at most, the largest ones; the total is of all."""
_KEYS: dict[str | None, tuple[str, Any]] = {
    None: ("reason", literal("")),
    "month": ("confirm_date", func.to_char(churn_case.c.confirm_date, "YYYY-MM")),
    "owner": ("lost_owner_id", cast(churn_case.c.lost_owner_id, Text)),
    "department": ("lost_department_id", cast(churn_case.c.lost_department_id, Text)),
}
_NAMED = {"owner": organisation.user, "department": organisation.department}


def count(call: Call, request: pb.CountChurnRequest) -> pb.CountChurnResponse:
    """Confirmed losses within the caller's scope, regained ones too: they were lost."""
    given = writing.given(request)
    first, last = given["from_date"], given["until_date"]
    if first and last and last < first:
        raise errors.Invalid(Problem("untilDate", "period_ends_before_start"))
    field, key = _KEYS[given["group_by"]]
    if visibility.blind(call, CHURN_CASES) & {field, "reason", "confirm_date"}:
        raise errors.Invalid(Problem("groupBy", "unknown_field", {"name": CHURN_CASES.fields[field].json_name}))
    c, reach = churn_case.c, CHURN_CASES.reach(call)
    every = func.sum(func.count()).over()
    query = select(key, c.reason, func.count(), func.count().filter(c.state == REGAINED), every)
    # A case that a merge closed beside another is that other's loss.
    query = query.where(one_of(c.state, (CONFIRMED, REGAINED)), c.delete_time.is_(None))
    query = query.where(c.confirm_date >= first) if first else query
    query = query.where(c.confirm_date <= last) if last else query
    within = CHURN_CASES.within(scope.shape(reach))
    query = query if within is None else query.where(within)
    query = query.group_by(key if given["group_by"] else c.reason, c.reason)
    rows = sql.prepare(query.order_by(func.count().desc()).limit(MOST)).run(call.connection, scope.parameters(reach))
    return _answer(call, given["group_by"], rows.fetchall())


def _answer(call: Call, group_by: str | None, rows: Any) -> pb.CountChurnResponse:
    names: dict[str, str] = {}
    if group_by in _NAMED:
        table: Any = _NAMED[group_by]
        query = select(table.c.id, table.c.name).where(one_of(table.c.id, [r[0] for r in rows if r[0]]))
        names = {row.id: row.name for row in call.connection.execute(query)}
    answer = pb.CountChurnResponse(total=int(rows[0][4]) if rows else 0)
    for key, reason, number, regained, _ in rows:
        answer.groups.add(
            key=key or "",
            label=names.get(key, key or ""),
            reason=reason or "",
            reason_label=dictionaries.label(call, "churn_reason", reason or ""),
            count=number,
            regained=regained,
        )
    return answer
