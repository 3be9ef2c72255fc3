"""How far care has come, over what somebody reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any

from sqlalchemy import bindparam, func, select

from crm.customer.v1 import care_items_pb2 as pb
from crm_kit import errors, organisation, scope
from crm_kit.db import one_of
from crm_kit.errors import Problem
from crm_kit.jobs import ZONE
from crm_kit.rpc import Call
from crm_records import sql, visibility, writing
from customer.care.items import CARE_ITEMS
from customer.care.tables import care_item, care_plan
from customer.clock import later

MOST = 500
"""Groups of an answer, the largest ones."""
_statements: dict[Any, sql.Prepared] = {}


def progress(call: Call, request: pb.GetCareProgressRequest) -> pb.CareProgress:
    """Counts by state for each group."""
    given = writing.given(request)
    name, blind = given["group_by"] or "plan_id", visibility.blind(call, CARE_ITEMS)
    if not {name, "state"}.isdisjoint(blind):
        raise errors.Invalid(Problem("groupBy", "unknown_field", {"name": CARE_ITEMS.fields[name].json_name}))
    asked = next((day for day in ("from_date", "until_date") if given[day]), "")
    if asked and "send_time" in blind:
        raise errors.Invalid(Problem(asked.replace("_d", "D"), "unknown_field", {"name": "sendTime"}))
    reach = CARE_ITEMS.reach(call)
    statement = _statement(name, scope.shape(reach))
    days = {"from_time": _midnight(given["from_date"], 0), "until_time": _midnight(given["until_date"], 1)}
    rows = statement.run(call.connection, {**scope.parameters(reach), **days}).fetchall()
    groups: dict[str, dict[str, int]] = {}
    for key, state, count in rows:
        groups.setdefault(str(key or ""), {})[state] = count
    largest = sorted(groups.items(), key=lambda g: (-sum(g[1].values()), g[0]))[:MOST]
    labels = _labels(call, name, [key for key, _ in largest if key])
    answer = pb.CareProgress()
    for key, counts in largest:
        group = answer.groups.add(key=key, label=labels.get(key, key), total=sum(counts.values()))
        for state, count in sorted(counts.items()):
            group.counts.add(state=state, count=count)
    return answer


def _statement(name: str, shape: scope.Shape) -> sql.Prepared:
    if (name, shape) not in _statements:
        c = care_item.c
        begin = bindparam("from_time", type_=c.send_time.type)
        end = bindparam("until_time", type_=c.send_time.type)
        query = select(c[name], c.state, func.count()).where(
            c.delete_time.is_(None), begin.is_(None) | (c.send_time >= begin), end.is_(None) | (c.send_time < end)
        )
        within = CARE_ITEMS.within(shape)
        query = query if within is None else query.where(within)
        _statements[name, shape] = sql.prepare(query.group_by(c[name], c.state))
    return _statements[name, shape]


def _midnight(day: Any, after: int) -> datetime | None:
    return datetime.combine(later(day, after), time(), ZONE) if day else None


def _labels(call: Call, name: str, keys: Sequence[str]) -> Mapping[str, str]:
    """What people call the groups."""
    if name == "performer_id":
        return organisation.names(call.connection, keys)
    if name == "plan_id":
        c = care_plan.c
        rows = call.connection.execute(select(c.id, c.name).where(one_of(c.id, keys))).all()
        return {row.id: row.name for row in rows}
    return {}
