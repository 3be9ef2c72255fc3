"""What a dry run of an import remarks: a customer of the same name is there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ARRAY, Text, any_, bindparam, select

from crm.customer.v1 import customers_pb2
from crm_kit import errors
from crm_kit.errors import Problem
from crm_kit.rpc import Call
from crm_records import sql, visibility
from customer.customers import CUSTOMERS
from customer.duplicates import checking, keeping
from customer.duplicates.tables import likeness

MOST = 5000
"""Customers of the same names that are looked at for the rows of one step."""

errors.texts(
    {
        "name_there": ("客户“{name}”（{number}）已存在", "Customer “{name}” ({number}) is there already"),
        "name_held": (
            "已有同名客户，由{holder}负责",
            "A customer of that name is there already; ask {holder}",
        ),
    }
)

_SAME = sql.prepare(
    select(likeness.c.full_name, likeness.c.record_id)
    .where(
        likeness.c.full_name == any_(bindparam("names", type_=ARRAY(Text))),
        likeness.c.record_type == "customer",
        likeness.c.kind == "organization",
    )
    .order_by(likeness.c.full_name, likeness.c.record_id)
    .limit(MOST)
)


def hints(call: Call, messages: Sequence[customers_pb2.Customer]) -> list[tuple[str, Problem | None]]:
    """For each new customer its name as it is compared, and who has it already. Many persons share a name: of them
    nothing is told. What it takes and what it tells are those of the check for duplicates."""
    names = [keeping.apart(m.name, m.kind).full if m.kind != "individual" else "" for m in messages]
    asked = sorted({*names} - {""})
    if not asked or not call.access.may("customer.create") or "name" in visibility.blind(call, CUSTOMERS):
        return [(name, None) for name in names]
    found: dict[str, list[str]] = {}
    for name, record_id in _SAME.run(call.connection, {"names": asked}).fetchall():
        found.setdefault(name, []).append(record_id)
    told = _told(call, found) if found else {}
    return [(name, told.get(name)) for name in names]


def _told(call: Call, found: Mapping[str, Sequence[str]]) -> dict[str, Problem]:
    """Of each name one customer: such as the importer sees, if there is any."""
    ids = [record_id for some in found.values() for record_id in some]
    rows = checking.rows_of(call, ids)
    seen = checking.readable(call, CUSTOMERS, ids)
    view = visibility.of(call, CUSTOMERS)

    def is_seen(row: Mapping[str, Any]) -> bool:
        pooled = customers_pb2.Customer(id=row["id"], pool_id=row["pool_id"])
        return row["id"] in seen and (view is None or "name" not in view.closed_of(call, pooled))

    chosen: dict[str, tuple[dict[str, Any], bool]] = {}
    for name, some in found.items():
        there = [(rows[record_id], is_seen(rows[record_id])) for record_id in some if record_id in rows]
        if there:
            chosen[name] = max(there, key=lambda one: one[1])
    holders = checking.holders_of(call, [row for row, visible in chosen.values() if not visible])
    problems = {}
    for name, (row, visible) in chosen.items():
        if visible:
            shown = checking.as_seen(call, row)
            problems[name] = Problem("name", "name_there", {"name": shown.name, "number": shown.number})
        else:
            holder = " ".join(filter(None, holders[row["id"]]))
            problems[name] = Problem("name", "name_held", {"holder": holder})
    return problems
