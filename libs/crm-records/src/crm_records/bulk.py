"""Many rows in one request, each for itself: new ones created, changed ones updated, equal ones left, bad ones told.

A row is found again by the record's key (its `external_id`, a user's name, …), so the same rows sent twice
change nothing and an import that was killed goes on by being sent again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from crm.records.v1 import records_pb2 as pb
from crm_kit import errors
from crm_kit.db import one_of
from crm_kit.errors import Problem, Refusal
from crm_kit.rpc import Call
from crm_records import bulk_store, visibility
from crm_records.bulk_store import Item
from crm_records.record import Record

MOST = 1000

errors.texts(
    {
        "too_many_rows": ("一次最多 {limit} 行", "At most {limit} rows at once"),
        "no_rows": ("没有数据行", "There are no rows"),
        "key_twice": ("{label}“{value}”在请求中出现了两次", "{label} “{value}” is in the request twice"),
    }
)


def import_rows(call: Call, record: Record, messages: Sequence[Any]) -> pb.BulkResponse:
    """Store rows; the answer has one result for each, in their order."""
    if not messages:
        raise errors.Invalid(key="no_rows")
    if len(messages) > MOST:
        raise errors.Invalid(key="too_many_rows", limit=MOST)
    record.import_begins(call, messages)
    stored, merged = _ids_by_key(call, record, messages)
    seen: set[str] = set()
    found: set[str] = set()
    items = []
    for message in messages:
        key = str(getattr(message, record.key)).strip()
        into = merged.get(key, "") if key else ""
        item = Item(message, record_id=(stored.get(key, "") if key else "") or into, merged=bool(into))
        # By its own key, or a second time by that of one that went into it.
        if key and (key in seen or (item.record_id and item.record_id in found)):
            field = record.fields[record.key]
            problem = Problem(field.json_name, "key_twice", {"label": field.label, "value": key[:60]})
            item.refuse(errors.Invalid(problem))
        seen.add(key)
        found.add(item.record_id)
        items.append(item)
    bulk_store.store(call, record, items)
    results = [_result(call, i, item) for i, item in enumerate(items)]
    counts = {o: sum(r.outcome == o for r in results) for o in ("created", "updated", "unchanged", "failed")}
    return pb.BulkResponse(results=results, **counts)


def _result(call: Call, index: int, item: Item) -> pb.RowResult:
    result = pb.RowResult(index=index, id=item.record_id, outcome=item.outcome)
    if item.refusal is not None:
        result.reason = _reason(call, item.refusal)
        problems = item.refusal.problems
        result.problems.extend(pb.FieldProblem(field=p.path, message=p.message(call.language)) for p in problems)
    return result


def _reason(call: Call, refusal: Refusal) -> str:
    return "; ".join(p.message(call.language) for p in refusal.problems) or refusal.message(call.language)


def _ids_by_key(call: Call, record: Record, messages: Sequence[Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The stored records of the keys given, and those into which records of other keys given went. Whosoever they are:
    the scope is asked when they are touched."""
    wanted = {str(getattr(m, record.key)).strip() for m in messages} - {""}
    if not wanted or record.key in visibility.blind(call, record):  # which keys there are is not the caller's to know
        return {}, {}
    table = record.table
    column = table.c[record.key]
    query = select(column, table.c.id).where(one_of(column, wanted), table.c.delete_time.is_(None))
    found = {row[0]: row[1] for row in call.connection.execute(query)}
    missing = wanted - found.keys()
    return found, record.find_merged(call, missing) if missing else {}
